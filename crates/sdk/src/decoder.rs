//! The decoder ability: what an author implements.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::stream::HostStream;
use crate::types::{DecoderInfo, MediaMetadata, PcmChunk};

/// A stream being decoded. Several live side by side in one instance. Dropped when the host closes the session.
///
/// Rules every decoder keeps (plugin contract 6):
/// - Samples come untrimmed; [`DecoderInfo`] says what the host is to trim.
/// - A chunk without samples is the end if its `eof` is set, and an error if it is not. The last samples may carry
///   `eof` or not, as is easier.
/// - An error from [`read_pcm`](Self::read_pcm) or [`seek`](Self::seek) does not end the session.
///
/// The front page of this crate has an example.
pub trait Decoder: Sized + 'static {
    /// Begins with a stream. `ext_hint` is the extension in lower case without the dot, if the host knows one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if another decoder should try; [`Error::Io`] if the stream is damaged.
    fn open(input: HostStream, ext_hint: Option<&str>) -> Result<Self>;

    /// The shape of the samples. Sample rate and channels are not zero.
    ///
    /// # Errors
    /// Any, and the host gives the session up.
    fn info(&mut self) -> Result<DecoderInfo>;

    /// Decodes up to `max_frames` frames, at least one unless the end is reached. `max_frames` is never 0 here.
    ///
    /// # Errors
    /// [`Error::Io`] if the stream fails or is damaged.
    fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk>;

    /// Tags and format. Nothing by default.
    ///
    /// # Errors
    /// Any, and the host does without.
    fn metadata(&mut self) -> Result<MediaMetadata> {
        Ok(MediaMetadata::default())
    }

    /// Moves to a time, or a little before it. `unsupported` by default.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the stream cannot seek, [`Error::InvalidArg`] for a time behind the end.
    fn seek(&mut self, position: Duration) -> Result<()> {
        let _ = position;
        Err(Error::unsupported("this decoder does not seek"))
    }

    crate::tail::methods!();
}
