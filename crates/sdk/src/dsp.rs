//! The DSP ability: what an author implements to change audio on its way to the device.

use crate::error::Result;
use crate::hot_path::CoreModuleSpec;
use crate::types::AudioSpec;

/// An effect for audio of one shape. Created, then configured; dropped when the host closes it.
///
/// # Example
/// ```
#[doc = include_str!("../examples/dsp.rs")]
///
/// let mut gain = Gain::create(AudioSpec { sample_rate: 48_000, channels: 2 })?;
/// gain.apply_config(JsonText::new(r#"{"gain":0.5}"#))?;
/// let mut block = [1.0, -0.5];
/// gain.process(&mut block)?;
/// assert_eq!(block, [0.5, -0.25]);
/// assert_eq!(gain.export_state()?.as_deref(), Some(r#"{"gain":0.5}"#));
/// # Ok::<(), stellatune_plugin_sdk::Error>(())
/// ```
pub trait Dsp: Sized + 'static {
    /// Makes the effect. Sample rate and channels are not zero.
    ///
    /// # Errors
    /// [`Error::Unsupported`](crate::Error::Unsupported) for a shape it cannot work with.
    fn create(spec: AudioSpec) -> Result<Self>;

    /// Changes a block of interleaved samples in place: whole frames of the shape it was made for.
    ///
    /// # Errors
    /// Any, and the host goes on with the block as it was.
    fn process(&mut self, interleaved: &mut [f32]) -> Result<()>;

    /// The core module that does the work instead of [`process`](Self::process). None by default.
    ///
    /// # Errors
    /// Any, and the host goes on without a hot path.
    fn describe_hot_path(&mut self, spec: AudioSpec) -> Result<Option<CoreModuleSpec>> {
        let _ = spec;
        Ok(None)
    }

    /// Bit set of the channel layouts it can work with; all by default. Hosts do not rely on it.
    fn supported_layouts(&mut self) -> u32 {
        u32::MAX
    }

    /// Channels it puts out, of `input` channels that it was made for. Hosts expect as many as go in.
    fn output_channels(&mut self, input: u16) -> u16 {
        input
    }

    crate::tail::methods!();
}
