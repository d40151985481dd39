//! How a sink or an effect tells the host of a core module that works on the audio thread. The module is written with
//! the crate `stellatune-plugin-hot`; `docs/hot-path-core-abi.md` says what it exports.

use stellatune_plugin_hot::{HotDsp, HotSink, Layout};

use crate::types::AudioSpec;

pub use crate::bindings::host::stellatune::plugin::hot_path::{BufferLayout, CoreModuleSpec, Role, SampleFormat};

/// Version of the core module's interface.
pub(crate) const ABI_VERSION: u32 = 1;

impl CoreModuleSpec {
    /// The module of a DSP that is written with `stellatune-plugin-hot`, at a path below the package. None for a stream of
    /// more channels than it has.
    ///
    /// ```
    /// use stellatune_plugin_hot::{Flags, HotDsp, Refusal, Reset, Stream};
    /// use stellatune_plugin_sdk::{AudioSpec, CoreModuleSpec};
    ///
    /// struct Silence;
    ///
    /// impl HotDsp for Silence {
    ///     const MAX_CHANNELS: u16 = 2;
    ///
    ///     fn create(_: Stream) -> Result<Self, Refusal> {
    ///         Ok(Self)
    ///     }
    ///
    ///     fn process(&mut self, interleaved: &mut [f32]) -> Result<Flags, Refusal> {
    ///         interleaved.fill(0.0);
    ///         Ok(Flags::NONE)
    ///     }
    ///
    ///     fn reset(&mut self, _: Reset) {}
    /// }
    ///
    /// let spec = |channels| {
    ///     CoreModuleSpec::dsp::<Silence>("wasm/silence_hot.wasm", AudioSpec { sample_rate: 48_000, channels })
    /// };
    /// assert_eq!(spec(2).unwrap().buffer.channels, 2);
    /// assert_eq!(spec(6), None);
    /// ```
    pub fn dsp<T: HotDsp>(wasm_rel_path: impl Into<String>, spec: AudioSpec) -> Option<Self> {
        let layout = Layout::dsp::<T>();
        let buffer = BufferLayout { out_offset: Some(layout.offset), ..BufferLayout::of(layout, spec)? };
        Some(Self::new(Role::DspTransform, wasm_rel_path, buffer).with_reset().with_drop())
    }

    /// As [`dsp`](Self::dsp), of an output sink.
    pub fn sink<T: HotSink>(wasm_rel_path: impl Into<String>, spec: AudioSpec) -> Option<Self> {
        let buffer = BufferLayout::of(Layout::sink::<T>(), spec)?;
        Some(Self::new(Role::OutputSink, wasm_rel_path, buffer).with_reset().with_drop())
    }

    /// A module at a path below the package, with the usual export names: `memory`, `st_hot_init`, `st_hot_process`, and
    /// neither reset nor drop.
    ///
    /// ```
    /// use stellatune_plugin_sdk::{BufferLayout, CoreModuleSpec, Role};
    ///
    /// let layout = BufferLayout { out_offset: Some(131_072), ..BufferLayout::f32(65_536, 1024, 2) };
    /// let spec = CoreModuleSpec::new(Role::DspTransform, "wasm/gain_hot.wasm", layout).with_reset();
    /// assert_eq!(spec.process_export, "st_hot_process");
    /// assert_eq!(spec.reset_export.as_deref(), Some("st_hot_reset"));
    /// ```
    pub fn new(role: Role, wasm_rel_path: impl Into<String>, buffer: BufferLayout) -> Self {
        Self {
            role,
            wasm_rel_path: wasm_rel_path.into(),
            abi_version: ABI_VERSION,
            memory_export: "memory".to_owned(),
            init_export: "st_hot_init".to_owned(),
            process_export: "st_hot_process".to_owned(),
            reset_export: None,
            drop_export: None,
            buffer,
        }
    }

    /// With the export `st_hot_reset`.
    #[must_use]
    pub fn with_reset(self) -> Self {
        Self { reset_export: Some("st_hot_reset".to_owned()), ..self }
    }

    /// With the export `st_hot_drop`.
    #[must_use]
    pub fn with_drop(self) -> Self {
        Self { drop_export: Some("st_hot_drop".to_owned()), ..self }
    }
}

impl BufferLayout {
    fn of(layout: Layout, spec: AudioSpec) -> Option<Self> {
        let fits = (1..=layout.max_channels).contains(&spec.channels);
        fits.then(|| Self::f32(layout.offset, layout.max_frames, spec.channels))
    }

    /// Interleaved 32-bit floats, at `in_offset` bytes into the module's memory. A transform needs an out region too,
    /// which may be the same.
    pub fn f32(in_offset: u32, max_frames: u32, channels: u16) -> Self {
        Self {
            in_offset,
            out_offset: None,
            max_frames,
            channels,
            sample_format: SampleFormat::F32le,
            interleaved: true,
        }
    }
}
