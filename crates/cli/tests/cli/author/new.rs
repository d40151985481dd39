//! `plugin new`: what it makes and what it leaves alone. That it builds is tried by `cargo xtask scaffold`.

use std::fs;

use serde_json::json;

use crate::app::{App, Run, audio, keys, package, repository, text};

const KINDS: [&str; 5] = ["decoder", "source", "lyrics", "sink", "dsp"];

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
fn a_new_dsp_has_a_hot_path_module_if_asked() {
    let app = App::new();
    let made = app.json(&["plugin", "new", "dsp", "my-gain", "--hot"]);
    let files = made["files"].as_array().expect("a list");
    for expected in ["src/gain.rs", "src/lib.rs", "src/plugin.rs", "sdk/hot/src/lib.rs"] {
        assert!(files.contains(&expected.into()), "{expected}");
    }
    let text = |file: &str| fs::read_to_string(app.path("my-gain").join(file)).expect("it is there");
    assert!(text("src/gain.rs").contains("stellatune_plugin_hot::export!(dsp: Gain)"));
    assert!(text("Cargo.toml").contains("\nstellatune-plugin-hot = { path = \"sdk/hot\" }\n\n"));
    assert!(text(".cargo/config.toml").contains("[target.wasm32-unknown-unknown]"));
    assert!(text("README.md").contains("/release/my_gain.wasm wasm/gain_hot.wasm\nstellatune plugin pack ."));
    let error = app.failure(&["plugin", "new", "decoder", "other", "--hot"]);
    assert_eq!((&error["kind"], &error["help"]), (&"invalid_argument".into(), &"`--hot` goes with `dsp`".into()));
    assert_eq!(app.names(), ["my-gain"]);
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
