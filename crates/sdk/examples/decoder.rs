//! Decodes unsigned bytes: one channel, 8000 frames a second.

use std::io::Read;
use std::time::Duration;

use stellatune_plugin_sdk::{Decoder, DecoderInfo, Error, HostStream, PcmChunk, Result, export};

struct RawBytes {
    input: HostStream,
}

impl Decoder for RawBytes {
    fn open(input: HostStream, ext_hint: Option<&str>) -> Result<Self> {
        match ext_hint {
            Some("raw") => Ok(Self { input }),
            _ => Err(Error::unsupported("only files that end in .raw")),
        }
    }

    fn info(&mut self) -> Result<DecoderInfo> {
        Ok(DecoderInfo { seekable: self.input.is_seekable(), ..DecoderInfo::new(8000, 1) })
    }

    fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk> {
        let mut bytes = vec![0; max_frames.min(4096) as usize];
        let n = self.input.read(&mut bytes)?;
        if n == 0 {
            return Ok(PcmChunk::end());
        }
        let samples: Vec<f32> = bytes[..n].iter().map(|&b| (f32::from(b) - 128.0) / 128.0).collect();
        Ok(PcmChunk::from_samples(&samples, 1))
    }

    fn seek(&mut self, position: Duration) -> Result<()> {
        self.input.seek_to(position.as_millis() as u64 * 8)
    }
}

export!(decoder: RawBytes);
