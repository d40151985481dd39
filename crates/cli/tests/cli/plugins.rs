//! `plugin …`: the store, told as documents and as text.

use std::{fs, path::Path};

use serde_json::Value;

use crate::app::{App, BUNDLED, EQUALIZER, PACKAGES, audio, keys, package, text};

const PLUGIN: [&str; 8] = ["components", "id", "last_failure", "name", "origin", "path", "state", "version"];

fn list(app: &App) -> Vec<Value> {
    app.json(&["plugin", "list"]).as_array().expect("a list").clone()
}

/// A copy of the bundled package with another id and version.
fn variant(app: &App, id: &str, version: &str) -> std::path::PathBuf {
    let directory = app.path(&format!("{id}-{version}"));
    fs::create_dir_all(directory.join("wasm")).expect("writable");
    let manifest = fs::read_to_string(package().join("plugin.json")).expect("the package is there");
    let mut manifest: Value = serde_json::from_str(&manifest).expect("it is JSON");
    manifest["id"] = id.into();
    manifest["version"] = version.into();
    fs::write(directory.join("plugin.json"), manifest.to_string()).expect("writable");
    fs::copy(package().join("wasm/symphonia.wasm"), directory.join("wasm/symphonia.wasm")).expect("writable");
    directory
}

#[test]
fn the_bundled_plugins_are_listed_and_can_be_turned_off() {
    let app = App::new();
    let plugins = list(&app);
    assert_eq!(plugins.len(), PACKAGES);
    assert_eq!(plugins[1]["id"], EQUALIZER);
    let plugin = &plugins[0];
    assert_eq!(keys(plugin), PLUGIN);
    assert_eq!(
        (&plugin["id"], &plugin["origin"], &plugin["state"]),
        (&BUNDLED.into(), &"bundled".into(), &"enabled".into())
    );
    assert_eq!((&plugin["path"], &plugin["last_failure"]), (&Value::Null, &Value::Null));
    let component = &plugin["components"][0];
    assert_eq!(keys(component), ["abilities", "id", "state", "world"]);
    assert_eq!((&component["world"], &component["state"]), (&"decoder-plugin".into(), &"enabled".into()));
    assert_eq!(keys(&component["abilities"][0]), ["kind", "type_id"]);
    assert_eq!(component["abilities"][0]["kind"], "decoder");

    let off = app.json(&["plugin", "disable", BUNDLED]);
    assert_eq!(keys(&off), ["id", "last_failure", "state", "version"]);
    assert_eq!((&off["id"], &off["state"]), (&BUNDLED.into(), &"disabled".into()));
    assert_eq!(list(&app)[0]["state"], "disabled", "it stays off in another run");
    let error = app.failure(&["decode", text(&audio("demo.flac")), "-o", "out.wav"]);
    assert_eq!(error["kind"], "not_found");
    assert!(app.names().is_empty());

    assert_eq!(app.json(&["plugin", "enable", BUNDLED])["state"], "enabled");
    app.json(&["decode", text(&audio("wav-1-frame.wav")), "-o", "out.wav"]);
}

#[test]
fn a_package_is_installed_used_replaced_and_removed() {
    let app = App::new();
    let id = "org.example.copy";
    let installed = app.json(&["plugin", "install", text(&variant(&app, id, "1.0.0"))]);
    assert_eq!(keys(&installed), ["asked", "components", "granted", "id", "path", "replaced", "version"]);
    assert_eq!((&installed["id"], &installed["version"]), (&id.into(), &"1.0.0".into()));
    assert_eq!((&installed["replaced"], &installed["granted"]), (&Value::Null, &Value::Array(Vec::new())));
    let path = installed["path"].as_str().expect("a path");
    assert!(Path::new(path).join("plugin.json").is_file(), "{path}");

    let named = format!("{id}:symphonia");
    let decoded = app.json(&["decode", text(&audio("flac-1-frame.flac")), "-o", "out.wav", "--decoder", &named]);
    assert_eq!((&decoded["decoder"]["plugin_id"], &decoded["frames"]), (&id.into(), &1.into()));

    let again = app.json(&["plugin", "install", text(&variant(&app, id, "1.1.0"))]);
    assert_eq!((&again["version"], &again["replaced"]), (&"1.1.0".into(), &"1.0.0".into()));
    let plugin = list(&app).into_iter().find(|plugin| plugin["id"] == id).expect("it is listed");
    assert_eq!(
        (&plugin["version"], &plugin["origin"], &plugin["path"]),
        (&"1.1.0".into(), &"installed".into(), &again["path"])
    );

    let shown = app.json(&["plugin", "show", id]);
    assert_eq!((&shown["id"], &shown["version"], &shown["state"]), (&id.into(), &"1.1.0".into(), &"enabled".into()));
    assert!(shown["hash"].as_str().is_some_and(|hash| hash.len() == 64));
    let scores = &shown["components"][0]["abilities"][0]["ext_scores"];
    assert!(scores.as_array().is_some_and(|scores| scores.iter().any(|score| score["ext"] == "flac")));

    let removed = app.json(&["plugin", "uninstall", id]);
    assert_eq!(keys(&removed), ["bundled_version", "id", "version"]);
    assert_eq!(
        (&removed["id"], &removed["version"], &removed["bundled_version"]),
        (&id.into(), &"1.1.0".into(), &Value::Null)
    );
    assert_eq!(list(&app).len(), PACKAGES);
    assert_eq!(app.failure(&["plugin", "show", id])["kind"], "not_found");
}

#[test]
fn an_installed_package_hides_the_bundled_one_until_it_is_removed() {
    let app = App::new();
    app.json(&["plugin", "install", text(&variant(&app, BUNDLED, "9.0.0"))]);
    let plugins = list(&app);
    assert_eq!(plugins.len(), PACKAGES);
    assert_eq!((&plugins[0]["version"], &plugins[0]["origin"]), (&"9.0.0".into(), &"installed".into()));
    let removed = app.json(&["plugin", "uninstall", BUNDLED]);
    assert_eq!((&removed["version"], &removed["bundled_version"]), (&"9.0.0".into(), &"0.1.0".into()));
    assert_eq!(app.failure(&["plugin", "uninstall", BUNDLED])["kind"], "unsupported");
}

#[test]
fn what_is_not_there_is_not_found() {
    let app = App::new();
    for command in ["show", "uninstall", "enable", "disable"] {
        let error = app.failure(&["plugin", command, "org.example.none"]);
        assert_eq!(
            (&error["kind"], &error["plugin_id"]),
            (&"not_found".into(), &"org.example.none".into()),
            "{command}"
        );
        assert!(error["help"].as_str().is_some_and(|help| help.contains("plugin list")), "{command}: {error}");
    }
    let error = app.failure(&["plugin", "install", "no-such-package.zip"]);
    assert_eq!((&error["kind"], &error["operation"]), (&"not_found".into(), &"install".into()));
}

#[test]
fn a_bad_package_is_refused_by_rule_and_changes_nothing() {
    let app = App::new();
    let bad = variant(&app, "org.example.bad", "1.0.0");
    fs::write(bad.join("wasm/symphonia.wasm"), b"\0asm\x01\0\0\0").expect("writable");
    let traversal = variant(&app, "org.example.out", "1.0.0");
    let manifest = fs::read_to_string(traversal.join("plugin.json")).expect("readable");
    fs::write(traversal.join("plugin.json"), manifest.replace("wasm/symphonia.wasm", "../symphonia.wasm"))
        .expect("writable");
    let hostile_id = variant(&app, "org.example.id", "1.0.0");
    fs::write(hostile_id.join("plugin.json"), manifest.replace("org.example.out", "../../id")).expect("writable");
    fs::create_dir(app.path("nothing")).expect("writable");
    fs::write(app.path("text.txt"), "no package").expect("writable");

    let cases = [
        (bad.as_path(), "core-module"),
        (traversal.as_path(), "traversal"),
        (hostile_id.as_path(), "plugin-id"),
        (Path::new("nothing"), "no-manifest"),
        (Path::new("text.txt"), "artifact-type"),
    ];
    let before = app.names();
    for (artifact, rule) in cases {
        let error = app.failure(&["plugin", "install", text(artifact)]);
        assert_eq!(
            (&error["kind"], &error["operation"]),
            (&"rejected_package".into(), &"install".into()),
            "{rule}: {error}"
        );
        assert!(
            error["message"].as_str().is_some_and(|text| text.contains(&format!("(rule: {rule})"))),
            "{rule}: {error}"
        );
        assert_eq!(list(&app).len(), PACKAGES, "{rule}");
        assert_eq!(app.names(), before, "{rule}");
    }
}

#[test]
fn text_tells_the_same() {
    let app = App::new();
    let id = "org.example.copy";
    let installed = app.run(&["plugin", "install", text(&variant(&app, id, "1.0.0"))]);
    assert_eq!((installed.code, installed.stderr.as_str()), (0, ""));
    assert!(installed.stdout.contains(id) && installed.stdout.contains("1.0.0"), "{}", installed.stdout);

    let listed = app.run(&["plugin", "list"]).stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 2 + PACKAGES, "{listed}");
    let firsts = ["ID ", BUNDLED, EQUALIZER, id];
    assert!(lines.iter().zip(firsts).all(|(line, first)| line.starts_with(first)), "{listed}");
    let column = lines[0].find("VERSION").expect("a column");
    assert!(lines[1][column..].starts_with("0.1.0") && lines[3][column..].starts_with("1.0.0"), "{listed}");

    let shown = app.run(&["plugin", "show", id]).stdout;
    for part in [id, "1.0.0", "enabled", "installed", "decoder:symphonia", "flac"] {
        assert!(shown.contains(part), "no {part:?} in {shown}");
    }
    assert_eq!(app.run(&["plugin", "disable", id]).stdout, format!("{id} 1.0.0 is disabled\n"));
    assert_eq!(app.run(&["plugin", "enable", id]).stdout, format!("{id} 1.0.0 is enabled\n"));
    assert_eq!(app.run(&["plugin", "uninstall", id]).stdout, format!("uninstalled {id} 1.0.0\n"));
}
