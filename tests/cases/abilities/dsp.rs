//! A processor's own methods.

use stellatune_plugin_core::{
    error::PluginError,
    hot::HotProcessor,
    types::{AudioSpec, BufferLayout, CoreModuleSpec, HotPathRole, SampleFormat},
};

use crate::support::{
    Case, Subject,
    ability::{CD, Kind, dsp},
    guest::{Guest, refusal},
    hot,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("abilities/dsp/create/shapes", ["echo-dsp"], create),
        Case::new("abilities/dsp/describe-hot-path/values", ["echo-dsp"], describe_hot_path),
        Case::new("abilities/dsp/process-interleaved-f32/samples", ["echo-dsp"], process),
        Case::new("abilities/dsp/process-interleaved-f32/shapes", ["echo-dsp"], shapes),
        Case::new(
            "abilities/dsp/process-interleaved-f32/as-its-hot-path-module",
            ["biquad-dsp", "hot/biquad", "hot/gain-simd"],
            as_module,
        ),
        Case::new("abilities/dsp/supported-layouts/values", ["echo-dsp", "many-abilities"], supported_layouts),
        Case::new("abilities/dsp/output-channels/values", ["echo-dsp"], output_channels),
        Case::new("abilities/dsp/apply-config-update-json/live", ["echo-dsp"], configure_live),
    ]
}

/// What a fixture describes for audio of two channels.
pub(crate) fn hot_path(role: HotPathRole) -> CoreModuleSpec {
    let dsp = role == HotPathRole::DspTransform;
    CoreModuleSpec {
        role,
        wasm_rel_path: "wasm/hot.wasm".into(),
        abi_version: 1,
        memory_export: "memory".into(),
        init_export: "st_hot_init".into(),
        process_export: "st_hot_process".into(),
        reset_export: Some("st_hot_reset".into()),
        drop_export: dsp.then(|| "st_hot_drop".into()),
        buffer: BufferLayout {
            in_offset: 65_536,
            out_offset: dsp.then_some(131_072),
            max_frames: 1024,
            channels: 2,
            sample_format: SampleFormat::F32le,
            interleaved: true,
        },
    }
}

fn bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn create(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    for spec in [AudioSpec { sample_rate: 0, channels: 2 }, AudioSpec { sample_rate: 44_100, channels: 0 }] {
        let error = refusal(guest.call(|it| dsp(it).create(spec)));
        assert!(matches!(error, PluginError::InvalidArg(_)), "{error}");
    }
    let error = refusal(guest.call(|it| dsp(it).create(AudioSpec { channels: 77, ..CD })));
    assert_eq!(error, PluginError::Unsupported("77 channels".into()));
    guest.call(|it| dsp(it).create(AudioSpec { sample_rate: u32::MAX, channels: u16::MAX })).expect("creates");
}

fn describe_hot_path(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
    let described = guest.call(|it| dsp(it).describe_hot_path(processor, CD));
    assert_eq!(described, Ok(Some(hot_path(HotPathRole::DspTransform))));
    guest.call(|it| it.apply_config(processor, "{\"at\":\"no-hot-path\"}")).expect("applies");
    assert_eq!(guest.call(|it| dsp(it).describe_hot_path(processor, CD)), Ok(None));
}

/// As many bytes come back as went in, from none to a block of MiBs.
fn process(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
    for count in [0, 2, 256, 1 << 20] {
        let samples: Vec<f32> = (0..count).map(|n| n as f32 - 3.0).collect();
        let halves: Vec<f32> = samples.iter().map(|sample| sample * 0.5).collect();
        let changed = guest.call(|it| dsp(it).process_interleaved_f32(processor, 2, &bytes(&samples)));
        assert!(changed == Ok(bytes(&halves)), "{count} samples");
    }
    let odd = [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE];
    let changed = guest.call(|it| dsp(it).process_interleaved_f32(processor, 2, &bytes(&odd))).expect("processes");
    assert_eq!((changed.len(), &changed[4..]), (16, &*bytes(&odd.map(|sample| sample * 0.5))[4..].to_vec()));
    assert!(f32::from_le_bytes([changed[0], changed[1], changed[2], changed[3]]).is_nan());
}

/// Only whole frames of the channels it was made for.
fn shapes(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
    for (channels, bytes) in [(0, 8), (1, 8), (3, 12), (2, 7), (2, 12)] {
        let error = refusal(guest.call(|it| dsp(it).process_interleaved_f32(processor, channels, &vec![0; bytes])));
        assert!(matches!(error, PluginError::InvalidArg(_)), "{channels} {bytes}: {error}");
    }
    guest.call(|it| dsp(it).process_interleaved_f32(processor, 2, &[0; 8])).expect("processes");
}

fn supported_layouts(subject: &Subject) {
    for (fixture, expected) in [(Kind::Dsp.fixture(), 0b11), ("many-abilities", u32::MAX)] {
        let mut guest = Guest::new(subject, fixture);
        let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
        assert_eq!(guest.call(|it| dsp(it).supported_layouts(processor)), Ok(expected));
    }
}

fn output_channels(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    for channels in [1, 2, 6, u16::MAX] {
        let processor = guest.call(|it| dsp(it).create(AudioSpec { channels, ..CD })).expect("creates");
        assert_eq!(guest.call(|it| dsp(it).output_channels(processor)), Ok(channels));
    }
}

/// A configuration is in effect for the next block; one that does not fit changes nothing.
fn configure_live(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Dsp.fixture());
    let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
    let process =
        |guest: &mut Guest| guest.call(|it| dsp(it).process_interleaved_f32(processor, 2, &bytes(&[1.0, -0.25])));
    guest.call(|it| it.apply_config(processor, "{\"gain\":2}")).expect("applies");
    assert_eq!(process(&mut guest), Ok(bytes(&[2.0, -0.5])));
    let error = refusal(guest.call(|it| it.apply_config(processor, "{\"gain\":\"loud\"}")));
    assert!(matches!(error, PluginError::InvalidArg(_)), "{error}");
    assert_eq!(process(&mut guest), Ok(bytes(&[2.0, -0.5])));
}

/// What benches compare computes the same, sample for sample: the filter goes on from block to block in both.
fn as_module(subject: &Subject) {
    for (config, module) in [(None, "hot/biquad"), (Some("\"gain\""), "hot/gain-simd")] {
        let mut guest = Guest::new(subject, "biquad-dsp");
        let processor = guest.call(|it| dsp(it).create(CD)).expect("creates");
        if let Some(config) = config {
            guest.call(|it| it.apply_config(processor, config)).expect("applies");
        }
        let (mut module, _) = HotProcessor::new(hot::dsp(subject, module).expect("it primes")).expect("it is a DSP");
        for frames in [1, 64, 1024, 77] {
            let input: Vec<f32> = (0..2 * frames).map(|at| (at as f32 * 0.7).sin()).collect();
            let bytes: Vec<u8> = input.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let answer = guest.call(|it| dsp(it).process_interleaved_f32(processor, 2, &bytes)).expect("processes");
            let of_component: Vec<f32> =
                answer.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)).collect();
            let mut of_module = vec![0.0; input.len()];
            assert!(module.process(&input, &mut of_module).wet);
            assert_eq!(of_component, of_module, "{frames} frames");
            assert_ne!(of_component, input);
        }
    }
    let mut guest = Guest::new(subject, "biquad-dsp");
    let mono = AudioSpec { channels: 1, ..CD };
    assert!(matches!(refusal(guest.call(|it| dsp(it).create(mono))), PluginError::Unsupported(_)));
}
