//! `plugin new`, `plugin pack`, `plugin check`: what a plugin author meets, from an empty directory to an installed plugin.

use std::fs;

use serde_json::{Value, json};

use crate::app::{App, BUNDLED, Run, audio, keys, package, repository, text};

const KINDS: [&str; 5] = ["decoder", "source", "lyrics", "sink", "dsp"];

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

/// The document and the exit status of a check.
fn check(app: &App, args: &[&str]) -> (Value, i32) {
    let run = app.run(&[&["--json", "plugin", "check"], args].concat());
    let document = run.document();
    assert_eq!(keys(&document), ["artifact", "checks", "id", "passed", "strict", "version"], "{run:?}");
    assert_eq!(document["passed"], run.code == 0);
    (document, run.code)
}

fn outcome<'a>(document: &'a Value, check: &str) -> &'a Value {
    let rows = document["checks"].as_array().expect("a list");
    let row = rows.iter().find(|row| row["check"] == check);
    &row.unwrap_or_else(|| panic!("no check {check:?} in {document}"))["outcome"]
}

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
    let error = app.failure(&["plugin", "pack", "pkg"]);
    assert!(error["message"].as_str().is_some_and(|message| message.contains("(rule: file-type)")), "{error}");
    assert_eq!(app.names(), ["pkg"]);
}

#[test]
fn every_kind_of_guest_passes_its_check() {
    let app = App::new();
    let (document, code) = check(&app, &[text(&package())]);
    assert_eq!(code, 0, "{document}");
    assert_eq!((&document["id"], &document["strict"]), (&BUNDLED.into(), &false.into()));
    for (name, expected) in [
        ("package", "pass"),
        ("types", "pass"),
        ("compile", "pass"),
        ("start", "pass"),
        ("on-enable", "pass"),
        ("empty stream", "refused"),
        ("garbage", "refused"),
        ("sample of wav", "pass"),
        ("sample of flac", "pass"),
        ("state", "pass"),
        ("on-disable", "pass"),
    ] {
        assert_eq!(outcome(&document, name), expected, "{name}: {document}");
    }
    let row = &document["checks"][0];
    assert_eq!(keys(row), ["check", "component", "detail", "engine", "outcome"]);

    let guests = [
        ("source", "echo-source", "list"),
        ("lyrics", "echo-lyrics", "search"),
        ("output_sink", "echo-sink", "targets"),
        ("dsp", "echo-dsp", "silence"),
        ("decoder", "edge-decoder", "garbage"),
    ];
    for (kind, wasm, case) in guests {
        one_component(&app, wasm, kind, &fixture(wasm));
        let (document, code) = check(&app, &[wasm]);
        assert_eq!(code, 0, "{document}");
        let found = outcome(&document, case);
        assert!(found == "pass" || found == "refused", "{case}: {document}");
    }
}

#[test]
fn a_check_fails_where_a_guest_does() {
    let app = App::new();
    for (fixture_name, failed, rest) in [
        ("hook-trap-enable", "on-enable", "not_run"),
        ("hook-loop-enable", "on-enable", "not_run"),
        ("hook-trap-disable", "on-disable", "pass"),
    ] {
        one_component(&app, fixture_name, "decoder", &fixture(fixture_name));
        let (document, code) = check(&app, &[fixture_name]);
        assert_eq!((code, outcome(&document, failed)), (1, &"fail".into()), "{document}");
        assert_eq!(outcome(&document, "empty stream"), rest, "{document}");
    }
    let refused = "hook-error-enable";
    one_component(&app, refused, "decoder", &fixture(refused));
    let (document, code) = check(&app, &[refused]);
    assert_eq!((code, outcome(&document, "on-enable")), (0, &"refused".into()), "{document}");
    assert_eq!(outcome(&document, "garbage"), "not_run", "{document}");

    let text = app.run(&["plugin", "check", "hook-trap-disable"]);
    assert_eq!(text.code, 1);
    assert!(
        text.stdout.starts_with("ENGINE")
            && text.stdout.ends_with("org.example.hook-trap-disable 1.0.0 fails 1 check\n"),
        "{}",
        text.stdout
    );
}

#[test]
fn a_package_that_does_not_install_fails_its_check() {
    let app = App::new();
    one_component(&app, "wrong", "dsp", &fixture("echo-lyrics"));
    let (document, code) = check(&app, &["wrong"]);
    assert_eq!((code, outcome(&document, "types")), (1, &"fail".into()), "{document}");

    fs::write(app.path("broken.zip"), "no zip").expect("writable");
    let (document, code) = check(&app, &["broken.zip"]);
    assert_eq!((code, outcome(&document, "package"), &document["id"]), (1, &"fail".into(), &Value::Null));
    assert_eq!(app.failure(&["plugin", "check", "nothing"])["kind"], "not_found");
}

/// P04, P21, P22, P23, S01: what installs and still is not as it should be.
#[test]
fn a_strict_check_asks_for_more() {
    let app = App::new();
    let strict = |check_name: &str, expected: &str| {
        let (document, code) = check(&app, &["pkg", "--strict"]);
        assert_eq!(
            (outcome(&document, check_name), code),
            (&expected.into(), i32::from(expected == "fail")),
            "{document}"
        );
        let (document, code) = check(&app, &["pkg"]);
        assert_eq!(code, 0, "it installs all the same: {document}");
    };
    one_component(&app, "pkg", "dsp", &fixture("echo-dsp"));
    let whole = fs::read(app.path("pkg/plugin.json")).expect("readable");
    let reset = || fs::write(app.path("pkg/plugin.json"), &whole).expect("writable");
    strict("strict: manifest fields", "pass");

    change(&app, "pkg", |manifest| manifest["components"][0]["abilities"][0]["dispaly_name"] = "x".into());
    strict("strict: manifest fields", "fail"); // P21
    reset();
    change(&app, "pkg", |manifest| manifest["$schema"] = "plugin.schema.json".into());
    strict("strict: manifest fields", "pass");
    reset();
    change(&app, "pkg", |manifest| manifest["id"] = "Single_Name".into());
    strict("strict: plugin id", "fail"); // P22
    reset();
    fs::create_dir(app.path("pkg/more")).expect("writable");
    fs::write(app.path("pkg/more/plugin.json"), "{}").expect("writable");
    strict("strict: one manifest", "fail"); // P23
    fs::remove_dir_all(app.path("pkg/more")).expect("writable");
    fs::write(app.path("pkg/a b.txt"), "x").expect("writable");
    strict("strict: file names", "fail"); // P04
    fs::remove_file(app.path("pkg/a b.txt")).expect("writable");
    change(&app, "pkg", |manifest| manifest["permissions"] = json!({"sidecars": ["bin/none"]}));
    strict("strict: sidecars", "fail"); // S01
    reset();

    one_component(&app, "pkg", "lyrics", &fixture("echo-lyrics"));
    strict("strict: permissions", "fail");
    change(&app, "pkg", |manifest| manifest["permissions"] = json!({"http": ["example.org"]}));
    strict("strict: permissions", "pass");
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

#[test]
fn a_new_plugin_of_every_kind_is_whole() {
    let app = App::new();
    for kind in KINDS {
        let name = format!("my-{kind}");
        let made = app.json(&["plugin", "new", kind, &name]);
        assert_eq!(keys(&made), ["files", "id", "kind", "name", "path"]);
        assert_eq!((&made["id"], &made["kind"]), (&format!("dev.example.my-{kind}").into(), &kind.into()));
        let files = made["files"].as_array().expect("a list");
        for file in files {
            assert!(app.path(&name).join(file.as_str().expect("a text")).is_file(), "{file}");
        }
        for expected in [
            ".cargo/config.toml",
            ".gitignore",
            "Cargo.lock",
            "README.md",
            "plugin.json",
            "src/lib.rs",
            "sdk/wit/common.wit",
        ] {
            assert!(files.contains(&expected.into()), "{expected}");
        }
        let error = app.failure(&["plugin", "pack", &name]);
        assert!(error["help"].as_str().is_some_and(|help| help.contains("cargo build --release --target")), "{error}");
    }
    assert_eq!(
        app.names(),
        KINDS
            .map(|kind| format!("my-{kind}"))
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn a_new_plugin_never_touches_what_is_there() {
    let app = App::new();
    fs::create_dir(app.path("taken")).expect("writable");
    fs::write(app.path("taken/mine"), "precious").expect("writable");
    let error = app.failure(&["plugin", "new", "dsp", "taken"]);
    assert_eq!((&error["kind"], &error["operation"]), (&"invalid_argument".into(), &"new".into()));
    assert_eq!(app.failure(&["plugin", "new", "dsp", "other", "--path", "taken/mine"])["kind"], "invalid_argument");
    assert_eq!(app.failure(&["plugin", "new", "dsp", "other", "--sdk", "taken"])["kind"], "invalid_argument");
    assert_eq!(app.names(), ["taken"]);

    fs::create_dir(app.path("empty")).expect("writable");
    app.json(&["plugin", "new", "dsp", "gain", "--path", "empty"]);
    app.json(&["plugin", "new", "dsp", "gain", "--path", "deep/er", "--sdk", text(&repository().join("crates/sdk"))]);
    assert!(app.path("empty/sdk/src/lib.rs").is_file() && !app.path("deep/er/sdk").exists());
    assert_eq!(app.names(), ["deep", "empty", "taken"]);
    for name in ["My-Plugin", "a_b", "1a", "fn", "a--b", "serde_json", "../x", ""] {
        assert_eq!(app.run(&["plugin", "new", "dsp", name]).code, 2, "{name}");
    }
}

/// From sources to sound, with a committed guest in place of what cargo would build.
#[test]
fn a_new_decoder_is_packed_checked_installed_and_used() {
    let app = App::new();
    app.json(&["plugin", "new", "decoder", "my-decoder"]);
    let built = app.path("my-decoder/target/wasm32-wasip2/release");
    fs::create_dir_all(&built).expect("writable");
    fs::write(built.join("my_decoder.wasm"), fs::read(package().join("wasm/symphonia.wasm")).expect("there"))
        .expect("writable");

    let run = |args: &[&str]| {
        // Where cargo builds is the business of whoever runs the tests, and not of the crate in this one.
        let output = app.command().env_remove("CARGO_TARGET_DIR").arg("--json").args(args).output();
        Run::of(output.expect("the app starts"))
    };
    let checked = run(&["plugin", "check", "my-decoder", "--strict"]);
    assert_eq!(checked.code, 0, "{checked:?}");
    let packed = run(&["plugin", "pack", "my-decoder"]).document();
    let files: Vec<_> = packed["files"].as_array().expect("a list").iter().map(|file| &file["path"]).collect();
    assert_eq!(files, ["README.md", "plugin.json", "wasm/my_decoder.wasm"]);
    assert!(packed["left_out"].as_array().is_some_and(|left| left.contains(&"sdk/".into())), "{packed}");

    let zip = "dev.example.my-decoder-0.1.0.zip";
    let shown = app.json(&["plugin", "show", zip]);
    assert_eq!(shown["asked"], json!([]));
    app.json(&["plugin", "install", zip]);
    fs::copy(audio("flac-48000-16-2.flac"), app.path("sound.au")).expect("writable");
    let probed = app.json(&["probe", "sound.au"]);
    assert_eq!(
        (&probed["decoder"]["plugin_id"], &probed["info"]["sample_rate"]),
        (&"dev.example.my-decoder".into(), &48_000.into())
    );
    let decoded = app.json(&["decode", "sound.au", "-o", "sound.wav"]);
    assert_eq!((&decoded["decoder"]["type_id"], &decoded["frames"]), (&"au".into(), &24_000.into()));
}
