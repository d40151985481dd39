//! Our equaliser in both of its forms, opened as an application opens a DSP, held to a native computation.

use std::{f64::consts::TAU, fs};

use stellatune_plugin_core::hot::{HotParameters, HotProcessor, HotSpec, Primed};
use stellatune_plugins::{
    AudioPath, Dsp, DspOptions, ErrorKind, Event, Limits, Result, Runtime, Selector,
    types::{AudioSpec, HotPathRole},
};

use crate::support::{
    Case, Subject,
    equalizer::{Band, config, filtered},
    fixture,
    hot::{STREAM, module, spec},
    package::{Home, wait},
};

const ID: &str = "dev.stellatune.dsp.equalizer";
const TYPE: &str = "equalizer";

/// What the forms, the engines and the native computation may differ by.
const CLOSE: f64 = 1.0 / (1 << 20) as f64;

/// Frames in which the equaliser goes from one configuration to another: 20 ms unheard, then 20 ms.
const UNHEARD: usize = 960;
const FADE: usize = 960;

/// One band of each shape, and more.
const TEN: [Band; 10] = [
    ("high_pass", 25.0, 0.0, 0.7),
    ("low_shelf", 90.0, 5.0, 0.7),
    ("peak", 60.0, -4.0, 2.0),
    ("peak", 250.0, 3.0, 1.0),
    ("notch", 50.0, 0.0, 8.0),
    ("peak", 1_000.0, -6.0, 1.4),
    ("peak", 3_000.0, 4.0, 3.0),
    ("peak", 7_000.0, 2.5, 0.9),
    ("high_shelf", 9_000.0, -3.0, 0.7),
    ("low_pass", 19_000.0, 0.0, 0.7),
];

pub(crate) fn cases() -> Vec<Case> {
    let component = |what: &str, run: fn(&Subject, bool)| {
        Case::new(format!("equalizer/component/{what}"), [], move |subject| run(subject, true))
    };
    let hot = |what: &str, run: fn(&Subject, bool)| {
        Case::new(format!("equalizer/hot-path/{what}"), [], move |subject| run(subject, false))
    };
    vec![
        component("as-native", as_native),
        hot("as-native", as_native),
        component("chain", chain),
        hot("chain", chain),
        component("a-change-makes-no-click", change),
        hot("a-change-makes-no-click", change),
        Case::new("equalizer/a-module-that-was-changed", [], changed_module),
        Case::new("equalizer/what-cannot-be-opened", [], refused),
        Case::new("hot/parameters", ["hot/parameters"], parameters),
    ]
}

/// A runtime with the package as it is bundled.
fn runtime(subject: &Subject) -> (Home, Runtime) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    wait(runtime.install(fixture::equalizer())).expect("installs");
    (home, runtime)
}

fn selector(type_id: &str) -> Selector {
    format!("{ID}:{type_id}").parse().expect("a selector")
}

fn open(runtime: &Runtime, stream: AudioSpec, config: Option<String>, component_only: bool) -> Result<Dsp> {
    wait(runtime.open_dsp(&selector(TYPE), stream, &DspOptions { config, component_only }))
}

/// Opens it, and makes sure of the form it has.
fn opened(runtime: &Runtime, stream: AudioSpec, config: &str, component_only: bool) -> Dsp {
    let dsp = open(runtime, stream, Some(config.to_owned()), component_only).expect("opens");
    match dsp.path() {
        AudioPath::Hot => assert!(!component_only),
        other => assert!(component_only, "{other:?}"),
    }
    dsp
}

/// Noise that is the same every time, within -0.5 to 0.5.
fn noise(samples: usize) -> Vec<f32> {
    let mut state = 0x1234_5678_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0 - 0.5
    };
    std::iter::repeat_with(next).take(samples).collect()
}

fn wide(samples: &[f32]) -> Vec<f64> {
    samples.iter().map(|sample| f64::from(*sample)).collect()
}

fn assert_close(output: &[f32], expected: &[f64]) {
    assert_eq!(output.len(), expected.len());
    for (place, (output, expected)) in output.iter().zip(expected).enumerate() {
        assert!((f64::from(*output) - expected).abs() <= CLOSE, "sample {place}: {output}, not {expected}");
    }
}

/// All shapes, at more than one rate and number of channels, in blocks of any length.
fn as_native(subject: &Subject, component_only: bool) {
    let (_home, runtime) = runtime(subject);
    for (sample_rate, channels) in [(44_100, 2), (48_000, 1), (96_000, 6)] {
        let width = usize::from(channels);
        let mut dsp = opened(&runtime, AudioSpec { sample_rate, channels }, &config(-9.0, &TEN), component_only);
        let input = noise(12_000 * width);
        let mut output = input.clone();
        let mut rest = &mut output[..];
        for frames in [1, 4_097, 0, 63, 7_839] {
            let (block, more) = rest.split_at_mut(frames * width);
            wait(dsp.process(block)).expect("processes");
            rest = more;
        }
        assert!(rest.is_empty());
        assert_close(&output, &filtered(-9.0, &TEN, sample_rate, width, &wide(&input)));
        assert_eq!(*dsp.path() == AudioPath::Hot, !component_only, "it did so to the end");
        wait(dsp.close());
    }
}

/// Two in a row are what both natively are.
fn chain(subject: &Subject, component_only: bool) {
    let (_home, runtime) = runtime(subject);
    let (first, second) = (&TEN[..4], &TEN[4..]);
    let mut one = opened(&runtime, STREAM, &config(-6.0, first), component_only);
    let mut other = opened(&runtime, STREAM, &config(0.0, second), component_only);
    let input = noise(2 * 8_000);
    let mut output = input.clone();
    for block in output.chunks_mut(2 * 1_000) {
        wait(one.process(block)).expect("processes");
        wait(other.process(block)).expect("processes");
    }
    let expected = filtered(-6.0, first, STREAM.sample_rate, 2, &wide(&input));
    assert_close(&output, &filtered(0.0, second, STREAM.sample_rate, 2, &expected));
}

/// The largest step from one frame to the next, of two channels.
fn step(samples: &[f64]) -> f64 {
    samples.windows(3).map(|window| (window[2] - window[0]).abs()).fold(0.0, f64::max)
}

/// A configuration that is applied while a tone plays: no step is larger than the tone has before and after, and the fade between
/// both.
fn change(subject: &Subject, component_only: bool) {
    const HALF: usize = 2 * 12_000;
    const LOUD: (f64, &[Band]) = (0.0, &[("low_shelf", 200.0, 12.0, 0.7)]);
    const QUIET: (f64, &[Band]) = (-24.0, &[("peak", 110.0, -18.0, 4.0), ("high_pass", 60.0, 0.0, 0.7)]);

    let (_home, runtime) = runtime(subject);
    let tone = |place: usize| 0.1 * ((place / 2) as f64 * TAU * 110.0 / f64::from(STREAM.sample_rate)).sin();
    let input: Vec<f32> = (0..2 * HALF).map(|place| tone(place) as f32).collect();
    let mut dsp = opened(&runtime, STREAM, &config(LOUD.0, LOUD.1), component_only);
    let mut output = input.clone();
    let (before, after) = output.split_at_mut(HALF);
    wait(dsp.process(before)).expect("processes");
    let error = wait(dsp.configure(r#"{"preamp_db":21}"#)).expect_err("it is out of range");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert_eq!(wait(dsp.configure("{")).expect_err("it is no JSON").kind(), ErrorKind::InvalidArgument);
    wait(dsp.configure(&config(QUIET.0, QUIET.1))).expect("applies");
    for block in after.chunks_mut(2 * 256) {
        wait(dsp.process(block)).expect("processes");
    }
    assert_eq!(*dsp.path() == AudioPath::Hot, !component_only);

    let native =
        |(preamp, bands): (f64, &[Band]), input: &[f32]| filtered(preamp, bands, STREAM.sample_rate, 2, &wide(input));
    let (old, new) = (native(LOUD, &input), native(QUIET, &input[HALF..]));
    let apart = old[HALF..].iter().zip(&new).map(|(old, new)| (old - new).abs()).fold(0.0, f64::max);
    let allowed = step(&old).max(step(&new)) + apart / FADE as f64 + 2.0 * CLOSE;
    let found = step(&wide(&output));
    assert!(apart > 20.0 * allowed, "the change is large: {apart}, steps of {allowed}");
    assert!(found <= allowed, "a step of {found}; {allowed} is what there may be");
    let reached = 2 * (UNHEARD + FADE);
    assert_close(&output[..HALF], &old[..HALF]);
    assert_close(&output[HALF + reached..], &new[reached..]);
    // More than may wait for a block, and none comes.
    for _ in 0..6 {
        wait(dsp.configure(&config(LOUD.0, LOUD.1))).expect("applies");
    }
    wait(dsp.process(&mut output[..2])).expect("processes");
    assert_eq!(*dsp.path() == AudioPath::Hot, !component_only);
}

/// X16: the component does the work, from the first block on, and an event says why.
fn changed_module(subject: &Subject) {
    let (home, runtime) = runtime(subject);
    let installed = runtime.plugins().plugin(ID).expect("it is installed").path().expect("it has a place").to_owned();
    assert!(installed.starts_with(home.plugins()));
    fs::write(installed.join("wasm/equalizer_hot.wasm"), b"\0asm\x01\0\0\0").expect("a file");
    let mut events = runtime.events();
    let mut dsp = open(&runtime, STREAM, Some(config(-9.0, &TEN)), false).expect("opens");
    let AudioPath::Component { reason } = dsp.path().clone() else { panic!("{dsp:?}") };
    assert!(reason.contains("not the file that was installed"), "{reason}");
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        if let Event::HotPathUnused { plugin_id, component_id, reason } = event {
            told.push((plugin_id, component_id, reason));
        }
    }
    assert_eq!(told, [(ID.to_owned(), "equalizer".to_owned(), reason)]);
    let input = noise(2 * 1_000);
    let mut output = input.clone();
    wait(dsp.process(&mut output)).expect("processes");
    assert_close(&output, &filtered(-9.0, &TEN, STREAM.sample_rate, 2, &wide(&input)));
}

fn refused(subject: &Subject) {
    let (_home, runtime) = runtime(subject);
    let error = |dsp: &Selector, stream, config: &str| {
        let options = DspOptions { config: Some(config.to_owned()), component_only: true };
        wait(runtime.open_dsp(dsp, stream, &options)).expect_err("it is refused")
    };
    let long = format!("{{}}{}", " ".repeat(64 * 1024));
    let there = selector(TYPE);
    for (dsp, channels, config, kind, part) in [
        (&selector("reverb"), 2, "{}", ErrorKind::NotFound, "reverb"),
        (&"a.b:c".parse().expect("a selector"), 2, "{}", ErrorKind::NotFound, "no such plugin"),
        (&there, 2, "", ErrorKind::InvalidArgument, "are no JSON"),
        (&there, 2, &long, ErrorKind::InvalidArgument, "65538 bytes"),
        (&there, 2, "7", ErrorKind::InvalidArgument, "must be object"),
        (&there, 2, r#"{"bands":[{"shape":"peak","frequency":1}]}"#, ErrorKind::InvalidArgument, "must be at least 10"),
        (&there, 9, "{}", ErrorKind::PluginError, "9 channels"),
    ] {
        let error = error(dsp, AudioSpec { channels, ..STREAM }, config);
        assert_eq!(error.kind(), kind, "{config}: {error}");
        assert!(error.message().contains(part), "{config}: {error}");
    }
    let mut dsp = open(&runtime, STREAM, None, true).expect("opens");
    let mut samples = noise(2 * 100);
    wait(dsp.process(&mut samples)).expect("processes");
    assert_eq!(samples, noise(2 * 100), "without a configuration it changes nothing");
    assert_eq!(wait(dsp.process(&mut [0.0; 3])).expect_err("no whole frames").kind(), ErrorKind::InvalidArgument);
}

/// Parameters reach a module in `init` and while it plays, the last of those that wait; a new module keeps its own unless
/// others come.
fn parameters(subject: &Subject) {
    let wasm = module("hot/parameters");
    let numbers = |numbers: &[f64]| HotParameters::new(numbers).expect("numbers");
    let primed = |first: Option<&[f64]>| {
        let spec = HotSpec::new(spec(HotPathRole::DspTransform, &wasm), STREAM).expect("it keeps the rules");
        Primed::new(&*subject.engine(), &wasm, &spec.with_parameters(first.map(numbers)), &Limits::HOT)
    };
    let (mut processor, mut control) = HotProcessor::new(primed(Some(&[0.25, 3.0])).expect("primes")).expect("a DSP");
    let heard = |processor: &mut HotProcessor| {
        let mut output = [0.0; 2];
        assert!(processor.process(&[1.0, -1.0], &mut output).wet);
        assert_eq!(output[0], -output[1]);
        output[0]
    };
    assert_eq!(heard(&mut processor), 0.25);
    for gain in [2.0, 3.0, 0.5] {
        control.configure(numbers(&[gain])).expect("there is room");
    }
    assert_eq!(heard(&mut processor), 0.5);
    control.configure(numbers(&[0.75])).expect("there is room again");
    // A seek at the same time is told apart: the module counts.
    control.reset(stellatune_plugin_core::hot::RESET_SEEK);
    assert_eq!(heard(&mut processor), 0.75);
    control.replace(primed(Some(&[0.125])).expect("primes")).expect("it fits");
    assert_eq!(heard(&mut processor), 0.125);
    for _ in 0..4 {
        control.configure(numbers(&[1.5])).expect("four may wait");
    }
    assert_eq!(control.configure(numbers(&[1.5])).expect_err("and no more").kind(), ErrorKind::Busy);
    // It refuses to be given none.
    assert_eq!(heard(&mut processor), 1.5);
    control.configure(numbers(&[])).expect("there is room");
    let mut output = [0.0; 2];
    assert!(!processor.process(&[1.0, -1.0], &mut output).wet, "the block is dry");
    assert_eq!(output, [1.0, -1.0]);

    let (mut processor, mut control) = HotProcessor::new(primed(None).expect("primes")).expect("a DSP");
    control.configure(numbers(&[0.5])).expect("there is room");
    assert_eq!(heard(&mut processor), 1.0, "one that was never told where they are is not told of new ones");
}
