//! From a host stream to Symphonia's reader and decoder: what format it is, and what it says of itself.

use std::io::{self, Seek, SeekFrom};

use stellatune_plugin_sdk::{DecoderInfo, Error, HostStream, MediaMetadata, Result};
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, ReadBytes};
use symphonia::core::meta::MetadataRevision;
use symphonia::default::formats::{
    AdtsReader, AiffReader, CafReader, FlacReader, IsoMp4Reader, MpaReader, OggReader, WavReader,
};
use symphonia::default::get_codecs;

use crate::frames::{Frames, Habits};
use crate::kind::{Kind, peek};
use crate::mp4::{self, Gaps};
use crate::opus::Opus;
use crate::timeline::Timeline;
use crate::{headers, id3, riff, source, tags};

/// MD5 of nothing: what FLAC's header holds if the stream has no frames, rather than an unknown number of them.
const EMPTY_MD5: [u8; 16] = *b"\xd4\x1d\x8c\xd9\x8f\x00\xb2\x04\xe9\x80\x09\x98\xec\xf8\x42\x7e";

/// An open stream, ready to be decoded.
pub(crate) struct Opened {
    /// Nothing if it says it is empty.
    pub(crate) frames: Option<Frames>,
    pub(crate) info: DecoderInfo,
    pub(crate) metadata: MediaMetadata,
}

/// Finds out what the stream is, by its first bytes before the extension, and opens it.
pub(crate) fn open(input: HostStream, extension: Option<&str>) -> Result<Opened> {
    let seekable = input.is_seekable();
    let byte_len = input.size();
    let (mut stream, mut revisions) = id3::leading(source::host(input, seekable, byte_len))?;
    let likely = extension.and_then(Kind::of_extension).or((!revisions.is_empty()).then_some(Kind::Mp3));
    let kind = Kind::of(&mut stream, likely)?;
    if let (Kind::Flac, Some(info)) = (kind, empty_flac(&mut stream)?) {
        let info = DecoderInfo { duration_ms: Some(0), seekable, ..info };
        let metadata = MediaMetadata { duration_ms: Some(0), ..MediaMetadata::default() };
        return Ok(Opened { frames: None, info, metadata });
    }

    let around = around(kind, &mut stream, byte_len.filter(|_| seekable))?;
    let mut format = reader(kind, stream, around.audio_end)?;
    revisions.extend(all_metadata(&mut *format));
    revisions.extend(around.revisions);
    let track = format.default_track(TrackType::Audio).ok_or_else(|| Error::io("the stream holds no audio"))?;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| Error::unsupported("the stream is encoded in no way known here"))?;
    let codec = decoder(kind, parameters).map_err(error)?;
    let parameters = codec.codec_params();
    let timeline = Timeline::new(kind, track, parameters, around.gaps, &revisions);

    let mut info = DecoderInfo { seekable, ..shape(parameters)? };
    let milliseconds = |frames| u128::from(frames) * 1000 / u128::from(info.sample_rate);
    let frames = timeline.total.or(around.frames);
    info.duration_ms = frames.map(milliseconds).and_then(|duration| u64::try_from(duration).ok());
    info.encoder_delay_frames = timeline.delay;
    info.encoder_padding_frames = timeline.padding;
    let mut metadata = tags::metadata(&revisions, around.riff_tags);
    metadata.duration_ms = info.duration_ms;
    metadata.format = tags::encoding(kind.container(), &*codec, &info, byte_len);
    let habits = Habits {
        ends_empty: codec.codec_info().short_name.starts_with("pcm"),
        lands_by_end: kind == Kind::Ogg,
        reopen: match kind {
            Kind::Caf => Some(|spent| reopen(Kind::Caf, spent)),
            Kind::Mp4 => Some(|spent| reopen(Kind::Mp4, spent)),
            _ => None,
        },
    };
    let track_id = track.id;
    Ok(Opened { frames: Some(Frames::new(format, codec, track_id, timeline, habits)), info, metadata })
}

/// What Symphonia's readers do not tell of a stream.
#[derive(Default)]
struct Around {
    riff_tags: Vec<(String, String)>,
    revisions: Vec<MetadataRevision>,
    gaps: Gaps,
    /// Where the audio ends, if something stands behind it.
    audio_end: Option<u64>,
    /// How many frames there seem to be.
    frames: Option<u64>,
}

/// Looks at what surrounds the audio, and leaves the stream where it was. `size` is that of a stream that seeks.
fn around(kind: Kind, stream: &mut MediaSourceStream<'static>, size: Option<u64>) -> Result<Around> {
    let mut around = Around::default();
    match (kind, size) {
        (Kind::Wav, _) if stream.pos() == 0 => {
            let chunks = riff::read(stream, size)?;
            around.riff_tags = chunks.info;
            around.revisions.extend(chunks.id3.and_then(id3::embedded));
        }
        (Kind::Mp4, _) => around.gaps = mp4::gaps(stream)?,
        (Kind::Mp3 | Kind::Adts, Some(size)) => {
            let (end, tag) = id3::trailing(stream, size)?;
            around.revisions.extend(tag);
            around.audio_end = Some(end);
            if !headers::tells_duration(stream)? {
                around.frames = headers::count(stream, end)?;
            }
        }
        _ => {}
    }
    Ok(around)
}

fn reader(kind: Kind, stream: MediaSourceStream<'static>, end: Option<u64>) -> Result<Box<dyn FormatReader>> {
    let options = FormatOptions::default();
    let reader: std::result::Result<Box<dyn FormatReader>, SymphoniaError> = match kind {
        Kind::Flac => FlacReader::try_new(stream, options).map(boxed),
        Kind::Wav => WavReader::try_new(stream, options).map(boxed),
        Kind::Aiff => AiffReader::try_new(stream, options).map(boxed),
        Kind::Caf => CafReader::try_new(stream, options).map(boxed),
        Kind::Ogg => OggReader::try_new(stream, options).map(boxed),
        Kind::Mp4 => IsoMp4Reader::try_new(stream, options).map(boxed),
        Kind::Mp3 => MpaReader::try_new(source::up_to(stream, end), options).map(boxed),
        Kind::Adts => AdtsReader::try_new(source::up_to(stream, end), options).map(boxed),
    };
    reader.map_err(error)
}

fn decoder(
    kind: Kind,
    parameters: &AudioCodecParameters,
) -> std::result::Result<Box<dyn AudioDecoder>, SymphoniaError> {
    if parameters.codec == CODEC_ID_OPUS && kind == Kind::Ogg {
        return Ok(Box::new(Opus::new(parameters)?));
    }
    // The host is the one that trims.
    get_codecs().make_audio_decoder(parameters, &AudioDecoderOptions::default().gapless(false))
}

fn boxed(reader: impl FormatReader + 'static) -> Box<dyn FormatReader> {
    Box::new(reader)
}

fn reopen(kind: Kind, spent: Box<dyn FormatReader>) -> Result<Box<dyn FormatReader>> {
    let mut stream = spent.into_inner();
    stream.seek(SeekFrom::Start(0))?;
    reader(kind, stream, None)
}

/// Everything a reader found, latest first, as what comes later replaces what was there.
fn all_metadata(format: &mut dyn FormatReader) -> Vec<MetadataRevision> {
    let mut log = format.metadata();
    let mut revisions: Vec<_> = std::iter::from_fn(|| log.pop()).collect();
    revisions.extend(log.current().cloned());
    revisions.reverse();
    revisions
}

/// The shape of a FLAC stream that says it has no frames, which Symphonia would take for cut off.
fn empty_flac(stream: &mut MediaSourceStream<'_>) -> Result<Option<DecoderInfo>> {
    let mut header = [0; 42];
    // Of a shorter stream Symphonia says in its own words what is missing.
    if !peek(stream, &mut header)? {
        return Ok(None);
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
