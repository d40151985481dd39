//! The hot path: what is refused before the first block, and that audio goes on whatever a module does.

use std::{cell::Cell, thread};

use stellatune_plugin_core::{
    error::{ErrorKind, TrapKind},
    hot::{HotControl, HotFault, HotOutcome, HotProcessor, HotReport, HotSink, HotSpec, RESET_ROUTE, RESET_SEEK},
    types::{AudioSpec, CoreModuleSpec, HotPathRole, SampleFormat},
};

use crate::support::{
    Case, Subject,
    hot::{STREAM, complete, dsp, module, prime, spec},
    package::{Home, Package, wait},
};

const GAIN: &str = "hot/gain";
const CUE: &str = "hot/cue";

/// Breaks a description.
type Change<'a> = &'a dyn Fn(&mut CoreModuleSpec);

/// What `fixtures/wat-hot/cue.wat` does when a block begins with one of these.
mod cue {
    pub(super) const TRAP: f32 = 100.0;
    pub(super) const LOOP: f32 = 101.0;
    pub(super) const CODE: f32 = 102.0;
    pub(super) const NEGATIVE: f32 = 103.0;
    pub(super) const NOTHING: f32 = 104.0;
    pub(super) const TOO_MANY: f32 = 105.0;
    pub(super) const GROW: f32 = 106.0;
    pub(super) const OVERWRITE: f32 = 107.0;
    pub(super) const SOFT: f32 = 108.0;
    pub(super) const LATER: f32 = 109.0;
    pub(super) const NEED_RESET: f32 = 110.0;
}

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("hot/gain", [GAIN], |subject| gain(subject, GAIN)),
        Case::new("hot/gain-simd", ["hot/gain-simd"], |subject| gain(subject, "hot/gain-simd")),
        Case::new("hot/biquad", ["hot/biquad"], biquad),
        Case::new("hot/in-place", [GAIN, CUE], in_place),
        Case::new("hot/formats", [CUE], formats),
        Case::new("hot/any-length", [GAIN], any_length),
        Case::new("hot/arguments", ["hot/arguments"], arguments),
        Case::new("hot/another-thread", [GAIN], another_thread),
        Case::new("hot/regions", [GAIN], regions),
        Case::new("hot/descriptions", [GAIN], descriptions),
        Case::new("hot/modules", [], modules),
        Case::new("hot/in-a-package", [GAIN, CUE, "edge-decoder"], in_a_package),
        Case::new("hot/wrong-frames", [CUE], wrong_frames),
        Case::new("hot/memory-grows", [CUE], memory_grows),
        Case::new("hot/wild-output", ["hot/wild"], wild_output),
        Case::new("hot/context-zero", ["hot/context-zero"], |subject| {
            let (mut processor, _) = processor(subject, "hot/context-zero");
            assert_wet(&mut processor, 0.5);
        }),
        Case::new("hot/trap", [CUE], trap),
        Case::new("hot/slow", ["hot/slow", "hot/heavy", CUE], slow),
        Case::new("hot/loops-elsewhere", ["hot/init-loop", "hot/reset-loop", "hot/drop-loop", "hot/start-loop"], loops),
        Case::new("hot/recursion", ["hot/recursion"], |subject| {
            let error = dsp(subject, "hot/recursion").expect_err("the stack ends");
            // Its own stack, or what a block may use, whichever comes first.
            assert!(matches!(error.kind(), ErrorKind::Trap | ErrorKind::Timeout), "{error}");
        }),
        Case::new("hot/refuses", ["hot/refuses"], |subject| {
            let error = dsp(subject, "hot/refuses").expect_err("init refuses");
            assert_eq!(error.kind(), ErrorKind::PluginError, "{error}");
            assert!(error.message().contains("unsupported (2)"), "{error}");
        }),
        Case::new("hot/strikes", [CUE, GAIN], strikes),
        Case::new("hot/replaced", [CUE, GAIN], replaced),
        Case::new("hot/soft-errors", [CUE], soft_errors),
        Case::new("hot/resets", [CUE], resets),
        Case::new("hot/dry-copy", [CUE], dry_copy),
        Case::new("hot/sink", ["hot/sink", GAIN], sink),
    ]
}

fn processor(subject: &Subject, name: &str) -> (HotProcessor, HotControl) {
    let primed = dsp(subject, name).unwrap_or_else(|error| panic!("{name}: {error}"));
    HotProcessor::new(primed).expect("it is a DSP")
}

/// A block whose samples all differ.
fn ramp(frames: usize) -> Vec<f32> {
    (0..frames * 2).map(|place| (place + 1) as f32 / (frames * 2) as f32).collect()
}

/// A block that begins with a cue.
fn cued(cue: f32) -> Vec<f32> {
    let mut block = ramp(64);
    block[0] = cue;
    block
}

fn scaled(block: &[f32], factor: f32) -> Vec<f32> {
    block.iter().map(|sample| sample * factor).collect()
}

fn run(processor: &mut HotProcessor, input: &[f32]) -> (Vec<f32>, HotOutcome) {
    let mut output = vec![9.0; input.len()];
    let outcome = processor.process(input, &mut output);
    (output, outcome)
}

fn assert_wet(processor: &mut HotProcessor, factor: f32) {
    let input = ramp(64);
    let (output, outcome) = run(processor, &input);
    assert!(outcome.wet);
    assert_eq!(output, scaled(&input, factor));
}

fn assert_dry(processor: &mut HotProcessor, input: &[f32]) {
    let (output, outcome) = run(processor, input);
    assert!(!outcome.wet);
    assert_eq!(output, input, "the block in which it fails is dry");
}

/// The block `input` fails with `fault`, is dry, and so is all that follows.
fn assert_fails(subject: &Subject, input: &[f32], fault: HotFault) {
    let (mut processor, mut control) = processor(subject, CUE);
    assert_wet(&mut processor, 0.25);
    assert_dry(&mut processor, input);
    assert_eq!(control.report(), Some(HotReport { fault: Some(fault), strikes: 1, gave_up: false }));
    assert_dry(&mut processor, &ramp(64));
    assert_eq!((control.report(), control.dry_blocks()), (None, 2));
}

fn gain(subject: &Subject, name: &str) {
    let (mut processor, mut control) = processor(subject, name);
    for frames in [1, 2, 63, 64, 1024] {
        let input = ramp(frames);
        let (output, outcome) = run(&mut processor, &input);
        assert_eq!(outcome, HotOutcome { wet: true, eof: false, drained: false });
        assert_eq!(output, scaled(&input, 0.5), "{frames} frames");
    }
    assert_eq!((control.dry_blocks(), control.tamed_blocks(), control.report()), (0, 0, None));
}

/// The same numbers as the same filter in Rust, over many blocks, and a state that begins anew.
fn biquad(subject: &Subject) {
    let (mut processor, _) = processor(subject, "hot/biquad");
    let (b0, b1, b2, a1, a2) = (1.0437_f32, -1.8954_f32, 0.8683_f32, -1.8954_f32, 0.9120_f32);
    let mut state = [[0.0_f32; 2]; 2];
    let input = ramp(1000);
    for _ in 0..3 {
        let (output, outcome) = run(&mut processor, &input);
        assert!(outcome.wet);
        for (place, (x, y)) in input.iter().zip(&output).enumerate() {
            let [z1, z2] = &mut state[place % 2];
            let x = x * 0.5;
            let expected = b0 * x + *z1;
            *z1 = (b1 * x + *z2) - a1 * expected;
            *z2 = b2 * x - a2 * expected;
            assert_eq!(*y, expected, "sample {place}");
        }
    }
    // Priming played noise into it; that none was left is what the first block above shows. So does a reset.
    processor.reset(RESET_SEEK);
    let (output, _) = run(&mut processor, &input);
    assert_eq!(output[0], b0 * (input[0] * 0.5));
}

fn in_place(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, GAIN);
    let input = ramp(64);
    let mut block = processor.block(64);
    block.input().copy_from_slice(&input);
    let (output, outcome) = block.process();
    assert_eq!((output, outcome.wet), (scaled(&input, 0.5).as_slice(), true));
    // More than fits is cut, nothing is nothing.
    assert_eq!(processor.block(5000).input().len(), 2048);
    let (output, outcome) = processor.block(0).process();
    assert_eq!((output.len(), outcome.wet), (0, false));

    let (mut processor, mut cue_control) = self::processor(subject, CUE);
    for input in [cued(cue::TRAP), ramp(64)] {
        let mut block = processor.block(64);
        block.input().copy_from_slice(&input);
        let (output, outcome) = block.process();
        assert_eq!((output, outcome.wet), (input.as_slice(), false), "what was written there is heard dry");
    }
    assert_eq!(cue_control.report().and_then(|report| report.fault), Some(HotFault::Trap(TrapKind::Unreachable)));
    assert_eq!(control.report(), None);
}

/// Integers are scaled, and a module that works where its input is.
fn formats(subject: &Subject) {
    let double = |load: &str, store: &str, size: u32| {
        complete(&format!(
            r#"(module (func (export "st_hot_process") (param $ctx i32) (param $frames i32) (param $out i32) (param $flags i32)
                (result i32) (local $at i32) (local $end i32)
                (i32.store (local.get $out) (local.get $frames))
                (local.set $at (i32.const 1024))
                (local.set $end (i32.add (i32.const 1024) (i32.mul (local.get $frames) (i32.const {}))))
                (loop $more
                    ({store} (local.get $at) (i32.mul ({load} (local.get $at)) (i32.const 2)))
                    (local.set $at (i32.add (local.get $at) (i32.const {size})))
                    (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
                (i32.const 0)))"#,
            2 * size
        ))
    };
    for (format, wasm) in [
        (SampleFormat::I16le, double("i32.load16_s", "i32.store16", 2)),
        (SampleFormat::I32le, double("i32.load", "i32.store", 4)),
    ] {
        let mut spec = spec(HotPathRole::DspTransform, &wasm);
        spec.buffer.sample_format = format;
        spec.buffer.out_offset = Some(spec.buffer.in_offset);
        let primed = prime(subject, &wasm, spec).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        let (mut processor, _) = HotProcessor::new(primed).expect("it is a DSP");
        let input = [0.25, -0.25, 0.125, -0.5];
        assert_eq!(run(&mut processor, &input).0, [0.5, -0.5, 0.25, -1.0], "{format:?}");
        let mut block = processor.block(2);
        block.input().copy_from_slice(&input);
        assert_eq!(block.process().0, [0.5, -0.5, 0.25, -1.0], "{format:?}");
    }
}

/// Longer blocks are divided; what is no whole frame passes.
fn any_length(subject: &Subject) {
    let (mut processor, control) = processor(subject, GAIN);
    let mut input = ramp(2500);
    let (output, outcome) = run(&mut processor, &input);
    assert!(outcome.wet);
    assert_eq!(output, scaled(&input, 0.5));
    input.truncate(2 * 1024 + 3);
    let (output, outcome) = run(&mut processor, &input);
    assert!(!outcome.wet, "a sample of it passed");
    assert_eq!(output[..2 * 1024 + 2], scaled(&input, 0.5)[..2 * 1024 + 2]);
    assert_eq!(output[2 * 1024 + 2], input[2 * 1024 + 2]);
    assert_eq!(control.dry_blocks(), 0);
    assert!(run(&mut processor, &[]).0.is_empty());
    let mut short = [0.0; 6];
    processor.process(&ramp(64), &mut short);
    assert_eq!(short, scaled(&ramp(64), 0.5)[..6]);
}

/// The 44 bytes that `init` is given, as the module heard them. // X09
fn arguments(subject: &Subject) {
    let (mut processor, _) = processor(subject, "hot/arguments");
    let (output, outcome) = run(&mut processor, &ramp(64));
    assert!(outcome.wet, "the context came back as it was given");
    let halves: Vec<u32> = output[..22].iter().map(|sample| (sample * 65_536.0) as u32).collect();
    let words: Vec<u32> = halves.chunks(2).map(|pair| pair[0] | pair[1] << 16).collect();
    assert_eq!(words, [1, 1, 48_000, 2 | 1 << 16, 1024, 1024, 66_560, 8192, 0, 0, 0]);
}

/// A primed module goes to the thread that plays, and to another one.
fn another_thread(subject: &Subject) {
    let (processor, mut control) = processor(subject, GAIN);
    let played = thread::scope(|scope| {
        let mut processor = processor;
        for _ in 0..2 {
            processor = scope
                .spawn(move || {
                    processor.prepare_thread();
                    assert_wet(&mut processor, 0.5);
                    processor
                })
                .join()
                .expect("it plays there");
        }
        processor
    });
    drop(played);
    assert_eq!(control.report(), None);
}

/// X01 X02 X03 X04
fn regions(subject: &Subject) {
    let wasm = module(GAIN);
    let refusal = |change: Change<'_>| {
        let mut spec = spec(HotPathRole::DspTransform, &wasm);
        change(&mut spec);
        let error = prime(subject, &wasm, spec).expect_err("the regions are refused");
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
        error.message().to_owned()
    };
    let cases: [(Change<'_>, &str); 12] = [
        (&|spec| spec.buffer.in_offset = 196_608, "ends outside the 196608 bytes"),
        (&|spec| spec.buffer.out_offset = Some(196_608 - 8188), "ends outside the 196608 bytes"),
        (&|spec| spec.buffer.in_offset = u32::MAX - 3, "leave the address space"),
        (&|spec| spec.buffer.in_offset = 66_556, "overlap without being the same"),
        (&|spec| spec.buffer.out_offset = Some(1024 + 8188), "overlap without being the same"),
        (&|spec| spec.buffer.in_offset = 1026, "is not a multiple"),
        (&|spec| spec.buffer.out_offset = Some(66_561), "is not a multiple"),
        (&|spec| spec.buffer.max_frames = 0, "max-frames is 0"),
        (&|spec| spec.buffer.max_frames = u32::MAX, "max-frames is 4294967295"),
        (&|spec| spec.buffer.max_frames = 8193, "overlap without being the same"),
        (&|spec| spec.buffer.in_offset = 0, "in-offset is 0"),
        (&|spec| spec.buffer.out_offset = None, "needs an out-offset"),
    ];
    for (change, text) in cases {
        let message = refusal(change);
        assert!(message.contains(text), "{message}\ninstead of\n{text}");
    }
    // To the last byte.
    let mut last = spec(HotPathRole::DspTransform, &wasm);
    last.buffer.out_offset = Some(196_608 - 8192);
    prime(subject, &wasm, last).expect("the region ends with the memory");
}

/// X13 X16, and the rest of what a description may get wrong.
fn descriptions(subject: &Subject) {
    let wasm = module(GAIN);
    let good = spec(HotPathRole::DspTransform, &wasm);
    let cases: [(Change<'_>, ErrorKind, &str); 14] = [
        (&|spec| spec.abi_version = 2, ErrorKind::Unsupported, "its ABI has version 2"),
        (&|spec| spec.abi_version = 0, ErrorKind::Unsupported, "its ABI has version 0"),
        (&|spec| spec.buffer.interleaved = false, ErrorKind::Unsupported, "planar"),
        (&|spec| spec.buffer.channels = 1, ErrorKind::Incompatible, "takes 1 channels; the stream has 2"),
        (&|spec| spec.process_export = " ".into(), ErrorKind::Incompatible, "blank"),
        (&|spec| spec.reset_export = Some(String::new()), ErrorKind::Incompatible, "blank"),
        (&|spec| spec.process_export = "nope".into(), ErrorKind::Incompatible, "no export `nope`"),
        (&|spec| spec.process_export = "memory".into(), ErrorKind::Incompatible, "no function of 4 i32"),
        (&|spec| spec.memory_export = "st_hot_init".into(), ErrorKind::Incompatible, "is no memory"),
        (&|spec| spec.reset_export = Some("st_hot_process".into()), ErrorKind::Incompatible, "no function of 2 i32"),
        (&|spec| spec.wasm_rel_path = "../hot.wasm".into(), ErrorKind::RejectedPackage, "leaves the package"),
        (&|spec| spec.wasm_rel_path = "/etc/hot.wasm".into(), ErrorKind::RejectedPackage, "is not relative"),
        (&|spec| spec.wasm_rel_path = "a\\hot.wasm".into(), ErrorKind::RejectedPackage, "has a `\\`"),
        (&|spec| spec.wasm_rel_path = "hot.so".into(), ErrorKind::Incompatible, "does not end in .wasm"),
    ];
    for (change, kind, text) in cases {
        let mut spec = good.clone();
        change(&mut spec);
        let error = prime(subject, &wasm, spec).expect_err(text);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(text), "{error}\ninstead of\n{text}");
    }
    let silent = AudioSpec { sample_rate: 0, ..STREAM };
    assert!(HotSpec::new(good.clone(), silent).is_err());
    let spec = HotSpec::new(good, STREAM).expect("it keeps the rules");
    assert_eq!((spec.path().as_str(), spec.channels(), spec.max_frames()), ("wasm/hot.wasm", 2, 1024));
}

/// X07 X13: what a module may be made of.
fn modules(subject: &Subject) {
    let body = r#"(func (export "st_hot_init") (param i32 i32) (result i32) (i32.const 0))
        (func (export "st_hot_process") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
    let wrong_init = r#"(memory (export "memory") 2) (func (export "st_hot_init") (param i64 i32) (result i32) (i32.const 0))
        (func (export "st_hot_process") (param i32 i32 i32 i32) (result i32) (i32.const 0))"#;
    let cases: [(String, &str); 11] = [
        (format!("(module {body})"), "it has 0 memories"),
        (format!(r#"(module (memory 2) {body})"#), "no export `memory`"),
        (format!(r#"(module (import "a" "b" (memory 2)) {body})"#), "it imports `b` from `a`"),
        (
            format!(r#"(module (import "env" "f" (func)) (memory (export "memory") 2) {body})"#),
            "it imports `f` from `env`",
        ),
        (format!(r#"(module (memory (export "memory") 2 2) {body})"#), "cannot grow by the one page"),
        (format!(r#"(module (memory (export "memory") 2 3 shared) {body})"#), "a WebAssembly feature that is off"),
        (format!(r#"(module (memory (export "memory") i64 2) {body})"#), "a WebAssembly feature that is off"),
        (format!(r#"(module (memory (export "memory") 2) (memory 1) {body})"#), "multiple memories"),
        (format!(r#"(module (memory (export "memory") 256) {body})"#), "begins with 256 pages"),
        (format!("(module {wrong_init})"), "`st_hot_init` is no function of 2 i32"),
        ("(component)".to_owned(), "not a binary core WebAssembly module"),
    ];
    for (text, expected) in cases {
        let wasm = wat::parse_str(&text).expect("the text is WebAssembly");
        let spec = spec(HotPathRole::DspTransform, &wasm);
        let error = prime(subject, &wasm, spec).expect_err(expected);
        assert!(error.message().contains(expected), "{error}\ninstead of\n{expected}");
    }
    let mut large = module(GAIN);
    large.resize(1024 * 1024 + 1, 0);
    let error = prime(subject, &large, spec(HotPathRole::DspTransform, &large)).expect_err("it is large");
    assert!(error.message().contains("1048577 bytes"), "{error}");
    let gain = module(GAIN);
    let error = prime(subject, b"\x7fELF", spec(HotPathRole::DspTransform, &gain)).expect_err("native code");
    assert_eq!(error.kind(), ErrorKind::RejectedPackage, "{error}");
}

/// X16: only what was installed is run.
fn in_a_package(subject: &Subject) {
    const ID: &str = "test.hot";
    let (home, wasm) = (Home::new(), module(GAIN));
    let runtime = home.runtime(subject);
    let package = Package::decoder(ID, "edge-decoder");
    package.file("wasm/hot.wasm", &wasm);
    let installed = wait(runtime.install(package.path())).expect("installs");
    let path = HotSpec::new(spec(HotPathRole::DspTransform, &wasm), STREAM).expect("it keeps the rules").path().clone();
    let read =
        || runtime.plugins().plugin(ID).expect("it is installed").file_bytes(&path).map(|file| file.bytes.to_vec());
    assert_eq!(read().expect("it is there"), wasm);
    let file = installed.path.join("wasm/hot.wasm");
    std::fs::write(&file, module(CUE)).expect("a file");
    assert_eq!(read().expect_err("it was changed").rule(), Some("changed-file"));
    std::fs::remove_file(&file).expect("a file");
    assert_eq!(read().expect_err("it is gone").kind(), ErrorKind::NotFound);
    #[cfg(unix)]
    {
        let outside = home.plugins().join("outside.wasm");
        std::fs::write(&outside, &wasm).expect("a file");
        std::os::unix::fs::symlink(outside, file).expect("a link");
        read().expect_err("it is a link, whatever it leads to");
    }
}

/// X05
fn wrong_frames(subject: &Subject) {
    let fault = |answered| HotFault::Frames { given: 64, answered };
    assert_fails(subject, &cued(cue::TOO_MANY), fault(65));
    assert_fails(subject, &cued(cue::NEGATIVE), fault(u32::MAX - 1));
    assert_fails(subject, &cued(cue::NOTHING), fault(u32::MAX));
    assert_fails(subject, &cued(cue::CODE), HotFault::Code(3));
}

/// X06
fn memory_grows(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, CUE);
    for _ in 0..4 {
        let input = cued(cue::GROW);
        let (output, outcome) = run(&mut processor, &input);
        assert!(outcome.wet);
        assert_eq!(output[1..], scaled(&input, 0.25)[1..]);
        let mut block = processor.block(64);
        block.input().copy_from_slice(&input);
        let (output, outcome) = block.process();
        assert!(outcome.wet);
        assert_eq!(output[1..], scaled(&input, 0.25)[1..]);
    }
    assert_eq!(control.report(), None);
}

/// X08
fn wild_output(subject: &Subject) {
    let (mut processor, control) = processor(subject, "hot/wild");
    let expected = [0.0, 0.0, 0.0, 0.0, 8.0, -8.0, 0.5, -0.5];
    let (output, outcome) = run(&mut processor, &ramp(4));
    assert_eq!((output.as_slice(), outcome.wet, control.tamed_blocks()), (&expected[..], true, 1));
    let (output, _) = processor.block(4).process();
    assert_eq!((output, control.tamed_blocks()), (&expected[..], 2));
}

/// X10
fn trap(subject: &Subject) {
    assert_fails(subject, &cued(cue::TRAP), HotFault::Trap(TrapKind::Unreachable));
}

/// X11: in the first block, and before it.
fn slow(subject: &Subject) {
    assert_fails(subject, &cued(cue::LOOP), HotFault::Trap(TrapKind::Deadline));
    for (name, text) in [("hot/slow", "took more than half the time"), ("hot/heavy", "of the time a block lasts")] {
        let error = dsp(subject, name).expect_err("it is too slow");
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
        assert!(error.message().contains(text), "{error}");
    }
}

/// X12
fn loops(subject: &Subject) {
    for (name, kind) in [
        ("hot/init-loop", ErrorKind::Timeout),
        ("hot/reset-loop", ErrorKind::Timeout),
        ("hot/start-loop", ErrorKind::Incompatible),
    ] {
        let error = dsp(subject, name).expect_err("it never ends");
        assert_eq!(error.kind(), kind, "{error}");
    }
    // What drop does is nobody's loss, once it ends.
    drop(dsp(subject, "hot/drop-loop").expect("it works until then"));
    let (mut processor, mut control) = processor(subject, CUE);
    control.reset(RESET_ROUTE);
    assert_dry(&mut processor, &ramp(64));
    let fault = control.report().and_then(|report| report.fault);
    assert_eq!(fault, Some(HotFault::Trap(TrapKind::Deadline)), "a reset that loops");
}

/// After three failures audio stays dry.
fn strikes(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, CUE);
    for strikes in 1..=3 {
        assert_wet(&mut processor, 0.25);
        assert_dry(&mut processor, &cued(cue::TRAP));
        let report = control.report().expect("it was taken out");
        assert_eq!((report.strikes, report.gave_up), (strikes, strikes == 3));
        let new = dsp(subject, CUE).expect("it primes");
        match control.replace(new) {
            Ok(()) => assert!(strikes < 3),
            Err(error) => assert_eq!((strikes, error.kind()), (3, ErrorKind::Unsupported), "{error}"),
        }
    }
    assert!(control.gave_up());
    assert_dry(&mut processor, &ramp(64));
    assert_eq!(control.report(), None);
}

/// A module takes the place of another between two blocks, or of one that failed.
fn replaced(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, CUE);
    control.replace(dsp(subject, GAIN).expect("it primes")).expect("there is room");
    assert_wet(&mut processor, 0.5);
    assert_eq!(control.report(), Some(HotReport { fault: None, strikes: 0, gave_up: false }));
    // One of another shape is no replacement.
    let wasm = module(GAIN);
    let mut shorter = spec(HotPathRole::DspTransform, &wasm);
    shorter.buffer.max_frames = 512;
    let error = control.replace(prime(subject, &wasm, shorter).expect("it primes")).expect_err("it is shorter");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    // The queue has an end, and modules arrive one a block.
    for _ in 0..4 {
        control.replace(dsp(subject, CUE).expect("it primes")).expect("there is room");
    }
    let error = control.replace(dsp(subject, CUE).expect("it primes")).expect_err("four are under way");
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    for _ in 0..8 {
        assert_wet(&mut processor, 0.25);
    }
    // Nobody took the retired ones away, so the last waits until somebody does.
    assert_eq!(std::iter::from_fn(|| control.report()).count(), 3);
    assert_wet(&mut processor, 0.25);
    assert_eq!(std::iter::from_fn(|| control.report()).count(), 1);
    assert_eq!(control.dry_blocks(), 0);
}

fn soft_errors(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, CUE);
    for _ in 0..3 {
        assert_dry(&mut processor, &cued(cue::SOFT));
        assert_dry(&mut processor, &cued(cue::SOFT));
        assert_wet(&mut processor, 0.25);
        // Not now is no failure.
        assert_dry(&mut processor, &cued(cue::LATER));
    }
    assert_eq!(control.report(), None);
    for _ in 0..3 {
        assert_dry(&mut processor, &cued(cue::SOFT));
    }
    assert_eq!(control.report().and_then(|report| report.fault), Some(HotFault::SoftErrors));
}

/// The module halves its factor at each reset; one came with priming.
fn resets(subject: &Subject) {
    let (mut processor, mut control) = processor(subject, CUE);
    assert_wet(&mut processor, 0.25);
    processor.reset(RESET_SEEK);
    assert_wet(&mut processor, 0.125);
    control.reset(RESET_SEEK);
    control.reset(RESET_SEEK);
    assert_wet(&mut processor, 0.0625);
    assert_wet(&mut processor, 0.0625);
    // The block in which it asks is good.
    let input = cued(cue::NEED_RESET);
    let (output, outcome) = run(&mut processor, &input);
    assert!(outcome.wet);
    assert_eq!(output[1..], scaled(&input, 0.0625)[1..]);
    assert_wet(&mut processor, 0.03125);
    assert_eq!(control.report(), None);
    // Both at once: the module answers with an error.
    processor.reset(RESET_SEEK | RESET_ROUTE);
    assert_dry(&mut processor, &ramp(64));
    assert_eq!(control.report().and_then(|report| report.fault), Some(HotFault::Code(4)));
}

/// X15: the module overwrites both regions before it traps, and when it says its block is not good.
fn dry_copy(subject: &Subject) {
    assert_fails(subject, &cued(cue::OVERWRITE), HotFault::Trap(TrapKind::Unreachable));
    for how in [cue::OVERWRITE, cue::SOFT] {
        let (mut processor, _) = processor(subject, CUE);
        let input = cued(how);
        let mut block = processor.block(64);
        block.input().copy_from_slice(&input);
        let (output, outcome) = block.process();
        assert_eq!((output, outcome.wet), (input.as_slice(), false));
    }
}

/// A sink takes what it can, and says when it is at an end.
fn sink(subject: &Subject) {
    let wasm = module("hot/sink");
    let primed = || prime(subject, &wasm, spec(HotPathRole::OutputSink, &wasm)).expect("it primes");
    let error = HotProcessor::new(primed()).err().expect("a sink is no DSP");
    assert_eq!(error.kind(), ErrorKind::Incompatible);
    assert!(HotSink::new(dsp(subject, GAIN).expect("it primes")).is_err());
    let (mut sink, mut control) = HotSink::new(primed()).expect("it is a sink");
    let ends = Cell::new(false);
    let mut write = |frames: usize| {
        let written = sink.write(&ramp(frames));
        assert!(written.alive);
        assert_eq!(written.eof, written.drained);
        ends.set(written.eof);
        written.frames
    };
    assert_eq!((write(64), ends.get()), (64, false));
    assert_eq!((write(1000), ends.get()), (100, false), "less than it was given");
    assert_eq!((write(100), ends.get()), (86, true), "250 in all");
    assert_eq!((write(10), ends.get()), (0, true));
    sink.reset(RESET_SEEK);
    assert_eq!(sink.write(&ramp(10)).frames, 10);
    assert_eq!(control.report(), None);

    // One that says it took more than it was given.
    let liar = complete(
        r#"(module (func (export "st_hot_process") (param $ctx i32) (param $frames i32) (param $out i32) (param $flags i32)
            (result i32)
            (i32.store (local.get $out) (i32.add (local.get $frames) (f32.gt (f32.load (i32.const 1024)) (f32.const 1))))
            (i32.const 0)))"#,
    );
    let primed = prime(subject, &liar, spec(HotPathRole::OutputSink, &liar)).expect("it primes");
    let (mut sink, mut control) = HotSink::new(primed).expect("it is a sink");
    assert_eq!(sink.write(&ramp(64)).frames, 64);
    let written = sink.write(&[2.0; 128]);
    assert_eq!((written.frames, written.alive), (0, false));
    assert!(matches!(
        control.report(),
        Some(HotReport { fault: Some(HotFault::Frames { given: 64, answered: 65 }), .. })
    ));
    assert!(!sink.write(&ramp(64)).alive);
}
