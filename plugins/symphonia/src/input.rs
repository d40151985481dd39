//! From a host stream to Symphonia's reader and decoder: what format it is, and what it says of itself.

use std::io::{self, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::{DecoderInfo, Error, HostStream, MediaMetadata, Result};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadBytes, SeekBuffered};
use symphonia::default::codecs::{FlacDecoder, PcmDecoder};
use symphonia::default::formats::{FlacReader, WavReader};

use crate::frames::Frames;
use crate::{riff, tags};

/// MD5 of nothing: what FLAC's header holds if the stream has no frames, rather than an unknown number of them.
const EMPTY_MD5: [u8; 16] = *b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

/// An open stream, ready to be decoded.
pub(crate) struct Opened {
    /// Nothing if it says it is empty.
    pub(crate) frames: Option<Frames>,
    pub(crate) info: DecoderInfo,
    pub(crate) metadata: MediaMetadata,
}

/// Finds out what the stream is, by its first bytes alone, and opens it.
pub(crate) fn open(input: HostStream) -> Result<Opened> {
    let seekable = input.is_seekable();
    let byte_len = input.size();
    let source = Source { input, seekable, byte_len, failed: None };
    let mut stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let kind = Kind::of(&mut stream)?;
    if let (Kind::Flac, Some(info)) = (kind, empty_flac(&mut stream)?) {
        let info = DecoderInfo { duration_ms: Some(0), seekable, ..info };
        let metadata = MediaMetadata { duration_ms: Some(0), ..MediaMetadata::default() };
        return Ok(Opened { frames: None, info, metadata });
    }
    let riff_tags = match kind {
        Kind::Wav => riff::info(&mut stream, byte_len.filter(|_| seekable))?,
        Kind::Flac => Vec::new(),
    };

    let options = FormatOptions::default();
    let mut format: Box<dyn FormatReader> = match kind {
        Kind::Flac => Box::new(FlacReader::try_new(stream, options).map_err(error)?),
        Kind::Wav => Box::new(WavReader::try_new(stream, options).map_err(error)?),
    };
    let track = format.default_track(TrackType::Audio).ok_or_else(|| Error::io("the stream holds no audio"))?;
    let (track_id, total) = (track.id, track.num_frames);
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| Error::io("the stream does not say how it is encoded"))?.clone();
    let decoding = AudioDecoderOptions::default();
    let codec: Box<dyn AudioDecoder> = match kind {
        Kind::Flac => Box::new(FlacDecoder::try_new(&parameters, &decoding).map_err(error)?),
        Kind::Wav => Box::new(PcmDecoder::try_new(&parameters, &decoding).map_err(error)?),
    };

    let mut info = DecoderInfo { seekable, ..shape(&parameters)? };
    let milliseconds = |frames| u128::from(frames) * 1000 / u128::from(info.sample_rate);
    info.duration_ms = total.map(milliseconds).and_then(|duration| u64::try_from(duration).ok());
    let mut metadata = tags::metadata(format.metadata().skip_to_latest(), riff_tags);
    metadata.duration_ms = info.duration_ms;
    metadata.format = tags::encoding(kind.container(), &parameters, &info, byte_len);
    Ok(Opened { frames: Some(Frames::new(format, codec, track_id, total)), info, metadata })
}

/// The shape of a FLAC stream that says it has no frames, which Symphonia would take for cut off.
fn empty_flac(stream: &mut MediaSourceStream<'_>) -> Result<Option<DecoderInfo>> {
    let mut header = [0; 42];
    let read = stream.read_exact(&mut header);
    stream.seek_buffered(0);
    match read {
        Ok(()) => {}
        // Symphonia says in its own words what is missing.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    // RFC 9639 section 8.2: from byte 18 on 20 bits of rate, 3 of channels, 5 of width, 36 of total samples, the MD5.
    let (fields, md5) = header[18..].split_at(8);
    let fields = fields.iter().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
    let (rate, channels, total) = ((fields >> 44) as u32, (fields >> 41 & 7) as u16 + 1, fields & 0xf_ffff_ffff);
    Ok((rate > 0 && total == 0 && md5 == EMPTY_MD5).then(|| DecoderInfo::new(rate, channels)))
}

fn shape(parameters: &AudioCodecParameters) -> Result<DecoderInfo> {
    let sample_rate = parameters.sample_rate.filter(|&rate| rate > 0);
    let channels = parameters.channels.as_ref().and_then(|channels| u16::try_from(channels.count()).ok());
    let channels = channels.filter(|&count| count > 0);
    let (sample_rate, channels) =
        sample_rate.zip(channels).ok_or_else(|| Error::io("the stream states no sample rate or no channels"))?;
    Ok(DecoderInfo::new(sample_rate, channels))
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
