//! The same DSPs as a dynamic library, as hot-path modules and as components.

use std::{env, ffi::c_void, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use libloading::Library;
use stellatune_plugins::{
    Limits,
    hot::{HotParameters, HotProcessor, HotSpec, Primed},
    types::{AudioSpec, BufferLayout, CoreModuleSpec, HotPathRole, SampleFormat},
};
use tempfile::TempDir;

use super::component::{Component, Loaded};

/// The stream of all measurements.
pub(crate) const STREAM: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// Frames of the largest block.
pub(crate) const MAX_FRAMES: u32 = 4_096;

/// Where the modules that are texts have their regions.
pub(crate) const INPUT: u32 = 1024;
pub(crate) const OUTPUT: u32 = 66_560;

/// A DSP that exists in every form.
#[derive(Clone, Copy)]
pub(crate) struct Dsp {
    pub(crate) name: &'static str,
    /// The library's source, and its function.
    library: &'static str,
    symbol: &'static str,
    module: &'static str,
    pub(crate) component: &'static str,
    /// What the component is configured with.
    pub(crate) config: Option<&'static str>,
}

/// Little but memory traffic.
pub(crate) const GAIN: Dsp = Dsp {
    name: "gain",
    library: "hot.rs",
    symbol: "gain",
    module: "fixtures/wat-hot/gain-simd.wat",
    component: "fixtures/prebuilt/biquad-dsp.wasm",
    config: Some("\"gain\""),
};

/// A gain, and a filter whose next sample waits for the one before.
pub(crate) const BIQUAD: Dsp = Dsp {
    name: "gain-biquad",
    library: "hot.rs",
    symbol: "gain_biquad",
    module: "fixtures/wat-hot/biquad.wat",
    component: "fixtures/prebuilt/biquad-dsp.wasm",
    config: None,
};

/// Our equaliser with all of its bands, in 64-bit floats.
pub(crate) const EQUALIZER: Dsp = Dsp {
    name: "equalizer",
    library: "equalizer.rs",
    symbol: "equalizer",
    module: "plugins/prebuilt/equalizer/wasm/equalizer_hot.wasm",
    component: "plugins/prebuilt/equalizer/wasm/equalizer.wasm",
    config: Some(
        r#"{"preamp_db":-6,"bands":[
        {"shape":"low_shelf","frequency":60,"gain_db":4},
        {"shape":"peak","frequency":125,"gain_db":-2,"q":1.4},
        {"shape":"peak","frequency":250,"gain_db":1.5,"q":1.4},
        {"shape":"peak","frequency":500,"gain_db":-3,"q":1.4},
        {"shape":"peak","frequency":1000,"gain_db":2,"q":1.4},
        {"shape":"peak","frequency":2000,"gain_db":-1,"q":1.4},
        {"shape":"peak","frequency":4000,"gain_db":3,"q":1.4},
        {"shape":"peak","frequency":8000,"gain_db":-2.5,"q":1.4},
        {"shape":"peak","frequency":12000,"gain_db":1,"q":1.4},
        {"shape":"high_shelf","frequency":16000,"gain_db":2}]}"#,
    ),
};

impl Dsp {
    /// Whether its module needs neither `init` nor parameters, so that it can be called by hand.
    pub(crate) fn is_bare(self) -> bool {
        self.module.ends_with(".wat")
    }

    /// The module as its package has it.
    pub(crate) fn wasm(self) -> Result<Vec<u8>> {
        Ok(wat::parse_file(super::root().join(self.module))?)
    }

    /// The module, on an engine.
    pub(crate) fn primed(self, engine: &str) -> Result<Primed> {
        let spec = if self.is_bare() {
            HotSpec::new(self.description(), STREAM)?
        } else {
            let mut component = Loaded::new(engine, self)?.component()?;
            let parameters = HotParameters::of_state(&component.state()?.context("it has no state")?)?;
            HotSpec::new(component.described()?.context("it has no module")?, STREAM)?.with_parameters(parameters)
        };
        let engine = stellatune_plugins::engine(Some(engine))?;
        Ok(Primed::new(&*engine, &self.wasm()?, &spec, &Limits::HOT)?)
    }

    /// The module as a player has it.
    pub(crate) fn processor(self, engine: &str) -> Result<HotProcessor> {
        let (processor, _) = HotProcessor::new(self.primed(engine)?)?;
        processor.prepare_thread();
        Ok(processor)
    }

    /// What its component makes of its configuration for the module, which the library gets too.
    fn numbers(self) -> Result<Vec<f64>> {
        if self.is_bare() {
            return Ok(Vec::new());
        }
        let engine = stellatune_plugins::engines().first().context("no engine is compiled in")?;
        let mut component: Component = Loaded::new(engine, self)?.component()?;
        let state: serde_json::Value = serde_json::from_str(&component.state()?.context("it has no state")?)?;
        Ok(serde_json::from_value(state["hot_path"].clone())?)
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

type Make = unsafe extern "C" fn(u32, u16, *const f64, usize) -> *mut c_void;
type Process = unsafe extern "C" fn(*mut c_void, *const f32, *mut f32, u32);
type End = unsafe extern "C" fn(*mut c_void);

/// A DSP of a dynamic library, which is built for it.
pub(crate) struct Cdylib {
    process: Process,
    end: End,
    state: *mut c_void,
    /// What the functions point into, and where it lies.
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
            .arg(super::root().join("benches/native").join(dsp.library))
            .status()
            .with_context(|| format!("{} does not start", rustc.display()))?;
        ensure!(built.success(), "the native library does not build");
        let numbers = dsp.numbers()?;
        // SAFETY: it was built just now, and has no initialisers.
        let library = unsafe { Library::new(&path)? };
        // SAFETY: the functions have these types.
        let (make, process, end) = unsafe {
            (*library.get::<Make>("make")?, *library.get::<Process>(dsp.symbol)?, *library.get::<End>("end")?)
        };
        // SAFETY: there are so many numbers.
        let state = unsafe { make(STREAM.sample_rate, STREAM.channels, numbers.as_ptr(), numbers.len()) };
        ensure!(!state.is_null(), "the native library refuses its numbers");
        Ok(Self { process, end, state, _library: library, _dir: dir })
    }

    pub(crate) fn process(&mut self, input: &[f32], output: &mut [f32]) {
        assert_eq!(input.len(), output.len());
        let frames = (input.len() / 2) as u32;
        // SAFETY: both are that long, and the state was made by the library.
        unsafe { (self.process)(self.state, input.as_ptr(), output.as_mut_ptr(), frames) }
    }
}

impl Drop for Cdylib {
    fn drop(&mut self) {
        // SAFETY: the library made it, and nobody uses it any more.
        unsafe { (self.end)(self.state) }
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
