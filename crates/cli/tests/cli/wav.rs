//! Reads WAV files, so that tests need not trust what wrote them.

use std::{fs, path::Path};

#[derive(Debug)]
pub(crate) struct Wav {
    /// 1 is integer, 3 is float, the extensible format resolved.
    pub(crate) format: u16,
    pub(crate) channels: u16,
    pub(crate) sample_rate: u32,
    pub(crate) bits: u16,
    pub(crate) data: Vec<u8>,
}

impl Wav {
    /// Reads a file whose sizes fit, or whose data goes on to the end.
    pub(crate) fn read(path: &Path) -> Self {
        let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]), "{}", path.display());
        let mut wav = Self { format: 0, channels: 0, sample_rate: 0, bits: 0, data: Vec::new() };
        let mut at = 12;
        while at + 8 <= file.len() {
            let size = usize::try_from(u32::from_le_bytes(array(&file[at + 4..]))).expect("sizes fit a usize");
            let body = &file[at + 8..file.len().min(at + 8 + size)];
            match &file[at..at + 4] {
                b"fmt " => {
                    wav.format = u16::from_le_bytes(array(body));
                    wav.channels = u16::from_le_bytes(array(&body[2..]));
                    wav.sample_rate = u32::from_le_bytes(array(&body[4..]));
                    wav.bits = u16::from_le_bytes(array(&body[14..]));
                    if wav.format == 0xFFFE {
                        wav.format = u16::from_le_bytes(array(&body[24..]));
                    }
                }
                b"data" => wav.data = body.to_vec(),
                _ => {}
            }
            at += 8 + size + size % 2;
        }
        wav
    }

    pub(crate) fn frames(&self) -> u64 {
        (self.data.len() / (usize::from(self.channels) * usize::from(self.bits / 8))) as u64
    }

    /// The samples as 32-bit float, integers by full scale.
    pub(crate) fn samples(&self) -> Vec<f32> {
        let scale = 2_f64.powi(i32::from(self.bits) - 1);
        let integer = |value: f64| (value / scale) as f32;
        let samples = self.data.chunks_exact(usize::from(self.bits / 8));
        match (self.format, self.bits) {
            (1, 8) => samples.map(|sample| integer(f64::from(sample[0]) - 128.0)).collect(),
            (1, 16) => samples.map(|sample| integer(i16::from_le_bytes(array(sample)).into())).collect(),
            (1, 24) => samples
                .map(|sample| integer((i32::from_le_bytes([0, sample[0], sample[1], sample[2]]) >> 8).into()))
                .collect(),
            (1, 32) => samples.map(|sample| integer(i32::from_le_bytes(array(sample)).into())).collect(),
            (3, 32) => samples.map(|sample| f32::from_le_bytes(array(sample))).collect(),
            (3, 64) => samples.map(|sample| f64::from_le_bytes(array(sample)) as f32).collect(),
            other => panic!("no reader for format and bits {other:?}"),
        }
    }
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes[..N].try_into().expect("the file is long enough")
}
