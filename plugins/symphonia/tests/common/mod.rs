//! What the tests share: files of `fixtures/audio`, opened and decoded.

use std::fs;
use std::path::{Path, PathBuf};

use stellatune_plugin_sdk::{Decoder, HostStream, Result};
use stellatune_plugin_symphonia::SymphoniaDecoder;

/// Without saying what the bytes are.
pub fn open(bytes: Vec<u8>) -> Result<SymphoniaDecoder> {
    SymphoniaDecoder::open(HostStream::from_bytes(bytes), None)
}

/// All samples, untrimmed.
pub fn decode(bytes: Vec<u8>, max_frames: u32) -> Result<Vec<f32>> {
    let mut decoder = open(bytes)?;
    let mut all = Vec::new();
    loop {
        let chunk = decoder.read_pcm(max_frames)?;
        assert!(chunk.frames <= max_frames);
        assert!(chunk.eof || chunk.frames > 0);
        all.extend(samples(&chunk.interleaved_f32le));
        if chunk.eof {
            return Ok(all);
        }
    }
}

pub fn samples(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

fn audio() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/audio")
}

pub fn read(name: &str) -> Vec<u8> {
    fs::read(audio().join(name)).unwrap()
}

pub fn files(extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(audio()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}
