//! Hot-path modules: `fixtures/wat-hot/*.wat`, completed to what the ABI asks for.
//!
//! A text leaves out what is not its business. Regions lie at 1024 and 66560, for up to 8,192 frames of stereo floats.

use stellatune_plugin_core::{
    error::Result,
    hot::{HotSpec, Primed},
    limits::Limits,
    types::{AudioSpec, BufferLayout, CoreModuleSpec, HotPathRole, SampleFormat},
};

use super::{Subject, fixture};

/// The stream of all cases.
pub(crate) const STREAM: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// What a module has that does not bring its own. `$halve` multiplies by `$factor`.
const DEFAULTS: &[(&str, &str)] = &[
    ("memory", r#"(memory (export "memory") 3)"#),
    (
        "st_hot_init",
        r#"(func (export "st_hot_init") (param i32 i32) (result i32) (i32.store (local.get 1) (i32.const 7)) (i32.const 0))"#,
    ),
    (
        "st_hot_process",
        r#"(func (export "st_hot_process") (param i32 i32 i32 i32) (result i32) (call $halve (local.get 1) (local.get 2)))"#,
    ),
];

const HALVE: &str = r#"
  (global $factor (mut f32) (f32.const 0.5))
  (func $halve (param $frames i32) (param $out i32) (result i32)
    (local $at i32) (local $end i32)
    (i32.store (local.get $out) (local.get $frames))
    (local.set $at (i32.const 1024))
    (local.set $end (i32.add (local.get $at) (i32.mul (local.get $frames) (i32.const 8))))
    (loop $more
      (f32.store offset=65536 (local.get $at) (f32.mul (f32.load (local.get $at)) (global.get $factor)))
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br_if $more (i32.lt_u (local.get $at) (local.get $end))))
    (i32.const 0))
"#;

/// The module of a text.
pub(crate) fn complete(text: &str) -> Vec<u8> {
    let body = text.trim_end().strip_suffix(')').expect("a module ends");
    let mut whole = body.to_owned();
    for (name, definition) in DEFAULTS {
        if !body.contains(&format!("(export \"{name}\"")) {
            whole += definition;
        }
    }
    wat::parse_str(whole + HALVE + ")").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The module of a fixture.
pub(crate) fn module(name: &str) -> Vec<u8> {
    complete(&fixture::hot_text(name))
}

/// A description that fits the fixtures, naming the exports that `wasm` has.
pub(crate) fn spec(role: HotPathRole, wasm: &[u8]) -> CoreModuleSpec {
    // Names lie in a module as they are.
    let has = |name: &str| wasm.windows(name.len()).any(|bytes| bytes == name.as_bytes()).then(|| name.to_owned());
    CoreModuleSpec {
        role,
        wasm_rel_path: "wasm/hot.wasm".into(),
        abi_version: 1,
        memory_export: "memory".into(),
        init_export: "st_hot_init".into(),
        process_export: "st_hot_process".into(),
        reset_export: has("st_hot_reset"),
        drop_export: has("st_hot_drop"),
        buffer: BufferLayout {
            in_offset: 1024,
            out_offset: (role == HotPathRole::DspTransform).then_some(66_560),
            max_frames: 1024,
            channels: 2,
            sample_format: SampleFormat::F32le,
            interleaved: true,
        },
    }
}

/// Primes `wasm` as it is described by `spec`.
pub(crate) fn prime(subject: &Subject, wasm: &[u8], spec: CoreModuleSpec) -> Result<Primed> {
    Primed::new(&*subject.engine(), wasm, &HotSpec::new(spec, STREAM)?, &Limits::HOT)
}

/// A fixture as a DSP.
pub(crate) fn dsp(subject: &Subject, name: &str) -> Result<Primed> {
    let wasm = module(name);
    let spec = spec(HotPathRole::DspTransform, &wasm);
    prime(subject, &wasm, spec)
}
