//! The output sink ability: what an author implements to play audio on a device.

use crate::error::Result;
use crate::hot_path::CoreModuleSpec;
use crate::json::JsonText;
use crate::types::AudioSpec;

pub use crate::bindings::output_sink::exports::stellatune::plugin::output_sink::{NegotiatedSpec, RuntimeStatus};

/// A way to one device. Created, configured, then asked for its targets or opened on one; dropped when the host closes
/// it. Calls have little time: a write that waits for the device should rather take fewer frames.
///
/// # Example
/// ```
#[doc = include_str!("../examples/output_sink.rs")]
///
/// # use stellatune_plugin_sdk::mock;
/// // In tests, a script takes the place of the host and of the process.
/// let process = |_: &_| Ok(mock::Process::new(mock::Channel::saying(*b"")));
/// let host = mock::Host::new().launch(process).install();
/// let mut speaker = Speaker::create()?;
/// speaker.open(JsonText::new(r#"{"id":"default"}"#), AudioSpec { sample_rate: 48_000, channels: 2 })?;
/// assert_eq!(speaker.write(&[0.0; 20])?, 10);
/// assert!(speaker.status()?.running);
/// drop(speaker);
/// assert_eq!(host.events(), ["launch speaker", "open-control", "close channel", "drop process"]);
/// # Ok::<(), Error>(())
/// ```
pub trait OutputSink: Sized + 'static {
    /// Makes a sink that is not open yet.
    ///
    /// # Errors
    /// Any, and it is not used.
    fn create() -> Result<Self>;

    /// The devices there are, as a JSON array of objects with `id` and `name`. The user chooses one, and the same object
    /// comes back as the target of [`negotiate`](Self::negotiate) and [`open`](Self::open).
    ///
    /// # Errors
    /// Any; the user sees the text.
    fn list_targets(&mut self) -> Result<String>;

    /// What a target can take that is nearest to what the host would like. Takes everything by default.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for a target that is gone.
    fn negotiate(&mut self, target: JsonText<'_>, desired: AudioSpec) -> Result<NegotiatedSpec> {
        let _ = target;
        Ok(NegotiatedSpec::new(desired))
    }

    /// The core module that takes the audio instead of [`write`](Self::write). None by default.
    ///
    /// # Errors
    /// Any, and the host goes on without a hot path.
    fn describe_hot_path(&mut self, spec: AudioSpec) -> Result<Option<CoreModuleSpec>> {
        let _ = spec;
        Ok(None)
    }

    /// Opens a target for audio of this shape. Opening again replaces what was open.
    ///
    /// # Errors
    /// [`Error::NotFound`](crate::Error::NotFound) for a target that is gone.
    fn open(&mut self, target: JsonText<'_>, spec: AudioSpec) -> Result<()>;

    /// Takes interleaved samples of the shape that was opened, and answers with the frames it took, which may be fewer
    /// than given. Only called while open, and with whole frames.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the device is gone.
    fn write(&mut self, interleaved: &[f32]) -> Result<u32>;

    /// How playing goes.
    ///
    /// # Errors
    /// Any, and the host does without.
    fn status(&mut self) -> Result<RuntimeStatus>;

    /// Waits until what was taken has been heard. Nothing to wait for by default.
    ///
    /// # Errors
    /// [`Error::Timeout`](crate::Error::Timeout) if the device does not get on.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    /// Forgets what was taken and not yet heard. Nothing by default.
    ///
    /// # Errors
    /// Any; the host logs it.
    fn reset(&mut self) -> Result<()> {
        Ok(())
    }

    crate::tail::methods!();
}

impl NegotiatedSpec {
    /// This shape, without any preference.
    pub fn new(spec: AudioSpec) -> Self {
        Self { spec, preferred_chunk_frames: 0, prefer_track_rate: false }
    }
}
