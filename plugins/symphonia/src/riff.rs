//! The INFO list of a WAV file: tags that stand in a chunk before or behind the audio, which Symphonia's reader passes
//! over. Nothing of the audio itself.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::Result;
use symphonia::core::io::{MediaSourceStream, ReadBytes, SeekBuffered};

/// Chunks looked at before giving up on the file.
const MAX_CHUNKS: usize = 64;
/// Bytes of an INFO list that are read; more is cut off.
const MAX_INFO_BYTES: u64 = 1 << 20;
/// How far the reader can go back without seeking, with its standard buffer. A seek may be a request over the network.
const REACH: u64 = 32 << 10;

/// The entries of the INFO lists, four-letter key and text, in file order. Takes a stream at its start, and leaves it
/// there. `end` is its size if it can seek; without, only the first [`REACH`] bytes are looked at.
pub(crate) fn info(stream: &mut MediaSourceStream<'_>, end: Option<u64>) -> Result<Vec<(String, String)>> {
    let entries = scan(stream, end);
    if stream.seek_buffered(0) != 0 {
        stream.seek(SeekFrom::Start(0))?;
    }
    entries
}

fn scan(stream: &mut MediaSourceStream<'_>, end: Option<u64>) -> Result<Vec<(String, String)>> {
    let mut entries = Vec::new();
    // Behind `RIFF`, a size and `WAVE`.
    let mut position = 12u64;
    for _ in 0..MAX_CHUNKS {
        if position + 8 <= REACH {
            let mut passed = [0; 1024];
            while stream.pos() < position {
                let count = (position - stream.pos()).min(passed.len() as u64) as usize;
                if stream.read(&mut passed[..count])? == 0 {
                    return Ok(entries);
                }
            }
        } else if end.is_some_and(|end| position + 8 <= end) {
            stream.seek(SeekFrom::Start(position))?;
        } else {
            break;
        }
        let mut header = [0; 8];
        match stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(error) => return Err(error.into()),
        }
        let [id @ .., a, b, c, d] = header;
        let size = u64::from(u32::from_le_bytes([a, b, c, d]));
        position += 8;
        if &id == b"LIST" && (end.is_some() || position + size <= REACH) {
            let mut bytes = Vec::new();
            stream.by_ref().take(size.min(MAX_INFO_BYTES)).read_to_end(&mut bytes)?;
            list(&bytes, &mut entries);
        }
        position += size + size % 2;
    }
    Ok(entries)
}

fn list(bytes: &[u8], entries: &mut Vec<(String, String)>) {
    let Some(mut rest) = bytes.strip_prefix(b"INFO") else { return };
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [key @ .., a, b, c, d] = header;
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let text = String::from_utf8_lossy(body.get(..size).unwrap_or(body));
        let text = text.trim_end_matches('\0').trim();
        if !text.is_empty() {
            entries.push((String::from_utf8_lossy(key).into_owned(), text.to_owned()));
        }
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
}
