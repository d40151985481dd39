//! The tags of a WAV file: INFO lists and ID3v2, in chunks before or behind the audio, which Symphonia's reader passes
//! over. Nothing of the audio itself.

use std::io::{ErrorKind, Read, Seek, SeekFrom};

use stellatune_plugin_sdk::Result;
use symphonia::core::io::{MediaSourceStream, ReadBytes, SeekBuffered};

/// Chunks looked at before giving up on the file.
const MAX_CHUNKS: usize = 64;
/// Bytes of an INFO list that are read; more is cut off.
const MAX_INFO_BYTES: u64 = 1 << 20;
/// Bytes of an ID3v2 tag that are read, cover and all; more is cut off.
const MAX_ID3_BYTES: u64 = 12 << 20;
/// How far the reader can go back without seeking, with its standard buffer. A seek may be a request over the network.
const REACH: u64 = 32 << 10;

/// The chunks with tags.
#[derive(Default)]
pub(crate) struct Chunks {
    /// Entries of the INFO lists, four-letter key and text, in file order.
    pub(crate) info: Vec<(String, String)>,
    /// An ID3v2 tag, as it is.
    pub(crate) id3: Option<Vec<u8>>,
}

/// Reads the chunks of a stream at its start, and leaves it there. `end` is its size if it can seek; without, only the
/// first [`REACH`] bytes are looked at.
pub(crate) fn read(stream: &mut MediaSourceStream<'_>, end: Option<u64>) -> Result<Chunks> {
    let chunks = scan(stream, end);
    if stream.seek_buffered(0) != 0 {
        stream.seek(SeekFrom::Start(0))?;
    }
    chunks
}

fn scan(stream: &mut MediaSourceStream<'_>, end: Option<u64>) -> Result<Chunks> {
    let mut chunks = Chunks::default();
    // Behind `RIFF`, a size and `WAVE`.
    let mut position = 12u64;
    for _ in 0..MAX_CHUNKS {
        if position + 8 <= REACH {
            let mut passed = [0; 1024];
            while stream.pos() < position {
                let count = (position - stream.pos()).min(passed.len() as u64) as usize;
                if stream.read(&mut passed[..count])? == 0 {
                    return Ok(chunks);
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
        let mut body = |most: u64| -> Result<Vec<u8>> {
            let mut bytes = Vec::new();
            stream.by_ref().take(size.min(most)).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        if end.is_some() || position + size <= REACH {
            match &id {
                b"LIST" => list(&body(MAX_INFO_BYTES)?, &mut chunks.info),
                b"id3 " | b"ID3 " => chunks.id3 = Some(body(MAX_ID3_BYTES)?),
                _ => {}
            }
        }
        position += size + size % 2;
    }
    Ok(chunks)
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
