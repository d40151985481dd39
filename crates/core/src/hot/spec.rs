//! What a plugin says about its hot-path module, checked as far as it can be without the module.

use std::fmt;

use super::HotParameters;
use crate::{
    engine::HotExports,
    error::{Error, ErrorKind, Result},
    manifest::PackagePath,
    types::{AudioSpec, CoreModuleSpec, HotPathRole, SampleFormat},
};

/// The version of the ABI this host speaks.
pub(super) const ABI_VERSION: u32 = 1;

/// Frames of one block at most: more than a second at any rate gains nothing.
const MAX_FRAMES: u32 = 65_536;

/// Channels at most, as many as any layout of speakers has.
const MAX_CHANNELS: u16 = 64;

/// A description of a hot-path module that keeps the rules of ABI version 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotSpec {
    pub(super) role: HotPathRole,
    pub(super) path: PackagePath,
    pub(super) exports: HotExports,
    pub(super) sample_rate: u32,
    pub(super) layout: Layout,
    pub(super) parameters: Option<HotParameters>,
}

/// Where a module's blocks lie and what they are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) input: u32,
    /// `None` for a sink.
    pub(super) output: Option<u32>,
    pub(super) max_frames: u32,
    pub(super) channels: u16,
    pub(super) format: SampleFormat,
}

impl Layout {
    /// Bytes of one region.
    pub(super) fn bytes(&self) -> usize {
        self.max_samples() * size(self.format)
    }

    /// Samples of one block at most, all channels together.
    pub(super) fn max_samples(&self) -> usize {
        self.max_frames as usize * usize::from(self.channels)
    }
}

/// Bytes of a sample.
pub(super) fn size(format: SampleFormat) -> usize {
    match format {
        SampleFormat::F32le | SampleFormat::I32le => 4,
        SampleFormat::I16le => 2,
    }
}

impl HotSpec {
    /// Checks what `describe-hot-path` answered, for audio of `stream`.
    ///
    /// # Errors
    /// `unsupported` for another version of the ABI or planar audio, the rules of paths for `wasm-rel-path`, else
    /// `incompatible`. In each case the plugin is used through component calls instead.
    pub fn new(spec: CoreModuleSpec, stream: AudioSpec) -> Result<Self> {
        let CoreModuleSpec { role, wasm_rel_path, abi_version, buffer, .. } = spec;
        if abi_version != ABI_VERSION {
            return Err(unsupported(format!("its ABI has version {abi_version}; this host speaks {ABI_VERSION}")));
        }
        if !buffer.interleaved {
            return Err(unsupported("its audio is planar; version 1 of the ABI has interleaved audio only"));
        }
        let path = PackagePath::try_from(wasm_rel_path)?;
        if path.as_str().rsplit_once('.').is_none_or(|(_, ext)| ext != "wasm") {
            return Err(refused(format!("{path} does not end in .wasm")));
        }
        let names = [&spec.memory_export, &spec.init_export, &spec.process_export];
        let optional = [&spec.reset_export, &spec.drop_export];
        if names.into_iter().chain(optional.into_iter().flatten()).any(|name| name.trim().is_empty()) {
            return Err(refused("the name of an export is blank"));
        }
        if buffer.max_frames == 0 || buffer.max_frames > MAX_FRAMES {
            return Err(refused(format!("max-frames is {}, not 1 to {MAX_FRAMES}", buffer.max_frames)));
        }
        if buffer.channels != stream.channels || stream.channels == 0 || stream.channels > MAX_CHANNELS {
            let text = format!("it takes {} channels; the stream has {}", buffer.channels, stream.channels);
            return Err(refused(text));
        }
        if stream.sample_rate == 0 {
            return Err(refused("the stream has a sample rate of 0"));
        }
        let layout = Layout {
            input: buffer.in_offset,
            output: buffer.out_offset.filter(|_| role == HotPathRole::DspTransform),
            max_frames: buffer.max_frames,
            channels: buffer.channels,
            format: buffer.sample_format,
        };
        check_regions(role, &layout)?;
        let exports = HotExports {
            memory: spec.memory_export,
            init: spec.init_export,
            process: spec.process_export,
            reset: spec.reset_export,
            drop: spec.drop_export,
        };
        Ok(Self { role, path, exports, sample_rate: stream.sample_rate, layout, parameters: None })
    }

    /// With what the module is configured with before its first block.
    #[must_use]
    pub fn with_parameters(self, parameters: Option<HotParameters>) -> Self {
        Self { parameters, ..self }
    }

    /// Where the module lies in its package.
    pub fn path(&self) -> &PackagePath {
        &self.path
    }

    /// What the module is for.
    pub fn role(&self) -> HotPathRole {
        self.role
    }

    /// Frames of a block at most.
    pub fn max_frames(&self) -> u32 {
        self.layout.max_frames
    }

    /// Channels of its audio.
    pub fn channels(&self) -> u16 {
        self.layout.channels
    }
}

/// X01 to X04, but for the size of the memory, which only the module has.
fn check_regions(role: HotPathRole, layout: &Layout) -> Result<()> {
    let size = size(layout.format) as u32;
    let end = |offset: u32| u64::from(offset) + layout.bytes() as u64;
    for (name, offset) in [("in-offset", Some(layout.input)), ("out-offset", layout.output)] {
        let Some(offset) = offset else { continue };
        if offset == 0 {
            return Err(refused(format!("{name} is 0, where a guest keeps nothing")));
        }
        if offset % size != 0 {
            return Err(refused(format!("{name} {offset} is not a multiple of a sample's {size} bytes")));
        }
        if end(offset) > u64::from(u32::MAX) {
            return Err(refused(format!("{name} {offset} and its {} bytes leave the address space", layout.bytes())));
        }
    }
    match (role, layout.output) {
        (HotPathRole::DspTransform, None) => Err(refused("a DSP needs an out-offset")),
        (_, Some(output)) => {
            let (input, output) = (u64::from(layout.input), u64::from(output));
            let bytes = layout.bytes() as u64;
            if input != output && input < output + bytes && output < input + bytes {
                return Err(refused(format!("its regions at {input} and {output} overlap without being the same")));
            }
            Ok(())
        }
        (HotPathRole::OutputSink, None) => Ok(()),
    }
}

/// A module or description that breaks a rule of the ABI.
pub(super) fn refused(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Incompatible, format!("the hot-path module cannot be used: {why}"))
        .help("docs/hot-path-core-abi.md has the rules; until then the plugin runs through component calls")
}

fn unsupported(why: impl fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("the hot-path module cannot be used: {why}"))
        .help("the plugin runs through component calls")
}
