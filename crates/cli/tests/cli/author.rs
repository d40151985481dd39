//! What a plugin author meets, from an empty directory to an installed plugin.

mod check;
mod new;
mod pack;

use std::fs;

use serde_json::{Value, json};

use crate::app::{App, repository};

fn fixture(name: &str) -> Vec<u8> {
    fs::read(repository().join("fixtures/prebuilt").join(name).with_extension("wasm")).expect("the fixture is there")
}

/// A package of one component, in the working directory.
fn one_component(app: &App, name: &str, kind: &str, wasm: &[u8]) {
    let world = if kind == "output_sink" { "output-sink-plugin".to_owned() } else { format!("{kind}-plugin") };
    let mut ability = json!({"kind": kind, "type_id": "test"});
    if kind == "decoder" {
        ability["decoder"] = json!({"ext_scores": [{"ext": "tst", "score": 50}]});
    }
    let manifest = json!({
        "schema_version": 1, "id": format!("org.example.{name}"), "name": name, "version": "1.0.0", "api_version": 1,
        "components": [{"id": "it", "path": "wasm/it.wasm", "world": world, "abilities": [ability]}],
    });
    fs::create_dir_all(app.path(name).join("wasm")).expect("writable");
    fs::write(app.path(name).join("wasm/it.wasm"), wasm).expect("writable");
    fs::write(app.path(name).join("plugin.json"), manifest.to_string()).expect("writable");
}

fn change(app: &App, name: &str, edit: impl FnOnce(&mut Value)) {
    let path = app.path(name).join("plugin.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("JSON");
    edit(&mut manifest);
    fs::write(path, manifest.to_string()).expect("writable");
}
