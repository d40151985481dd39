//! What a stream is, told by its first bytes. Opens nothing.

use std::io::{self, Read};

use stellatune_plugin_sdk::{Error, Result};
use symphonia::core::io::{MediaSourceStream, ReadBytes, SeekBuffered};

/// A container this plugin reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Flac,
    Wav,
    Aiff,
    Caf,
    Ogg,
    Mp4,
    /// MPEG audio layer III, one frame after the other.
    Mp3,
    /// AAC, one frame after the other.
    Adts,
}

impl Kind {
    /// Looks at the next bytes and puts them back. What `likely` says is believed of a stream that begins with nothing
    /// known, as MP3 and ADTS may: their readers look for the first frame themselves.
    pub(crate) fn of(stream: &mut MediaSourceStream<'_>, likely: Option<Self>) -> Result<Self> {
        let start = stream.pos();
        let mut head = Vec::new();
        stream.take(12).read_to_end(&mut head)?;
        stream.seek_buffered(start);
        if head.len() < 4 {
            return Err(Error::io("the stream is empty, or cut off in its first four bytes"));
        }
        head.resize(12, 0);
        let form = &head[8..];
        let kind = match &head[..4] {
            b"fLaC" => Some(Self::Flac),
            b"RIFF" => Some(Self::Wav),
            b"FORM" if form == b"AIFF" || form == b"AIFC" => Some(Self::Aiff),
            b"caff" => Some(Self::Caf),
            b"OggS" => Some(Self::Ogg),
            _ if &head[4..8] == b"ftyp" => Some(Self::Mp4),
            // ISO/IEC 13818-7 annex 1.2: twelve bits of sync word, the version, and a layer that is always 0.
            [0xff, second, ..] if second & 0xf6 == 0xf0 => Some(Self::Adts),
            // ISO/IEC 11172-3 section 2.4.1.3: eleven bits of sync word, two of version, and 1 for layer III.
            [0xff, second, ..] if second & 0xe6 == 0xe2 => Some(Self::Mp3),
            _ => likely,
        };
        kind.ok_or_else(|| Error::unsupported("none of the formats this plugin decodes"))
    }

    /// What a file extension promises, of the kinds that need not begin with anything known.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "mp3" => Some(Self::Mp3),
            "aac" | "adts" => Some(Self::Adts),
            _ => None,
        }
    }

    /// Its name in the metadata.
    pub(crate) fn container(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Wav => "wav",
            Self::Aiff => "aiff",
            Self::Caf => "caf",
            Self::Ogg => "ogg",
            Self::Mp4 => "mp4",
            Self::Mp3 => "mp3",
            Self::Adts => "adts",
        }
    }
}

/// Fills a buffer from where the stream is, and puts the bytes back; false if it ends before.
pub(crate) fn peek(stream: &mut MediaSourceStream<'_>, buffer: &mut [u8]) -> Result<bool> {
    let start = stream.pos();
    let read = stream.read_exact(buffer);
    stream.seek_buffered(start);
    match read {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.into()),
    }
}
