//! The INFO list of a WAV file: tags that stand in a chunk before or behind the audio. Nothing of the audio itself.

use std::io::Read;

use stellatune_plugin_sdk::{HostStream, Result};

/// Chunks looked at before giving up on the file.
const MAX_CHUNKS: usize = 64;
/// Bytes of INFO lists that are read; more is cut off.
const MAX_INFO_BYTES: u32 = 1 << 20;

/// The entries of the INFO lists, four-letter key and text, in file order; none if the stream is no WAV file. Leaves
/// the stream anywhere.
pub(crate) fn info(input: &mut HostStream) -> Result<Vec<(String, String)>> {
    let mut entries = Vec::new();
    input.seek_to(0)?;
    let Some(header) = read::<12>(input)? else { return Ok(entries) };
    if &header[..4] != b"RIFF" || &header[8..] != b"WAVE" {
        return Ok(entries);
    }
    let mut position = 12u64;
    for _ in 0..MAX_CHUNKS {
        input.seek_to(position)?;
        let Some((id, size)) = chunk_header(input)? else { break };
        if &id == b"LIST" {
            entries.extend(list(input, size)?);
        }
        position += 8 + u64::from(size) + u64::from(size % 2);
    }
    Ok(entries)
}

fn list(input: &mut HostStream, size: u32) -> Result<Vec<(String, String)>> {
    let mut bytes = Vec::new();
    input.take(u64::from(size.min(MAX_INFO_BYTES))).read_to_end(&mut bytes)?;
    let mut entries = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(b"INFO") else { return Ok(entries) };
    while let Some((header, body)) = rest.split_first_chunk::<8>() {
        let [key @ .., a, b, c, d] = header;
        let size = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
        let text = body.get(..size).unwrap_or(body);
        let text = String::from_utf8_lossy(text).trim_end_matches('\0').trim().to_owned();
        if !text.is_empty() {
            entries.push((String::from_utf8_lossy(key).into_owned(), text));
        }
        rest = body.get(size.saturating_add(size % 2)..).unwrap_or_default();
    }
    Ok(entries)
}

fn chunk_header(input: &mut HostStream) -> Result<Option<([u8; 4], u32)>> {
    let header = read::<8>(input)?;
    Ok(header.map(|[a, b, c, d, e, f, g, h]| ([a, b, c, d], u32::from_le_bytes([e, f, g, h]))))
}

/// So many bytes, or nothing if the stream ends before.
fn read<const N: usize>(input: &mut HostStream) -> Result<Option<[u8; N]>> {
    let mut bytes = [0; N];
    match input.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error.into()),
    }
}
