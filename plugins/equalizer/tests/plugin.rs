//! The component as a host calls it, the module as a host calls that, and the manifest.

use serde_json::Value;
use stellatune_plugin_equalizer::{Config, Equalizer, Plugin};
use stellatune_plugin_hot::{Refusal, Stream, test};
use stellatune_plugin_sdk::{AudioSpec, ConfigUpdateMode, Dsp, Error, JsonText, schema};

const SPEC: AudioSpec = AudioSpec { sample_rate: 44_100, channels: 2 };
const STREAM: Stream = Stream { sample_rate: 44_100, channels: 2 };

const CONFIG: &str = r#"{"preamp_db":-3,"bands":[
    {"shape":"low_shelf","frequency":100,"gain_db":6},
    {"shape":"peak","frequency":2500,"gain_db":-4.5,"q":1.5},
    {"shape":"low_pass","frequency":16000}
]}"#;

fn plugin(config: &str) -> Plugin {
    let mut plugin = Plugin::create(SPEC).unwrap();
    plugin.apply_config(JsonText::new(config)).unwrap();
    plugin
}

fn state(plugin: &mut Plugin) -> Value {
    serde_json::from_str(&plugin.export_state().unwrap().unwrap()).unwrap()
}

/// What the host gives the module.
fn parameters(plugin: &mut Plugin) -> Vec<f64> {
    serde_json::from_value(state(plugin)["hot_path"].clone()).unwrap()
}

fn ramp(frames: usize) -> Vec<f32> {
    (0..2 * frames).map(|place| (place * 37 % 200) as f32 / 200.0 - 0.5).collect()
}

#[test]
fn the_manifest_tells_the_configuration() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/plugin.json");
    schema::check::<Config>(manifest, "dsp", "equalizer").unwrap();
}

#[test]
fn the_module_does_what_the_component_does() {
    let mut plugin = plugin(CONFIG);
    let mut module = test::dsp::<Equalizer>(STREAM, &parameters(&mut plugin)).unwrap();
    for (frames, change) in [(5_000, None), (100, Some(r#"{"preamp_db":-20}"#)), (700, Some(CONFIG)), (9_000, None)] {
        if let Some(config) = change {
            plugin.apply_config(JsonText::new(config)).unwrap();
            module.configure(&parameters(&mut plugin)).unwrap();
        }
        let (mut one, mut other) = (ramp(frames), ramp(frames));
        plugin.process(&mut one).unwrap();
        assert!(module.process(&mut other));
        let apart = one.iter().zip(&other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max);
        assert!(apart < 1.0 / (1 << 20) as f32, "{apart}");
    }
    module.seek();
    let mut block = vec![0.0; 200];
    module.process(&mut block);
    assert_eq!(block, vec![0.0; 200], "after a jump nothing is left of what was before");

    let described = plugin.describe_hot_path(SPEC).unwrap().unwrap();
    assert_eq!((described.buffer.channels, described.buffer.max_frames), (2, 4096));
    assert_eq!(plugin.describe_hot_path(AudioSpec { channels: 9, ..SPEC }).unwrap(), None);
}

#[test]
fn the_module_refuses_what_it_cannot_be_given() {
    for wrong in [&[f64::NAN][..], &[1.0, 1.0], &[1.0, 1.0, 0.0, 0.0, 0.0, 1.5], &[1.0; 1 + 5 * 11]] {
        assert_eq!(test::dsp::<Equalizer>(STREAM, wrong).unwrap_err(), Refusal::InvalidArg, "{wrong:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut plugin = plugin(CONFIG);
    let before = state(&mut plugin);
    for (config, part) in [
        ("no JSON", "expected"),
        (r#"{"preamp":1}"#, "preamp"),
        (r#"{"preamp_db":21}"#, "-60 to 20"),
        (r#"{"bands":[{"shape":"peak","frequency":5}]}"#, "frequency of bands[0] is 5"),
        (r#"{"bands":[{"shape":"peak","frequency":50,"q":0}]}"#, "q of bands[0] is 0"),
        (r#"{"bands":[{"shape":"peak","frequency":50,"gain_db":-31}]}"#, "gain_db of bands[0]"),
        (r#"{"bands":[{"shape":"hump","frequency":50}]}"#, "hump"),
        (r#"{"bands":[{"shape":"peak"}]}"#, "frequency"),
    ] {
        let error = plugin.apply_config(JsonText::new(config)).unwrap_err();
        assert!(matches!(&error, Error::InvalidArg(text) if text.contains(part)), "{config}: {error}");
    }
    let eleven = format!(r#"{{"bands":[{}]}}"#, [r#"{"shape":"notch","frequency":50}"#; 11].join(","));
    plugin.apply_config(JsonText::new(&eleven)).unwrap_err();
    assert_eq!(state(&mut plugin), before);

    let plan = plugin.plan_config(JsonText::new(r#"{"preamp_db":99}"#)).unwrap();
    assert_eq!(plan.mode, ConfigUpdateMode::Reject);
    assert_eq!(plugin.plan_config(JsonText::new(CONFIG)).unwrap().mode, ConfigUpdateMode::HotApply);
    assert!(matches!(Plugin::create(AudioSpec { channels: 9, ..SPEC }), Err(Error::Unsupported(_))));
}

#[test]
fn a_successor_goes_on_without_a_seam() {
    let input = ramp(4_000);
    let mut whole = input.clone();
    plugin(CONFIG).process(&mut whole).unwrap();

    let mut halves = input;
    let (first, second) = halves.split_at_mut(3_000);
    let mut plugin = plugin(CONFIG);
    plugin.process(first).unwrap();
    let state = plugin.export_state().unwrap().unwrap();
    let mut successor = Plugin::create(SPEC).unwrap();
    successor.import_state(JsonText::new(&state)).unwrap();
    successor.process(second).unwrap();
    for (one, other) in whole.iter().zip(&halves) {
        assert!((one - other).abs() < 1e-6);
    }
    assert!(successor.import_state(JsonText::new("[]")).is_err());
    // Another shape of stream takes the filters alone.
    let mut mono = Plugin::create(AudioSpec { channels: 1, ..SPEC }).unwrap();
    mono.import_state(JsonText::new(&state)).unwrap();
    mono.process(&mut [0.0; 10]).unwrap();
}
