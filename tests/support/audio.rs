//! What audio files hold, found out without the decoder under test.

use md5::{Digest, Md5};

/// What the first block of a FLAC file says (RFC 9639, section 8.2).
pub(crate) struct StreamInfo {
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    pub(crate) bits: u32,
    pub(crate) frames: u64,
    pub(crate) md5: [u8; 16],
}

impl StreamInfo {
    pub(crate) fn of(flac: &[u8]) -> Self {
        assert_eq!(&flac[..4], b"fLaC");
        assert_eq!(flac[4] & 0x7f, 0, "STREAMINFO comes first");
        let body = &flac[8..42];
        let packed = u64::from_be_bytes(body[10..18].try_into().expect("eight bytes"));
        Self {
            sample_rate: (packed >> 44) as u32,
            channels: (packed >> 41 & 7) as u16 + 1,
            bits: (packed >> 36 & 31) as u32 + 1,
            frames: packed & 0xf_ffff_ffff,
            md5: body[18..].try_into().expect("sixteen bytes"),
        }
    }
}

/// The MD5 that FLAC keeps: over the samples as signed little-endian integers of whole bytes, interleaved.
pub(crate) fn md5_of(samples: &[f32], bits: u32) -> [u8; 16] {
    let scale = f64::from(1u32 << (bits - 1));
    let width = bits.div_ceil(8) as usize;
    let mut bytes = Vec::with_capacity(samples.len() * width);
    for sample in samples {
        let integer = f64::from(*sample) * scale;
        assert_eq!(integer, integer.trunc(), "{sample} is no integer of {bits} bits");
        bytes.extend_from_slice(&(integer as i32).to_le_bytes()[..width]);
    }
    Md5::digest(&bytes).into()
}

/// A WAV file, read by the book and for test files only.
pub(crate) struct Wav {
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    /// Each sample as the nearest 32-bit float: exact up to 24 bits and for floats of 32.
    pub(crate) samples: Vec<f32>,
}

impl Wav {
    pub(crate) fn read(file: &[u8]) -> Self {
        assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        let (mut format, mut rest) = (None, &file[12..]);
        loop {
            let (id, size) = (&rest[..4], u32_at(rest, 4) as usize);
            // A length nobody knew yet is written as all ones: to the end of the file.
            let body = &rest[8..rest.len().min(size.saturating_add(8))];
            match id {
                b"fmt " => format = Some(body),
                b"data" => return Self::decode(format.expect("the format comes before the samples"), body),
                _ => {}
            }
            rest = &rest[8 + size + size % 2..];
        }
    }

    fn decode(format: &[u8], data: &[u8]) -> Self {
        let tag = u16_at(format, 0);
        let bits = u16_at(format, 14);
        // In the extensible format, the first two bytes of an identifier are the tag.
        let tag = if tag == 0xfffe { u16_at(format, 24) } else { tag };
        let to_f32: fn(&[u8]) -> f32 = match (tag, bits) {
            (1, 8) => |bytes| (f32::from(bytes[0]) - 128.0) / 128.0,
            (1, 16) => |bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0,
            (1, 24) => |bytes| (i32::from_le_bytes([0, bytes[0], bytes[1], bytes[2]]) >> 8) as f32 / 8_388_608.0,
            // Through 64 bits, where nothing is lost, so that it is rounded once.
            (1, 32) => |bytes| (f64::from(u32_at(bytes, 0) as i32) / 2_147_483_648.0) as f32,
            (3, 32) => |bytes| f32::from_bits(u32_at(bytes, 0)),
            (3, 64) => |bytes| f64::from_le_bytes(bytes.try_into().expect("eight bytes")) as f32,
            other => panic!("a WAV format this reader does not know: {other:?}"),
        };
        Self {
            sample_rate: u32_at(format, 4),
            channels: u16_at(format, 2),
            samples: data.chunks_exact(usize::from(bits / 8)).map(to_f32).collect(),
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Compares samples bit by bit and names the first frame that differs.
#[track_caller]
pub(crate) fn assert_same(what: &str, got: &[f32], expected: &[f32], channels: u16) {
    let differs = got.iter().zip(expected).position(|(got, expected)| got.to_bits() != expected.to_bits());
    if let Some(at) = differs {
        let (frame, channel) = (at / usize::from(channels), at % usize::from(channels));
        panic!("{what}: frame {frame}, channel {channel} is {} and should be {}", got[at], expected[at]);
    }
    assert_eq!(got.len(), expected.len(), "{what}: as many samples as expected");
}

/// Compares samples within `rounding`, of full scale or of the sample if that is larger; 0 is bit by bit.
#[track_caller]
pub(crate) fn assert_near(what: &str, got: &[f32], expected: &[f32], channels: u16, rounding: f32) {
    if rounding == 0.0 {
        return assert_same(what, got, expected, channels);
    }
    assert_eq!(got.len(), expected.len(), "{what}: as many samples as expected");
    // Also false of what is no number.
    let is_near = |(got, expected): (&f32, &f32)| (got - expected).abs() <= rounding * expected.abs().max(1.0);
    if let Some(at) = got.iter().zip(expected).position(|pair| !is_near(pair)) {
        panic!("{what}: sample {at} is {} and should be {}", got[at], expected[at]);
    }
}
