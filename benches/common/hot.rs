//! The same DSPs as a dynamic library and as hot-path modules.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use libloading::Library;
use stellatune_plugins::{
    Limits,
    hot::{HotProcessor, HotSpec, Primed},
    types::{AudioSpec, BufferLayout, CoreModuleSpec, HotPathRole, SampleFormat},
};
use tempfile::TempDir;

/// The stream of all measurements.
pub(crate) const STREAM: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// Frames of the largest block.
pub(crate) const MAX_FRAMES: u32 = 4_096;

/// Where the modules have their regions.
pub(crate) const INPUT: u32 = 1024;
pub(crate) const OUTPUT: u32 = 66_560;

/// A DSP that exists in both forms: the library's symbol, and the module's file.
#[derive(Clone, Copy)]
pub(crate) struct Dsp {
    pub(crate) name: &'static str,
    symbol: &'static str,
    module: &'static str,
}

/// Little but memory traffic.
pub(crate) const GAIN: Dsp = Dsp { name: "gain", symbol: "gain", module: "gain-simd.wat" };

/// A gain, and a filter whose next sample waits for the one before.
pub(crate) const BIQUAD: Dsp = Dsp { name: "gain-biquad", symbol: "gain_biquad", module: "biquad.wat" };

impl Dsp {
    /// The module as its package has it.
    pub(crate) fn wasm(self) -> Result<Vec<u8>> {
        Ok(wat::parse_file(super::root().join("fixtures/wat-hot").join(self.module))?)
    }

    /// The module, on an engine.
    pub(crate) fn primed(self, engine: &str) -> Result<Primed> {
        let engine = stellatune_plugins::engine(Some(engine))?;
        Ok(Primed::new(&*engine, &self.wasm()?, &HotSpec::new(self.description(), STREAM)?, &Limits::HOT)?)
    }

    /// The module as a player has it.
    pub(crate) fn processor(self, engine: &str) -> Result<HotProcessor> {
        let (processor, _) = HotProcessor::new(self.primed(engine)?)?;
        processor.prepare_thread();
        Ok(processor)
    }

    fn description(self) -> CoreModuleSpec {
        CoreModuleSpec {
            role: HotPathRole::DspTransform,
            wasm_rel_path: "wasm/hot.wasm".into(),
            abi_version: 1,
            memory_export: "memory".into(),
            init_export: "st_hot_init".into(),
            process_export: "st_hot_process".into(),
            reset_export: (self.symbol == BIQUAD.symbol).then(|| "st_hot_reset".into()),
            drop_export: None,
            buffer: BufferLayout {
                in_offset: INPUT,
                out_offset: Some(OUTPUT),
                max_frames: MAX_FRAMES,
                channels: STREAM.channels,
                sample_format: SampleFormat::F32le,
                interleaved: true,
            },
        }
    }
}

type Process = unsafe extern "C" fn(*mut State, *const f32, *mut f32, u32);

/// As large and aligned as what the library remembers.
#[repr(C, align(16))]
struct State([f32; 8]);

/// A DSP of the dynamic library, which is built for it.
pub(crate) struct Cdylib {
    process: Process,
    state: State,
    /// What `process` points into, and where it lies.
    _library: Library,
    _dir: TempDir,
}

impl Cdylib {
    pub(crate) fn new(dsp: Dsp) -> Result<Self> {
        let dir = TempDir::new()?;
        let path = dir.path().join(libloading::library_filename("hot"));
        let rustc = env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
        let built = Command::new(&rustc)
            .args(["--edition=2024", "--crate-type=cdylib", "-Copt-level=3", "-o"])
            .arg(&path)
            .arg(super::root().join("benches/native/hot.rs"))
            .status()
            .with_context(|| format!("{} does not start", rustc.display()))?;
        ensure!(built.success(), "the native library does not build");
        // SAFETY: it was built just now, and has no initialisers.
        let library = unsafe { Library::new(&path)? };
        // SAFETY: the functions have this type.
        let process = unsafe { *library.get::<Process>(dsp.symbol)? };
        Ok(Self { process, state: State([0.0; 8]), _library: library, _dir: dir })
    }

    pub(crate) fn process(&mut self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len());
        let frames = (input.len() / 2) as u32;
        // SAFETY: both are that long, and the state is as the library declares it.
        unsafe { (self.process)(&raw mut self.state, input.as_ptr(), output.as_mut_ptr(), frames) }
    }
}

/// A block of music-like noise.
pub(crate) fn block(frames: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut noise = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..frames * 2).map(|_| noise()).collect()
}
