//! `plugin pack`, and `plugin show` of what it made.

use std::fs;

use serde_json::json;

use super::{change, fixture, one_component};
use crate::app::{App, BUNDLED, keys, package, text};

#[test]
fn two_packs_of_the_same_files_are_the_same_bytes() {
    let app = App::new();
    let packed = app.json(&["plugin", "pack", text(&package()), "-o", "one.zip"]);
    assert_eq!(keys(&packed), ["files", "hash", "id", "left_out", "path", "size", "version"]);
    assert_eq!((&packed["id"], &packed["left_out"]), (&BUNDLED.into(), &json!([])));
    let files: Vec<_> = packed["files"].as_array().expect("a list").iter().map(|file| &file["path"]).collect();
    assert_eq!(files, ["plugin.json", "wasm/symphonia.wasm"]);

    // Copies have other times, and are made in another order.
    fs::create_dir_all(app.path("copy/wasm")).expect("writable");
    for name in ["wasm/symphonia.wasm", "plugin.json"] {
        fs::copy(package().join(name), app.path("copy").join(name)).expect("writable");
    }
    app.json(&["plugin", "pack", "copy", "-o", "two.ZIP"]);
    let (one, two) = (fs::read(app.path("one.zip")).expect("there"), fs::read(app.path("two.ZIP")).expect("there"));
    assert!(one == two, "the zips differ");
    assert_eq!(packed["size"], one.len());
    assert_eq!(app.names(), ["copy", "one.zip", "two.ZIP"]);

    let shown = app.json(&["plugin", "show", "one.zip"]);
    assert_eq!((&shown["hash"], &shown["state"]), (&packed["hash"], &"not_installed".into()));
    let installed = app.json(&["plugin", "install", "one.zip"]);
    assert_eq!(installed["id"], BUNDLED);
}

#[test]
fn a_pack_takes_what_belongs_and_says_what_it_leaves() {
    let app = App::new();
    one_component(&app, "pkg", "dsp", &fixture("echo-dsp"));
    let at = |name: &str| app.path("pkg").join(name);
    for name in
        ["bin/helper", "assets/deep/picture.png", "LICENSE-MIT", "ReadMe.txt", "src/lib.rs", ".git/config", "notes.txt"]
    {
        fs::create_dir_all(at(name).parent().expect("a folder")).expect("writable");
        fs::write(at(name), name).expect("writable");
    }
    fs::write(at("assets/.hidden"), "x").expect("writable");
    let packed = app.json(&["plugin", "pack", "pkg"]);
    let files: Vec<_> = packed["files"].as_array().expect("a list").iter().map(|file| &file["path"]).collect();
    let expected =
        ["LICENSE-MIT", "ReadMe.txt", "assets/deep/picture.png", "bin/helper", "plugin.json", "wasm/it.wasm"];
    assert_eq!(files, expected);
    assert_eq!(packed["left_out"], json!([".git/", "assets/.hidden", "notes.txt", "src/"]));
    let zip = fs::read(app.path("org.example.pkg-1.0.0.zip")).expect("there");
    // The first entry's time and date: midnight of the first of January 1980 (APPNOTE 4.4.6).
    assert_eq!(zip[10..14], [0, 0, 0x21, 0]);
    assert_eq!(app.names(), ["org.example.pkg-1.0.0.zip", "pkg"]);
    let said = app.run(&["plugin", "pack", "pkg"]).stdout;
    assert!(said.contains("left out  .git/, assets/.hidden, notes.txt, src/"), "{said}");
}

#[test]
fn a_pack_refuses_what_would_not_install_and_leaves_what_was_there() {
    let app = App::new();
    one_component(&app, "pkg", "dsp", &fixture("echo-dsp"));
    fs::write(app.path("out.zip"), "precious").expect("writable");
    let failure = |kind: &str, part: &str| {
        let error = app.failure(&["plugin", "pack", "pkg", "-o", "out.zip"]);
        assert_eq!((&error["kind"], &error["operation"]), (&kind.into(), &"pack".into()), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(part)), "{part}: {error}");
        assert_eq!(fs::read(app.path("out.zip")).expect("there"), b"precious", "{part}");
        assert_eq!(app.names(), ["out.zip", "pkg"], "{part}");
    };
    change(&app, "pkg", |manifest| manifest["components"][0]["path"] = "wasm/other.wasm".into());
    failure("rejected_package", "(rule: missing-file)");
    change(&app, "pkg", |manifest| manifest["components"][0]["path"] = "../it.wasm".into());
    failure("rejected_package", "(rule: traversal)");
    change(&app, "pkg", |manifest| manifest["components"][0]["path"] = "wasm/it.wasm".into());
    fs::write(app.path("pkg/wasm/con"), "x").expect("writable");
    failure("rejected_package", "(rule: reserved-name)");
    fs::remove_file(app.path("pkg/wasm/con")).expect("writable");
    fs::write(app.path("pkg/wasm/it.wasm"), fixture("echo-lyrics")).expect("writable");
    failure("incompatible", "dsp@0.1.0");
    fs::remove_file(app.path("pkg/plugin.json")).expect("writable");
    failure("not_found", "plugin.json");

    let wrong = app.run(&["plugin", "pack", "pkg", "-o", "out.tar"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}

#[cfg(unix)]
#[test]
fn a_link_is_not_packed() {
    let app = App::new();
    one_component(&app, "pkg", "dsp", &fixture("echo-dsp"));
    fs::create_dir(app.path("pkg/assets")).expect("writable");
    std::os::unix::fs::symlink("/etc/passwd", app.path("pkg/assets/words")).expect("links work");
    let refused = || {
        let error = app.failure(&["plugin", "pack", "pkg"]);
        assert!(error["message"].as_str().is_some_and(|message| message.contains("(rule: file-type)")), "{error}");
        assert_eq!(app.names(), ["pkg"]);
    };
    refused();
    fs::remove_dir_all(app.path("pkg/assets")).expect("writable");
    std::os::unix::fs::symlink("/etc", app.path("pkg/assets")).expect("links work");
    refused();
}

#[test]
fn a_package_is_shown_before_it_is_installed() {
    let app = App::new();
    one_component(&app, "pkg", "lyrics", &fixture("echo-lyrics"));
    let shown = app.json(&["plugin", "show", "pkg"]);
    assert_eq!((&shown["state"], &shown["origin"]), (&"not_installed".into(), &"artifact".into()));
    assert_eq!((&shown["asked"], &shown["declared"]), (&json!(["http-client.fetch-json:*"]), &false.into()));
    let component = &shown["components"][0];
    assert_eq!(component["size"], fixture("echo-lyrics").len());
    assert_eq!(component["blake3"].as_str().map(str::len), Some(64));
    let imports = component["imports"].as_array().expect("a list");
    assert!(imports.contains(&"stellatune:plugin/http-client@0.1.0".into()), "{component}");
    assert_eq!(component["needs_grant"], json!(["http-client.fetch-json"]));
    assert_eq!(shown["files"].as_array().map(Vec::len), Some(2));
    assert!(!app.plugins_dir().join("org.example.pkg").exists(), "nothing was installed");

    change(&app, "pkg", |manifest| manifest["permissions"] = json!({"http": ["example.org"]}));
    let shown = app.json(&["plugin", "show", "pkg"]);
    assert_eq!((&shown["asked"], &shown["declared"]), (&json!(["http:example.org"]), &true.into()));
    let said = app.run(&["plugin", "show", "pkg"]).stdout;
    for part in ["not installed", "asks for   http:example.org", "wasm/it.wasm", "stellatune:plugin/http-client@0.1.0"]
    {
        assert!(said.contains(part), "no {part:?} in {said}");
    }

    fs::write(app.path("pkg/wasm/it.wasm"), "no wasm").expect("writable");
    let shown = app.json(&["plugin", "show", "pkg"]);
    assert!(shown["components"][0]["failure"].as_str().is_some_and(|why| why.contains("not-wasm")), "{shown}");
}
