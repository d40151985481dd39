//! The source ability: what an author implements to offer tracks from somewhere else.

use std::io::Read;

use crate::error::{Error, Result};
use crate::json::JsonText;
use crate::stream::HostStream;
use crate::types::{EncodedChunk, MediaMetadata};

/// Bytes taken from a reader at most, whatever the host asks for.
const BLOCK: u32 = 1 << 20;

/// A service, a server or a device with tracks. One lives in an instance, configured before it is first asked; it is
/// dropped when the host closes it, and streams it passed through live on.
///
/// # Example
/// ```
#[doc = include_str!("../examples/source.rs")]
///
/// # use stellatune_plugin_sdk::{OpenedHandle, mock};
/// // In tests, a script takes the place of the host.
/// let host = mock::Host::new().open(|_| Ok(mock::Stream::new(*b"sound").unseekable())).install();
/// let mut radio = Radio::create()?;
/// radio.apply_config(JsonText::new(r#"{"stations":[{"title":"One","url":"http://one.example"}]}"#))?;
/// let rows = radio.list_items(JsonText::new(r#"{"action":"search","keywords":""}"#))?;
/// assert_eq!(rows, r#"[{"kind":"track","title":"One","track":{"title":"One","url":"http://one.example"}}]"#);
/// let opened = radio.open_stream(JsonText::new(r#"{"title":"One","url":"http://one.example"}"#))?;
/// let OpenedHandle::Passthrough(mut stream) = opened.handle else { panic!("the host streams it") };
/// assert_eq!(stream.read_chunk(100)?, b"sound");
/// assert_eq!(host.events(), ["open http://one.example"]);
/// # Ok::<(), stellatune_plugin_sdk::Error>(())
/// ```
pub trait Source: Sized + 'static {
    /// Makes the source, before it is configured.
    ///
    /// # Errors
    /// Any, and the source is not used.
    fn create() -> Result<Self>;

    /// Answers a request of the user interface with a JSON array of rows (plugin contract 6). A request has an
    /// `action`: `search` with `keywords`, `list_playlists`, `playlist_tracks`. The object `track` of a row is what
    /// [`open_stream`](Self::open_stream) is given later. [`to_json`](crate::to_json) makes the text.
    ///
    /// # Errors
    /// Any; the user sees the text.
    fn list_items(&mut self, request: JsonText<'_>) -> Result<String>;

    /// Opens a track by the object `track` of its row.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a track that is gone, [`Error::InvalidArg`] for what is no track of this source.
    fn open_stream(&mut self, track: JsonText<'_>) -> Result<OpenedStream>;

    /// Opens a track by an address. `unsupported` by default.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an address of another kind.
    fn open_uri(&mut self, uri: &str) -> Result<OpenedStream> {
        let _ = uri;
        Err(Error::unsupported("this source opens no addresses"))
    }

    crate::tail::methods!();
}

/// A stream that the plugin itself produces. It cannot seek. Dropped when the host closes it.
pub trait SourceStream: 'static {
    /// Up to `max_bytes` bytes, at least one unless the end is reached: the host takes an empty chunk for the end.
    /// `max_bytes` is never 0 here.
    ///
    /// # Errors
    /// [`Error::Io`] if there is no more to be had.
    fn read(&mut self, max_bytes: u32) -> Result<EncodedChunk>;

    /// What is known of the track. Nothing by default.
    ///
    /// # Errors
    /// Any, and the host does without.
    fn metadata(&mut self) -> Result<MediaMetadata> {
        Ok(MediaMetadata::default())
    }
}

/// A track that a [`Source`] opened.
pub struct OpenedStream {
    /// Its bytes.
    pub handle: OpenedHandle,
    /// Extension in lower case without the dot, by which the host chooses a decoder.
    pub ext_hint: Option<String>,
    /// What is known of the track.
    pub metadata: Option<MediaMetadata>,
}

/// Who serves the bytes of a track.
pub enum OpenedHandle {
    /// The host, from a stream that the plugin opened: it outlives the plugin's instance, and seeks if it can. Nothing
    /// of the plugin runs while it is read, so it is the cheaper way.
    Passthrough(HostStream),
    /// The plugin.
    Processed(Box<dyn SourceStream>),
}

impl OpenedStream {
    /// Hands a stream of the host on as it is.
    pub fn passthrough(stream: HostStream) -> Self {
        Self { handle: OpenedHandle::Passthrough(stream), ext_hint: None, metadata: None }
    }

    /// Serves the bytes from the plugin.
    pub fn processed(stream: impl SourceStream) -> Self {
        Self { handle: OpenedHandle::Processed(Box::new(stream)), ext_hint: None, metadata: None }
    }

    /// Serves from the plugin what a reader gives.
    pub fn reader(reader: impl Read + 'static) -> Self {
        Self::processed(Reader(reader))
    }

    /// With the extension to choose a decoder by.
    #[must_use]
    pub fn with_ext_hint(self, ext: impl Into<String>) -> Self {
        Self { ext_hint: Some(ext.into()), ..self }
    }

    /// With what is known of the track.
    #[must_use]
    pub fn with_metadata(self, metadata: MediaMetadata) -> Self {
        Self { metadata: Some(metadata), ..self }
    }
}

impl std::fmt::Debug for OpenedStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let handle = match &self.handle {
            OpenedHandle::Passthrough(_) => "passthrough",
            OpenedHandle::Processed(_) => "processed",
        };
        f.debug_struct("OpenedStream")
            .field("handle", &handle)
            .field("ext_hint", &self.ext_hint)
            .finish_non_exhaustive()
    }
}

struct Reader<R>(R);

impl<R: Read + 'static> SourceStream for Reader<R> {
    fn read(&mut self, max_bytes: u32) -> Result<EncodedChunk> {
        let mut bytes = vec![0; max_bytes.min(BLOCK) as usize];
        let read = loop {
            match self.0.read(&mut bytes) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        bytes.truncate(read);
        Ok(EncodedChunk { eof: bytes.is_empty(), bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_is_served_to_its_end() {
        let opened = OpenedStream::reader(&b"abcde"[..]).with_ext_hint("raw");
        assert_eq!(opened.ext_hint.as_deref(), Some("raw"));
        let OpenedHandle::Processed(mut stream) = opened.handle else { panic!("passed through") };
        assert_eq!(stream.read(3).unwrap(), EncodedChunk::new(*b"abc"));
        assert_eq!(stream.read(u32::MAX).unwrap(), EncodedChunk::new(*b"de"));
        assert_eq!(stream.read(3).unwrap(), EncodedChunk::end());
        assert_eq!(stream.metadata().unwrap(), MediaMetadata::default());
    }
}
