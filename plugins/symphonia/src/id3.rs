//! ID3 tags around a stream: any number of ID3v2 before it, one ID3v1 behind it, and where the audio ends before that.
//! The text in them is Symphonia's to decode.

use std::io::{Cursor, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::Result;
use symphonia::core::errors::Result as SymphoniaResult;
use symphonia::core::formats::probe::ProbeableMetadata;
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadBytes};
use symphonia::core::meta::{MetadataOptions, MetadataRevision};
use symphonia::default::meta::{Id3v1Reader, Id3v2Reader};

use crate::kind::peek;

/// Tags looked at before a stream; more than one is rare already.
const MAX_LEADING: usize = 8;
/// Bytes of a tag that is read; a longer one is passed over. Its cover is in memory several times on its way to the host.
const MAX_BYTES: u64 = 12 << 20;
/// Bytes of an ID3v1 tag, which always stands at the very end.
const ID3V1_BYTES: u64 = 128;
/// Bytes of the footer an APE tag ends with.
const APE_FOOTER_BYTES: u64 = 32;

/// Reads the tags a stream begins with, and leaves it behind them.
pub(crate) fn leading(
    mut stream: MediaSourceStream<'static>,
) -> Result<(MediaSourceStream<'static>, Vec<MetadataRevision>)> {
    let mut tags = Vec::new();
    for _ in 0..MAX_LEADING {
        let mut header = [0; 10];
        if !peek(&mut stream, &mut header)? || !header.starts_with(b"ID3") {
            break;
        }
        // ID3v2.4 section 3.1: a size in seven bits of each byte, without the header, and without the footer of flag 4.
        let size = header[6..].iter().fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7f));
        let end = stream.pos() + 10 + size + if header[5] & 0x10 == 0 { 0 } else { 10 };
        if size <= MAX_BYTES {
            let reader = Id3v2Reader::try_probe_new(stream, MetadataOptions::default());
            let mut reader = reader.map_err(crate::input::error)?;
            // A tag that cannot be read is no reason not to play what stands behind it.
            tags.extend(reader.read_all().ok().map(|tag| tag.revision));
            stream = reader.into_inner();
        }
        match end.checked_sub(stream.pos()) {
            Some(rest) => stream.ignore_bytes(rest)?,
            None if stream.is_seekable() => drop(stream.seek(SeekFrom::Start(end))?),
            None => {}
        }
    }
    Ok((stream, tags))
}

/// The tag of an ID3v2 chunk inside another format.
pub(crate) fn embedded(bytes: Vec<u8>) -> Option<MetadataRevision> {
    read::<Id3v2Reader<'_>>(bytes).ok()
}

/// Reads the tag behind the audio, and says where the audio ends. Takes a stream that seeks, with its size, and leaves
/// it where it was.
pub(crate) fn trailing(stream: &mut MediaSourceStream<'_>, size: u64) -> Result<(u64, Option<MetadataRevision>)> {
    let start = stream.pos();
    let mut end = size;
    let mut tag = None;
    let tail = tail(stream, start, end, ID3V1_BYTES)?;
    if tail.starts_with(b"TAG") {
        tag = read::<Id3v1Reader<'_>>(tail).ok();
        end -= ID3V1_BYTES;
    }
    // An APE tag says nothing here that the others do not, but its bytes are not audio.
    let footer = self::tail(stream, start, end, APE_FOOTER_BYTES)?;
    if let Some([a, b, c, d]) = footer.strip_prefix(b"APETAGEX").and_then(|rest| rest.get(4..8)) {
        let size = u64::from(u32::from_le_bytes([*a, *b, *c, *d]));
        end = end.checked_sub(size).filter(|&end| end >= start).unwrap_or(end);
    }
    stream.seek(SeekFrom::Start(start))?;
    Ok((end, tag))
}

/// The bytes before `end`; none if the stream, which begins at `start`, is shorter.
fn tail(stream: &mut MediaSourceStream<'_>, start: u64, end: u64, count: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = end.checked_sub(count).filter(|&from| from >= start) {
        stream.seek(SeekFrom::Start(from))?;
        stream.take(count).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

fn read<R: ProbeableMetadata<'static>>(bytes: Vec<u8>) -> SymphoniaResult<MetadataRevision> {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let mut reader = R::try_probe_new(stream, MetadataOptions::default())?;
    Ok(reader.read_all()?.revision)
}
