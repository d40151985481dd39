//! What the engine promises is what docs/engines.md says.

mod common;

use stellatune_plugin_core::engine::Engine;

#[test]
fn the_documented_guarantees_are_the_engine_s() {
    let text = String::from_utf8(common::file("docs/engines.md")).unwrap();
    let table = text.split("## Wasmtime").nth(1).expect("docs/engines.md has a section on Wasmtime");
    let documented: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let engine = common::engine();
    let promised: Vec<Vec<&str>> =
        engine.guarantees().iter().map(|it| vec![it.name, if it.held { "yes" } else { "no" }, it.how]).collect();
    assert_eq!(documented, promised);
}

#[test]
fn the_id_names_the_engine_and_does_not_change() {
    let id = common::engine().id().clone();
    assert_eq!((id.name, &*id.version), ("wasmtime", "48.0.8"));
    assert_eq!(common::engine().id(), &id);
    let artifact = common::engine().compile(&common::prebuilt("echo-lyrics")).unwrap();
    assert_eq!(common::engine().compile(&common::prebuilt("echo-lyrics")).unwrap(), artifact);
}
