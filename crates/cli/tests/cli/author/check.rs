//! `plugin check`: what passes, what a guest may refuse, what fails.

use std::fs;

use serde_json::{Value, json};

use super::{change, fixture, one_component};
use crate::app::{App, BUNDLED, keys, package, text};

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
        ("output_sink", "hot-sink", "targets"),
        ("dsp", "biquad-dsp", "silence"),
        ("decoder", "edge-decoder", "garbage"),
    ];
    for (kind, wasm, case) in guests {
        one_component(&app, wasm, kind, &fixture(wasm));
        fs::write(app.path(wasm).join("wasm/hot-sink-module.wasm"), fixture("hot-sink-module")).expect("writable");
        let (document, code) = check(&app, &[wasm]);
        assert_eq!(code, 0, "{document}");
        let found = outcome(&document, case);
        assert!(found == "pass" || found == "refused", "{case}: {document}");
    }
}

/// A module that is described must be there, be what was described, and work; one that is not described is not asked for.
#[test]
fn a_check_tries_the_hot_path_module() {
    let app = App::new();
    let (document, code) = check(&app, &[text(&equalizer()), "--strict"]);
    let rows = document["checks"].as_array().expect("a list").iter().filter(|row| row["check"] == "hot path");
    let details: Vec<_> = rows.map(|row| (&row["outcome"], &row["detail"])).collect();
    let each = (&"pass".into(), &"wasm/equalizer_hot.wasm, 512 frames".into());
    assert_eq!((code, details), (0, vec![each; stellatune_plugins::engines().len()]), "{document}");

    one_component(&app, "none", "dsp", &fixture("biquad-dsp"));
    let (document, _) = check(&app, &["none"]);
    assert_eq!(outcome(&document, "hot path"), "pass", "{document}");

    one_component(&app, "sink", "output_sink", &fixture("hot-sink"));
    let module = app.path("sink/wasm/hot-sink-module.wasm");
    let check_with = |wasm: Option<Vec<u8>>| {
        if let Some(wasm) = wasm {
            fs::write(&module, wasm).expect("writable");
        }
        let (document, code) = check(&app, &["sink"]);
        let found = outcome(&document, "hot path").as_str().map(str::to_owned);
        (found.unwrap_or_default(), code)
    };
    assert_eq!(check_with(None), ("fail".into(), 1), "it is not there");
    assert_eq!(check_with(Some(fixture("hot-sink"))), ("fail".into(), 1), "it is no module");
    let of_a_dsp = fs::read(equalizer().join("wasm/equalizer_hot.wasm")).expect("it is there");
    assert_eq!(check_with(Some(of_a_dsp)), ("refused".into(), 0), "it refuses the role in init");
    assert_eq!(check_with(Some(fixture("hot-sink-module"))), ("pass".into(), 0));
}

fn equalizer() -> std::path::PathBuf {
    crate::app::repository().join("plugins/prebuilt/equalizer")
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
    let fails = match stellatune_plugins::engines().len() {
        1 => "fails 1 check\n".to_owned(),
        engines => format!("fails {engines} checks\n"),
    };
    assert!(text.stdout.starts_with("ENGINE") && text.stdout.ends_with(&fails), "{}", text.stdout);
}

/// G01, G14, G18: a guest that lies or traps in one case fails that one, and is asked the others afresh.
#[test]
fn a_check_finds_lies_and_traps() {
    let app = App::new();
    one_component(&app, "pkg", "decoder", &fixture("edge-decoder"));
    for hint in
        ["lies-rate0", "lies-channels0", "lies-empty", "lies-ragged", "trap-info", "panic-metadata", "trap-close"]
    {
        let score = |manifest: &mut Value| {
            manifest["components"][0]["abilities"][0]["decoder"]["ext_scores"][0]["ext"] = hint.into();
        };
        change(&app, "pkg", score);
        let (document, code) = check(&app, &["pkg"]);
        assert_eq!((code, outcome(&document, "garbage")), (1, &"fail".into()), "{hint}: {document}");
        assert_eq!(outcome(&document, "on-disable"), "pass", "{hint}: {document}");
    }
    change(&app, "pkg", |manifest| {
        manifest["components"][0]["abilities"][0]["decoder"]["ext_scores"][0]["ext"] = "refuse-unsupported".into();
    });
    let (document, code) = check(&app, &["pkg"]);
    assert_eq!((code, outcome(&document, "garbage")), (0, &"refused".into()), "{document}");
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
    one_component(&app, "pkg", "dsp", &fixture("biquad-dsp"));
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
