//! Decodes AU, the sound files of Sun and NeXT: six big-endian numbers, a remark, and the samples
//! as they are.

use std::io::Read;
use std::time::Duration;

use stellatune_plugin_sdk::{
    AudioTags, Decoder, DecoderInfo, EncodedAudioFormat, Error, HostStream, MediaMetadata,
    PcmChunk, Result,
};

/// Bytes of the six numbers.
const HEADER_BYTES: u32 = 24;
/// Bytes a remark may have; more is a damaged header.
const REMARK_BYTES: u32 = 64 * 1024;
/// What the header says where the length of the samples was not known when it was written.
const UNKNOWN: u32 = u32::MAX;
/// Channels a stream may have; more is a damaged header.
const MAX_CHANNELS: u16 = 64;
/// Frames in one answer at most, whatever the host asks for.
const MAX_FRAMES: u32 = 4_096;

/// One AU stream.
pub struct AuDecoder {
    input: HostStream,
    encoding: Encoding,
    sample_rate: u32,
    channels: u16,
    seekable: bool,
    remark: String,
    /// Where the samples begin, in bytes.
    start: u64,
    /// Frames there are, where that is known.
    frames: Option<u64>,
    /// The next frame.
    position: u64,
}

/// How a sample is stored, by the numbers of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Int8,
    Int16,
    Int24,
    Int32,
    Float32,
}

impl Encoding {
    fn of(number: u32) -> Result<Self> {
        match number {
            2 => Ok(Self::Int8),
            3 => Ok(Self::Int16),
            4 => Ok(Self::Int24),
            5 => Ok(Self::Int32),
            6 => Ok(Self::Float32),
            other => Err(Error::unsupported(format!("AU with encoding {other}"))),
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Int8 => 1,
            Self::Int16 => 2,
            Self::Int24 => 3,
            Self::Int32 | Self::Float32 => 4,
        }
    }

    /// A sample of as many bytes, as a number between -1 and 1.
    fn sample(self, bytes: &[u8]) -> f32 {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        match self {
            Self::Float32 => f32::from_be_bytes(word),
            // Shorter integers are the upper bits of longer ones.
            _ => (f64::from(i32::from_be_bytes(word)) / 2_147_483_648.0) as f32,
        }
    }
}

impl AuDecoder {
    fn frame_bytes(&self) -> usize {
        self.encoding.bytes() * usize::from(self.channels)
    }
}

impl Decoder for AuDecoder {
    fn open(mut input: HostStream, _ext_hint: Option<&str>) -> Result<Self> {
        let mut header = [0; HEADER_BYTES as usize];
        // A stream too short to be AU is not ours; another decoder may know it.
        input
            .read_exact(&mut header)
            .map_err(|_| Error::unsupported("no AU stream"))?;
        if &header[..4] != b".snd" {
            return Err(Error::unsupported("no AU stream"));
        }
        let number = |at: usize| {
            u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (start, length) = (number(4), number(8));
        let (encoding, sample_rate) = (Encoding::of(number(12))?, number(16));
        let channels = u16::try_from(number(20)).unwrap_or(0);
        if sample_rate == 0
            || !(1..=MAX_CHANNELS).contains(&channels)
            || !(HEADER_BYTES..=HEADER_BYTES + REMARK_BYTES).contains(&start)
        {
            return Err(Error::io("the header of the AU stream is damaged"));
        }
        let mut remark = vec![0; (start - HEADER_BYTES) as usize];
        input.read_exact(&mut remark)?;
        let remark = String::from_utf8_lossy(&remark)
            .trim_end_matches('\0')
            .trim()
            .to_owned();

        let seekable = input.is_seekable();
        let bytes = match length {
            UNKNOWN => input.size().map(|size| size.saturating_sub(start.into())),
            length => Some(length.into()),
        };
        let frame = encoding.bytes() as u64 * u64::from(channels);
        let frames = bytes.map(|bytes| bytes / frame);
        Ok(Self {
            input,
            encoding,
            sample_rate,
            channels,
            seekable,
            remark,
            start: start.into(),
            frames,
            position: 0,
        })
    }

    fn info(&mut self) -> Result<DecoderInfo> {
        Ok(DecoderInfo {
            duration_ms: self
                .frames
                .map(|frames| frames * 1000 / u64::from(self.sample_rate)),
            seekable: self.seekable,
            ..DecoderInfo::new(self.sample_rate, self.channels)
        })
    }

    fn metadata(&mut self) -> Result<MediaMetadata> {
        let comment = (!self.remark.is_empty()).then(|| self.remark.clone());
        Ok(MediaMetadata {
            tags: AudioTags {
                comment,
                ..AudioTags::default()
            },
            duration_ms: self.info()?.duration_ms,
            format: EncodedAudioFormat {
                codec: "pcm".to_owned(),
                sample_rate: Some(self.sample_rate),
                channels: Some(self.channels),
                container: Some("au".to_owned()),
                ..EncodedAudioFormat::default()
            },
            extras: Vec::new(),
        })
    }

    fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk> {
        let left = self
            .frames
            .map_or(u64::MAX, |frames| frames.saturating_sub(self.position));
        let wanted = u64::from(max_frames.min(MAX_FRAMES)).min(left) as usize * self.frame_bytes();
        let mut bytes = Vec::with_capacity(wanted);
        self.input
            .by_ref()
            .take(wanted as u64)
            .read_to_end(&mut bytes)?;
        // What is left of a frame at the end of a stream that was cut off is no audio.
        bytes.truncate(bytes.len() / self.frame_bytes() * self.frame_bytes());
        if bytes.is_empty() {
            return Ok(PcmChunk::end());
        }
        let samples: Vec<f32> = bytes
            .chunks_exact(self.encoding.bytes())
            .map(|b| self.encoding.sample(b))
            .collect();
        let chunk = PcmChunk::from_samples(&samples, self.channels);
        self.position += u64::from(chunk.frames);
        Ok(chunk)
    }

    fn seek(&mut self, position: Duration) -> Result<()> {
        let too_far = || Error::invalid_arg("the stream is not that long");
        let frame = position.as_millis() * u128::from(self.sample_rate) / 1000;
        let frame = u64::try_from(frame).map_err(|_| too_far())?;
        let bytes = frame
            .checked_mul(self.frame_bytes() as u64)
            .and_then(|bytes| bytes.checked_add(self.start));
        if self.frames.is_some_and(|frames| frame > frames) {
            return Err(too_far());
        }
        self.input.seek_to(bytes.ok_or_else(too_far)?)?;
        self.position = frame;
        Ok(())
    }
}

stellatune_plugin_sdk::export!(decoder: AuDecoder);

#[cfg(test)]
mod tests {
    use super::*;

    fn au(encoding: u32, length: u32, channels: u32, samples: &[u8]) -> HostStream {
        let mut bytes = b".snd".to_vec();
        for number in [32, length, encoding, 8000, channels] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(b"a remark");
        bytes.extend(samples);
        HostStream::from_bytes(bytes)
    }

    #[test]
    fn samples_come_out_as_they_are() {
        let cases: [(u32, &[u8]); 5] = [
            (2, &[0x40, 0x80]),
            (3, &[0x40, 0, 0x80, 0]),
            (4, &[0x40, 0, 0, 0x80, 0, 0]),
            (5, &[0x40, 0, 0, 0, 0x80, 0, 0, 0]),
            (6, &[0x3F, 0, 0, 0, 0xBF, 0x80, 0, 0]),
        ];
        for (encoding, bytes) in cases {
            let mut decoder =
                AuDecoder::open(au(encoding, bytes.len() as u32, 1, bytes), Some("au")).unwrap();
            assert_eq!(decoder.info().unwrap().duration_ms, Some(0));
            assert_eq!(
                decoder.read_pcm(9).unwrap(),
                PcmChunk::from_samples(&[0.5, -1.0], 1),
                "encoding {encoding}"
            );
            assert!(decoder.read_pcm(9).unwrap().eof);
        }
    }

    #[test]
    fn a_seek_lands_on_the_frame() {
        let bytes: Vec<u8> = (0..160)
            .flat_map(|sample: i16| (sample * 100).to_be_bytes())
            .collect();
        let mut decoder = AuDecoder::open(au(3, UNKNOWN, 2, &bytes), None).unwrap();
        assert_eq!(decoder.info().unwrap().duration_ms, Some(10));
        decoder.seek(Duration::from_millis(5)).unwrap();
        let expected = [8_000.0 / 32_768.0, 8_100.0 / 32_768.0];
        assert_eq!(
            decoder.read_pcm(1).unwrap(),
            PcmChunk::from_samples(&expected, 2)
        );
        assert!(decoder.seek(Duration::from_secs(1)).is_err());
        assert_eq!(
            decoder.metadata().unwrap().tags.comment.as_deref(),
            Some("a remark")
        );
    }

    #[test]
    fn what_is_no_au_is_left_to_others() {
        for bytes in [&b""[..], b"fLaC and so on, long enough for a header"] {
            let refused = AuDecoder::open(HostStream::from_bytes(bytes.to_vec()), Some("au"));
            assert!(matches!(refused, Err(Error::Unsupported(_))));
        }
        assert!(matches!(
            AuDecoder::open(au(3, 4, 0, &[]), None),
            Err(Error::Io(_))
        ));
        assert!(matches!(
            AuDecoder::open(au(1, 4, 1, &[]), None),
            Err(Error::Unsupported(_))
        ));
    }
}
