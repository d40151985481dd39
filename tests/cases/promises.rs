//! What an engine says of itself is true, and is what docs/engines.md says.

use crate::support::{Case, Subject, fixture};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("promises/documented", [], documented),
        Case::new("promises/id", [], id),
        Case::new("promises/code-is-the-same-again", ["echo-lyrics"], |subject| {
            let compile = || subject.fresh().compile(&fixture::wasm("echo-lyrics")).expect("compiles");
            assert!(compile() == compile(), "the compiled cache would never hit");
        }),
    ]
}

/// The table of an engine's section holds its guarantees, in order and word for word.
fn documented(subject: &Subject) {
    let text = include_str!("../../docs/engines.md");
    let section = text
        .split("\n## ")
        .find(|section| section.lines().next().is_some_and(|title| title.eq_ignore_ascii_case(subject.name())));
    let table = section.unwrap_or_else(|| panic!("docs/engines.md has a section on {}", subject.name()));
    let documented: Vec<Vec<&str>> = table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let engine = subject.engine();
    let promised: Vec<Vec<&str>> =
        engine.guarantees().iter().map(|it| vec![it.name, if it.held { "yes" } else { "no" }, it.how]).collect();
    assert_eq!(documented, promised);
}

/// The id names the version that is really used, and does not change.
fn id(subject: &Subject) {
    let engine = subject.engine();
    let id = engine.id();
    let locked = format!("name = \"{}\"\nversion = \"{}\"\n", id.name, id.version);
    assert!(include_str!("../../Cargo.lock").contains(&locked), "{id}");
    assert!(!id.configuration.is_empty());
    let again = stellatune_plugins::engine(Some(id.name)).expect("it starts again");
    assert_eq!(again.id(), id);
}
