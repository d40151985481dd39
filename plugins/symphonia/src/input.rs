//! From a host stream to Symphonia's reader and decoder: what format it is, and what it says of itself.

use std::io::{self, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::{DecoderInfo, Error, HostStream, MediaMetadata, Result};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadBytes, SeekBuffered};
use symphonia::default::codecs::{FlacDecoder, PcmDecoder};
use symphonia::default::formats::{FlacReader, WavReader};

use crate::{riff, tags};

/// An open stream, ready to be decoded.
pub(crate) struct Opened {
    pub(crate) format: Box<dyn FormatReader>,
    pub(crate) codec: Box<dyn AudioDecoder>,
    pub(crate) track_id: u32,
    pub(crate) info: DecoderInfo,
    pub(crate) metadata: MediaMetadata,
    pub(crate) total_frames: Option<u64>,
}

/// Finds out what the stream is, by its first bytes alone, and opens it.
pub(crate) fn open(mut input: HostStream) -> Result<Opened> {
    let seekable = input.is_seekable();
    let byte_len = input.size();
    // Symphonia's reader drops the INFO list, so it is read here, which takes seeking.
    let riff_tags = if seekable { riff::info(&mut input)? } else { Vec::new() };
    if seekable {
        input.seek_to(0)?;
    }
    let source = Source { input, seekable, byte_len, failed: None };
    let mut stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let kind = Kind::of(&mut stream)?;
    let options = FormatOptions::default();
    let mut format: Box<dyn FormatReader> = match kind {
        Kind::Flac => Box::new(FlacReader::try_new(stream, options).map_err(error)?),
        Kind::Wav => Box::new(WavReader::try_new(stream, options).map_err(error)?),
    };

    let track = format.default_track(TrackType::Audio).ok_or_else(|| Error::io("the stream holds no audio"))?;
    let (track_id, total_frames) = (track.id, track.num_frames);
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| Error::io("the stream does not say how it is encoded"))?.clone();
    let decoding = AudioDecoderOptions::default();
    let codec: Box<dyn AudioDecoder> = match kind {
        Kind::Flac => Box::new(FlacDecoder::try_new(&parameters, &decoding).map_err(error)?),
        Kind::Wav => Box::new(PcmDecoder::try_new(&parameters, &decoding).map_err(error)?),
    };

    let sample_rate = parameters.sample_rate.filter(|&rate| rate > 0);
    let sample_rate = sample_rate.ok_or_else(|| Error::io("the stream states no sample rate"))?;
    let channels = parameters.channels.as_ref().and_then(|channels| u16::try_from(channels.count()).ok());
    let channels = channels.filter(|&count| count > 0).ok_or_else(|| Error::io("the stream states no channels"))?;
    let duration_ms =
        total_frames.and_then(|frames| u64::try_from(u128::from(frames) * 1000 / u128::from(sample_rate)).ok());
    let mut info = DecoderInfo::new(sample_rate, channels);
    info.duration_ms = duration_ms;
    info.seekable = seekable;

    let mut metadata = tags::metadata(format.metadata().skip_to_latest(), riff_tags);
    metadata.duration_ms = duration_ms;
    metadata.format = tags::encoding(kind.container(), &parameters, &info, byte_len);
    Ok(Opened { format, codec, track_id, info, metadata, total_frames })
}

/// What Symphonia answers, in the words of the contract.
pub(crate) fn error(error: SymphoniaError) -> Error {
    match error {
        SymphoniaError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Error::io("the stream is cut off")
        }
        SymphoniaError::IoError(error) => error.into(),
        SymphoniaError::Unsupported(what) => Error::unsupported(what),
        SymphoniaError::SeekError(why) => Error::invalid_arg(format!("{}", SymphoniaError::SeekError(why))),
        other => Error::io(format!("the stream is damaged: {other}")),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Flac,
    Wav,
}

impl Kind {
    /// Looks at the first bytes and puts them back.
    fn of(stream: &mut MediaSourceStream<'_>) -> Result<Self> {
        let kind = match stream.read_quad_bytes() {
            Ok(magic) if &magic == b"fLaC" => Self::Flac,
            Ok(magic) if &magic == b"RIFF" => Self::Wav,
            Ok(_) => return Err(Error::unsupported("neither FLAC nor WAV")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Error::io("the stream is empty, or cut off in its first four bytes"));
            }
            Err(error) => return Err(error.into()),
        };
        stream.seek_buffered(0);
        Ok(kind)
    }

    fn container(self) -> &'static str {
        match self {
            Self::Flac => "flac",
            Self::Wav => "wav",
        }
    }
}

/// The host's stream as Symphonia wants it.
struct Source {
    input: HostStream,
    seekable: bool,
    byte_len: Option<u64>,
    /// Symphonia takes some failed reads for the end of a frame, so a failure stays until the next seek.
    failed: Option<Error>,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(error) = &self.failed {
            return Err(error.clone().into());
        }
        self.input.read(buffer).inspect_err(|error| {
            self.failed = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
        })
    }
}

impl Seek for Source {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.failed = None;
        self.input.seek(to)
    }
}

impl MediaSource for Source {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.byte_len
    }
}
