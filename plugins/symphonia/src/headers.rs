//! Walks over the frame headers of MP3 and ADTS, whose files need not say how long they are.

use std::io::{ErrorKind, Seek, SeekFrom};

use stellatune_plugin_sdk::Result;
use symphonia::core::io::{MediaSourceStream, ReadBytes};

use crate::kind::peek;

/// Frames walked over: some seven minutes. The rest is told by its size.
const MAX_FRAMES: u64 = 16_384;
/// Frames walked over if all are of one size, give or take the byte of padding.
const MAX_EQUAL_FRAMES: u64 = 1024;
/// Bytes passed over in search of a frame. What comes later is no music.
const MAX_GAP_BYTES: u64 = 1 << 20;
/// Bytes it takes to know the size of a frame.
const HEADER_BYTES: u64 = 6;

/// One frame of a stream.
struct Frame {
    bytes: u64,
    pcm_frames: u64,
}

/// Whether the stream begins with a frame that says how many there are, in one of the ways of MP3 encoders.
pub(crate) fn tells_duration(stream: &mut MediaSourceStream<'_>) -> Result<bool> {
    let mut head = [0; 64];
    let whole = peek(stream, &mut head)?;
    Ok(whole && head.windows(4).any(|name| matches!(name, b"Xing" | b"Info" | b"VBRI")))
}

/// How many PCM frames the stream holds from here to byte `end`; nothing if there are none. Takes a stream that seeks,
/// and leaves it where it was.
pub(crate) fn count(stream: &mut MediaSourceStream<'_>, end: u64) -> Result<Option<u64>> {
    let start = stream.pos();
    let total = match walk(stream, end) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(error.into()),
        total => total.ok().flatten(),
    };
    stream.seek(SeekFrom::Start(start))?;
    Ok(total)
}

fn walk(stream: &mut MediaSourceStream<'_>, end: u64) -> std::io::Result<Option<u64>> {
    let (mut walked, mut bytes, mut pcm_frames) = (0, 0, 0);
    let (mut least, mut most) = (u64::MAX, 0);
    // The last bytes that were read, of which none is part of a frame yet.
    let (mut window, mut filled) = (0u64, 0);
    while stream.pos() < end {
        let equal = most - least.min(most) <= 1;
        if walked == MAX_FRAMES || (walked == MAX_EQUAL_FRAMES && equal) {
            let rest = u128::from(end - stream.pos()) * u128::from(pcm_frames) / u128::from(bytes);
            pcm_frames += u64::try_from(rest).unwrap_or(0);
            break;
        }
        window = window << 8 | u64::from(stream.read_byte()?);
        filled += 1;
        if filled < HEADER_BYTES {
            continue;
        }
        if filled > MAX_GAP_BYTES {
            break;
        }
        let Some(frame) = mp3(window).or_else(|| adts(window)) else { continue };
        if stream.pos() - HEADER_BYTES + frame.bytes > end {
            break;
        }
        stream.ignore_bytes(frame.bytes - HEADER_BYTES)?;
        filled = 0;
        walked += 1;
        bytes += frame.bytes;
        pcm_frames += frame.pcm_frames;
        least = least.min(frame.bytes);
        most = most.max(frame.bytes);
    }
    Ok((walked > 0).then_some(pcm_frames))
}

/// ISO/IEC 11172-3 section 2.4.1.3, 13818-3 for half the rates, and the usual quarter rates, in the lower 48 bits.
fn mp3(window: u64) -> Option<Frame> {
    const KBPS_1: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const KBPS_2: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let bits = |from: u32, count: u32| window >> (48 - from - count) & ((1 << count) - 1);
    if bits(0, 11) != 0x7ff || bits(13, 2) != 1 {
        return None;
    }
    let rate = [44_100, 48_000, 32_000].get(bits(20, 2) as usize)?;
    let (divisor, kbps, pcm_frames) = match bits(11, 2) {
        0 => (4, KBPS_2, 576),
        2 => (2, KBPS_2, 576),
        3 => (1, KBPS_1, 1152),
        _ => return None,
    };
    let kbps = kbps.get((bits(16, 4) as usize).checked_sub(1)?)?;
    let bytes = pcm_frames / 8 * 1000 * kbps / (rate / divisor) + bits(22, 1);
    Some(Frame { bytes, pcm_frames })
}

/// ISO/IEC 13818-7 annex 1.2, in the lower 48 bits. One block a frame, as nearly all files have it.
fn adts(window: u64) -> Option<Frame> {
    let bits = |from: u32, count: u32| window >> (48 - from - count) & ((1 << count) - 1);
    let bytes = bits(30, 13);
    let fits = bits(0, 12) == 0xfff && bits(13, 2) == 0 && bits(18, 4) < 13 && bytes > 7;
    fits.then_some(Frame { bytes, pcm_frames: 1024 })
}
