//! What an MP4 file says of delay and padding: its edit list, and the count of its packets. Symphonia reads the rest.

use std::io::{Read, Seek, SeekFrom};

use stellatune_plugin_sdk::Result;
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes, SeekBuffered};

use crate::kind::peek;

/// Bytes of the `moov` box that are read; of a longer one no gaps are known.
const MAX_MOOV_BYTES: u64 = 16 << 20;
/// Boxes looked at before giving up on finding it.
const MAX_BOXES: usize = 64;
/// How far a stream that cannot seek is read ahead for it.
const REACH: usize = 2 << 20;

/// The first track of audio.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gaps {
    /// Where the presentation begins and ends, in ticks of the track, if there is an edit.
    pub(crate) edit: Option<Edit>,
    /// Packets of the track; 0 if it comes in fragments.
    pub(crate) packets: u64,
}

/// An entry of an edit list.
#[derive(Clone, Copy)]
pub(crate) struct Edit {
    /// Ticks of the track before the presentation.
    pub(crate) start: u64,
    /// Where it ends, in ticks of the track, as well as the movie's own clock tells.
    pub(crate) end: u64,
    /// How far off that may be.
    pub(crate) tolerance: u64,
}

/// Reads the gaps of a stream at its start, and leaves it there.
pub(crate) fn gaps(stream: &mut MediaSourceStream<'_>) -> Result<Gaps> {
    let start = stream.pos();
    let seekable = stream.is_seekable();
    if !seekable {
        stream.ensure_seekback_buffer(REACH);
    }
    let limit = if seekable { u64::MAX } else { start + REACH as u64 / 2 };
    let moov = moov(stream, limit);
    if stream.seek_buffered(start) != start {
        stream.seek(SeekFrom::Start(start))?;
    }
    Ok(moov?.as_deref().and_then(of_moov).unwrap_or_default())
}

/// The body of the `moov` box, if it is there below byte `limit`.
fn moov(stream: &mut MediaSourceStream<'_>, limit: u64) -> Result<Option<Vec<u8>>> {
    for _ in 0..MAX_BOXES {
        let begin = stream.pos();
        let mut header = [0; 8];
        if !peek(stream, &mut header)? {
            return Ok(None);
        }
        stream.ignore_bytes(8)?;
        let [a, b, c, d, kind @ ..] = header;
        let (size, header_bytes) = match u32::from_be_bytes([a, b, c, d]) {
            1 => (stream.read_be_u64()?, 16),
            size => (u64::from(size), 8),
        };
        let Some(body) = size.checked_sub(header_bytes) else { return Ok(None) };
        let end = begin.saturating_add(size);
        if end > limit {
            return Ok(None);
        }
        if kind == *b"moov" {
            let mut bytes = Vec::new();
            stream.take(body.min(MAX_MOOV_BYTES)).read_to_end(&mut bytes)?;
            return Ok((bytes.len() as u64 == body).then_some(bytes));
        }
        if stream.is_seekable() {
            stream.seek(SeekFrom::Start(end))?;
        } else {
            stream.ignore_bytes(body)?;
        }
    }
    Ok(None)
}

fn of_moov(moov: &[u8]) -> Option<Gaps> {
    let movie_rate = timescale(find(moov, b"mvhd")?)?;
    let is_audio = |track: &&[u8]| {
        find(track, b"mdia").and_then(|media| find(media, b"hdlr")).and_then(|hdlr| hdlr.get(8..12)) == Some(b"soun")
    };
    let track = boxes(moov).filter(|(kind, _)| *kind == *b"trak").map(|(_, body)| body).find(is_audio)?;
    let media = find(track, b"mdia")?;
    let rate = timescale(find(media, b"mdhd")?)?;
    let table = find(find(media, b"minf")?, b"stbl")?;
    let packets = find(table, b"stsz").and_then(|stsz| u32_at(stsz, 8)).map_or(0, u64::from);
    let edit = find(track, b"edts").and_then(|edits| find(edits, b"elst")).and_then(|elst| {
        let (start, duration) = first_edit(elst)?;
        let ticks = u128::from(duration) * u128::from(rate) / u128::from(movie_rate);
        let end = start.saturating_add(u64::try_from(ticks).ok()?);
        Some(Edit { start, end, tolerance: u64::from(rate.div_ceil(movie_rate)) })
    });
    Some(Gaps { edit, packets })
}

/// Start and duration of the first edit that presents anything. ISO/IEC 14496-12 section 8.6.6.
fn first_edit(elst: &[u8]) -> Option<(u64, u64)> {
    let long = *elst.first()? == 1;
    let entry_bytes = if long { 20 } else { 12 };
    let mut entries = elst.get(8..)?.chunks_exact(entry_bytes).take(u32_at(elst, 4)? as usize);
    entries.find_map(|entry| {
        let (duration, start) = if long {
            (u64_at(entry, 0)?, u64_at(entry, 8)? as i64)
        } else {
            (u64::from(u32_at(entry, 0)?), i64::from(u32_at(entry, 4)? as i32))
        };
        // A start of -1 is a pause before the audio.
        Some((u64::try_from(start).ok()?, duration))
    })
}

/// Ticks a second, as `mvhd` and `mdhd` have it, never 0.
fn timescale(header: &[u8]) -> Option<u32> {
    let at = if *header.first()? == 1 { 20 } else { 12 };
    u32_at(header, at).filter(|&ticks| ticks > 0)
}

fn find<'a>(body: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(body).find(|(kind, _)| kind == wanted).map(|(_, body)| body)
}

/// The boxes in the body of another.
fn boxes(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (header, body) = rest.split_first_chunk::<8>()?;
        let [a, b, c, d, kind @ ..] = *header;
        let size = (u32::from_be_bytes([a, b, c, d]) as usize).checked_sub(8)?;
        let (body, behind) = body.split_at_checked(size)?;
        rest = behind;
        Some((kind, body))
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
