//! `decode --dsp`: both forms of an effect put out the same, a chain is what its stages are, and failures leave nothing.

use serde_json::Value;

use crate::{
    app::{App, EQUALIZER, audio, keys, text},
    wav::Wav,
};

/// What both forms may differ by.
const CLOSE: f32 = 1.0 / (1 << 20) as f32;

const BASS: &str = r#"{"preamp_db":-6,"bands":[{"shape":"low_shelf","frequency":120,"gain_db":6}]}"#;
const AIR: &str = r#"{"bands":[{"shape":"high_shelf","frequency":8000,"gain_db":3},{"shape":"peak","frequency":900,"gain_db":-2,"q":1.2}]}"#;

fn stage(config: &str) -> String {
    format!("{EQUALIZER}:equalizer={config}")
}

/// The samples that come out, and the document.
fn decoded(app: &App, name: &str, args: &[&str]) -> (Vec<f32>, Value) {
    let input = audio("flac-48000-16-2.flac");
    let document = app.json(&[&["decode", text(&input), "-o", name], args].concat());
    (Wav::read(&app.path(name)).samples(), document)
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

#[test]
fn both_forms_put_out_the_same_on_every_engine() {
    let app = App::new();
    let (plain, _) = decoded(&app, "plain.wav", &[]);
    let (bass, air) = (stage(BASS), stage(AIR));
    let chain = ["--dsp", &bass, "--dsp", &air, "--stats"];
    let (hot, document) = decoded(&app, "hot.wav", &chain);
    assert!(apart(&plain, &hot) > 0.01, "it is heard");
    let stages = document["stats"]["dsp"].as_array().expect("a list");
    assert_eq!((stages.len(), document["dsp"].as_array().map(Vec::len)), (2, Some(2)));
    for stage in stages {
        let expected = [
            "component_id",
            "cpu_seconds",
            "frames",
            "path",
            "plugin_id",
            "realtime_factor",
            "type_id",
            "wall_seconds",
        ];
        assert_eq!(keys(stage), expected);
        assert!(stage["cpu_seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{stage}");
        assert_eq!((&stage["path"], &stage["frames"]), (&"hot".into(), &document["frames"]));
    }
    for engine in ["wasmtime", "wasmer"] {
        let (component, document) =
            decoded(&app, "component.wav", &[&chain[..], &["--no-hot", "--engine", engine]].concat());
        assert!(apart(&hot, &component) <= CLOSE, "{engine}");
        let stage = &document["stats"]["dsp"][0];
        assert_eq!(stage["path"], "component");
        assert!(stage["reason"].as_str().is_some_and(|reason| reason.contains("not asked for")), "{stage}");
        let (any, document) = decoded(&app, "any.wav", &[&chain[..], &["--engine", engine]].concat());
        assert!(apart(&hot, &any) <= CLOSE, "{engine}");
        assert_eq!(document["stats"]["dsp"][1]["path"], "hot", "{engine}");
    }

    // One after another, by way of a file between them.
    let (_, document) = decoded(&app, "bass.wav", &["--dsp", &bass]);
    assert!(document.get("stats").is_none());
    app.json(&["decode", "bass.wav", "-o", "both.wav", "--dsp", &air]);
    assert!(apart(&hot, &Wav::read(&app.path("both.wav")).samples()) <= CLOSE);
    // Without a configuration it changes nothing.
    let (same, _) = decoded(&app, "same.wav", &["--dsp", &format!("{EQUALIZER}:equalizer")]);
    assert_eq!(plain, same);
}

#[test]
fn the_summary_tells_each_stage() {
    let app = App::new();
    let input = audio("flac-48000-16-2.flac");
    let args = ["decode", text(&input), "-o", "out.wav", "--stats", "--dsp", &stage(BASS), "--dsp", &stage(AIR)];
    let run = app.run(&[&args[..], &["--no-hot"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
    assert_eq!(run.stdout.matches(&format!("dsp       {EQUALIZER}:equalizer\n")).count(), 2, "{}", run.stdout);
    assert_eq!(run.stdout.matches("component calls, 24000 frames in ").count(), 2, "{}", run.stdout);
    assert_eq!(run.stdout.matches("the hot path was not asked for").count(), 2, "{}", run.stdout);
    let run = app.run(&args);
    assert_eq!(run.stdout.matches("hot path, 24000 frames in ").count(), 2, "{}", run.stdout);
}

#[test]
fn what_cannot_be_says_why_and_leaves_nothing() {
    let app = App::new();
    let input = audio("flac-48000-16-2.flac");
    let out_of_range = stage(r#"{"bands":[{"shape":"peak","frequency":100,"gain_db":40}]}"#);
    let long = stage(&format!("{{}}{}", " ".repeat(70_000)));
    let cases: [(&str, &str, &str); 7] = [
        ("no.such.plugin:x", "not_found", "no.such.plugin"),
        ("dev.stellatune.dsp.equalizer:reverb", "not_found", "reverb"),
        ("dev.stellatune.decoder.symphonia:symphonia", "not_found", "has no such dsp"),
        (&stage("{"), "invalid_argument", "are no JSON"),
        (&stage(""), "invalid_argument", "are no JSON"),
        (&long, "invalid_argument", "70002 bytes"),
        (&out_of_range, "invalid_argument", "/bands/0/gain_db must be at most 30"),
    ];
    for (dsp, kind, part) in cases {
        // Behind one that works.
        let args = ["decode", text(&input), "-o", "out.wav", "--dsp", &stage(BASS), "--dsp", dsp];
        let error = app.failure(&args);
        assert_eq!(error["kind"], kind, "{dsp}: {error}");
        assert!(error["message"].as_str().expect("a text").contains(part), "{dsp}: {error}");
        assert!(error["help"].as_str().is_some_and(|help| !help.is_empty()), "{dsp}: {error}");
        assert!(app.names().is_empty(), "{dsp}");
    }
    for args in [&["--dsp", "nonsense"][..], &["--no-hot"]] {
        let run = app.run(&[&["decode", text(&input), "-o", "out.wav"], args].concat());
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("--dsp"), "{run:?}");
    }
}
