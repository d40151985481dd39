//! Writes WAV files of 32-bit float samples, of any length.
//!
//! The header reserves room for 64-bit sizes in a `JUNK` chunk. A file that outgrows the 32-bit sizes of RIFF becomes
//! an RF64 file when it is finished (EBU Tech 3306): the reserved chunk turns into `ds64` and nothing has to move. Not
//! here: where the file lies and when it gets its name ([`crate::output`]).

use std::io::{self, Error, ErrorKind, Seek, SeekFrom, Write};

const BYTES_PER_SAMPLE: u16 = 4;

/// `WAVE_FORMAT_IEEE_FLOAT`
const FORMAT_FLOAT: u16 = 3;

/// `WAVE_FORMAT_EXTENSIBLE`
const FORMAT_EXTENSIBLE: u16 = 0xFFFE;

/// `KSDATAFORMAT_SUBTYPE_IEEE_FLOAT`
const SUBTYPE_FLOAT: [u8; 16] = [3, 0, 0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// The body of a `ds64` chunk without a table: three 64-bit sizes and the table's length.
const DS64_BYTES: u32 = 28;

/// What a 32-bit size holds when `ds64` has the true one.
const IN_DS64: u32 = u32::MAX;

/// A WAV file being written. Without [`finish`](Self::finish) its header says that it is empty.
pub(crate) struct WavWriter<W> {
    sink: W,
    format: Format,
    data_bytes: u64,
    /// Samples as bytes, kept between writes for its allocation.
    bytes: Vec<u8>,
}

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file at the start of `sink`; `sample_rate` in Hz.
    ///
    /// # Errors
    /// `invalid-input` for a format that a WAV header cannot say; the sink's.
    pub(crate) fn new(mut sink: W, sample_rate: u32, channels: u16) -> io::Result<Self> {
        let format = Format::new(sample_rate, channels)?;
        sink.write_all(&format.header(0))?;
        Ok(Self { sink, format, data_bytes: 0, bytes: Vec::new() })
    }

    /// Appends interleaved samples, whole frames of them.
    ///
    /// # Errors
    /// The sink's; the file is useless then.
    pub(crate) fn write(&mut self, samples: &[f32]) -> io::Result<()> {
        debug_assert!(samples.len().is_multiple_of(usize::from(self.format.channels)), "frames are written whole");
        self.bytes.clear();
        self.bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
        self.sink.write_all(&self.bytes)?;
        self.data_bytes += self.bytes.len() as u64;
        Ok(())
    }

    /// Frames in the file.
    pub(crate) fn frames(&self) -> u64 {
        self.data_bytes / self.format.frame_bytes()
    }

    /// Writes the sizes into the header. Answers the sink and the file's length.
    ///
    /// # Errors
    /// The sink's; the file is useless then.
    pub(crate) fn finish(mut self) -> io::Result<(W, u64)> {
        let header = self.format.header(self.data_bytes);
        self.sink.seek(SeekFrom::Start(0))?;
        self.sink.write_all(&header)?;
        self.sink.flush()?;
        Ok((self.sink, header.len() as u64 + self.data_bytes))
    }
}

struct Format {
    sample_rate: u32,
    channels: u16,
    block_align: u16,
    bytes_per_second: u32,
}

impl Format {
    fn new(sample_rate: u32, channels: u16) -> io::Result<Self> {
        let refused = || {
            let text = format!("a WAV file cannot hold {channels} channels at {sample_rate} Hz as 32-bit float");
            Error::new(ErrorKind::InvalidInput, text)
        };
        let block_align = channels.checked_mul(BYTES_PER_SAMPLE).filter(|bytes| *bytes > 0).ok_or_else(refused)?;
        let bytes_per_second = sample_rate.checked_mul(block_align.into()).ok_or_else(refused)?;
        Ok(Self { sample_rate, channels, block_align, bytes_per_second })
    }

    fn frame_bytes(&self) -> u64 {
        self.block_align.into()
    }

    /// Everything before the samples. Its length does not depend on `data_bytes`.
    fn header(&self, data_bytes: u64) -> Vec<u8> {
        let frames = data_bytes / self.frame_bytes();
        let fmt = self.fmt();
        let mut chunks = Vec::with_capacity(96);
        chunk(&mut chunks, *b"fmt ", &fmt);

        let fixed = b"WAVE".len() + 8 + DS64_BYTES as usize + chunks.len() + 12 + 8;
        let riff_bytes = fixed as u64 + data_bytes;
        let sizes = match (u32::try_from(riff_bytes), u32::try_from(data_bytes), u32::try_from(frames)) {
            (Ok(riff), Ok(data), Ok(frames)) if riff != IN_DS64 => Some((riff, data, frames)),
            _ => None,
        };
        let (riff, data, fact) = sizes.unwrap_or((IN_DS64, IN_DS64, IN_DS64));

        let mut header = Vec::with_capacity(8 + fixed);
        header.extend(if sizes.is_some() { b"RIFF" } else { b"RF64" });
        header.extend(riff.to_le_bytes());
        header.extend(b"WAVE");
        if sizes.is_some() {
            chunk(&mut header, *b"JUNK", &[0; DS64_BYTES as usize]);
        } else {
            let ds64 = [riff_bytes, data_bytes, frames].map(u64::to_le_bytes).concat();
            chunk(&mut header, *b"ds64", &[ds64.as_slice(), &[0; 4]].concat());
        }
        header.extend(chunks);
        chunk(&mut header, *b"fact", &fact.to_le_bytes());
        header.extend(b"data");
        header.extend(data.to_le_bytes());
        header
    }

    /// The body of `fmt `: plain float for mono and stereo, with speaker positions for more.
    fn fmt(&self) -> Vec<u8> {
        let extensible = self.channels > 2;
        let mut fmt = Vec::with_capacity(40);
        fmt.extend((if extensible { FORMAT_EXTENSIBLE } else { FORMAT_FLOAT }).to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.sample_rate.to_le_bytes());
        fmt.extend(self.bytes_per_second.to_le_bytes());
        fmt.extend(self.block_align.to_le_bytes());
        fmt.extend((8 * BYTES_PER_SAMPLE).to_le_bytes());
        if extensible {
            fmt.extend(22_u16.to_le_bytes());
            fmt.extend((8 * BYTES_PER_SAMPLE).to_le_bytes());
            fmt.extend(channel_mask(self.channels).to_le_bytes());
            fmt.extend(SUBTYPE_FLOAT);
        } else {
            fmt.extend(0_u16.to_le_bytes());
        }
        fmt
    }
}

fn chunk(out: &mut Vec<u8>, id: [u8; 4], body: &[u8]) {
    out.extend(id);
    out.extend(u32::try_from(body.len()).expect("a chunk of the header is a few bytes").to_le_bytes());
    out.extend(body);
}

/// Speaker positions of `channels` in the order of FLAC (RFC 9639, section 9.1.3), which is that of WAV too. The plugin
/// contract knows no layouts; more channels than FLAC has get no positions.
fn channel_mask(channels: u16) -> u32 {
    const FRONT: u32 = 0x3;
    const CENTRE: u32 = 0x4;
    const LFE: u32 = 0x8;
    const BACK: u32 = 0x30;
    const BACK_CENTRE: u32 = 0x100;
    const SIDE: u32 = 0x600;
    match channels {
        3 => FRONT | CENTRE,
        4 => FRONT | BACK,
        5 => FRONT | CENTRE | BACK,
        6 => FRONT | CENTRE | LFE | BACK,
        7 => FRONT | CENTRE | LFE | BACK_CENTRE | SIDE,
        8 => FRONT | CENTRE | LFE | BACK | SIDE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn u16_at(bytes: &[u8], at: usize) -> u16 {
        u16::from_le_bytes(bytes[at..at + 2].try_into().expect("two bytes"))
    }

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
    }

    fn u64_at(bytes: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    }

    fn file(channels: u16, samples: &[f32]) -> Vec<u8> {
        let mut wav = WavWriter::new(Cursor::new(Vec::new()), 44_100, channels).expect("a memory sink takes it");
        wav.write(samples).expect("a memory sink takes it");
        let (sink, length) = wav.finish().expect("a memory sink takes it");
        assert_eq!(sink.get_ref().len() as u64, length);
        sink.into_inner()
    }

    /// The chunks of a file with their bodies' offsets and sizes.
    fn chunks(file: &[u8]) -> Vec<(&[u8], usize, usize)> {
        let (mut at, mut found) = (12, Vec::new());
        while at < file.len() {
            let size = u32_at(file, at + 4) as usize;
            found.push((&file[at..at + 4], at + 8, size));
            at += 8 + size;
        }
        found
    }

    #[test]
    fn stereo_is_plain_float_with_exact_sizes_and_samples() {
        let samples = [0.0, -1.0, 1.0, f32::MIN_POSITIVE, -0.0, 0.123_456_79];
        let file = file(2, &samples);
        assert_eq!((&file[..4], &file[8..12]), (&b"RIFF"[..], &b"WAVE"[..]));
        assert_eq!(u32_at(&file, 4) as usize, file.len() - 8);
        let found = chunks(&file);
        let names: Vec<_> = found.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, [b"JUNK", b"fmt ", b"fact", b"data"]);
        let (_, fmt, size) = found[1];
        assert_eq!(size, 18);
        assert_eq!((u16_at(&file, fmt), u16_at(&file, fmt + 2), u32_at(&file, fmt + 4)), (3, 2, 44_100));
        assert_eq!((u32_at(&file, fmt + 8), u16_at(&file, fmt + 12), u16_at(&file, fmt + 14)), (352_800, 8, 32));
        assert_eq!(u32_at(&file, found[2].1), 3);
        let (_, data, size) = found[3];
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(&file[data..data + size], bytes);
    }

    #[test]
    fn more_channels_name_their_speakers() {
        for (channels, mask) in [(3, 0x7), (4, 0x33), (5, 0x37), (6, 0x3F), (7, 0x70F), (8, 0x63F), (9, 0)] {
            let file = file(channels, &vec![0.5; usize::from(channels)]);
            let (_, fmt, size) = chunks(&file)[1];
            assert_eq!((size, u16_at(&file, fmt), u16_at(&file, fmt + 16)), (40, 0xFFFE, 22));
            assert_eq!((u16_at(&file, fmt + 18), u32_at(&file, fmt + 20)), (32, mask), "{channels} channels");
            assert_eq!(file[fmt + 24..fmt + 40], SUBTYPE_FLOAT);
            assert_eq!(mask.count_ones(), if mask == 0 { 0 } else { channels.into() });
        }
    }

    #[test]
    fn nothing_is_a_file_too() {
        let file = file(1, &[]);
        assert_eq!(u32_at(&file, 4) as usize, file.len() - 8);
        assert_eq!(chunks(&file)[3].2, 0);
    }

    #[test]
    fn what_a_header_cannot_say_is_refused() {
        for (rate, channels) in [(44_100, 0), (44_100, 16_384), (u32::MAX, 1)] {
            let error = WavWriter::new(Cursor::new(Vec::new()), rate, channels).err().expect("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
    }

    /// Keeps the header and counts the rest.
    #[derive(Default)]
    struct HeaderOnly {
        header: Vec<u8>,
        at: u64,
    }

    impl Write for HeaderOnly {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.at == 0 {
                self.header = bytes.to_vec();
            }
            self.at += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Seek for HeaderOnly {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            assert_eq!(to, SeekFrom::Start(0));
            self.at = 0;
            Ok(0)
        }
    }

    fn header_of(data_bytes: u64, channels: u16) -> (Vec<u8>, u64) {
        let mut wav = WavWriter::new(HeaderOnly::default(), 48_000, channels).expect("the sink takes all");
        let placeholder = wav.sink.header.len();
        let block = vec![0.0; 1 << 22];
        let mut left = data_bytes / 4;
        while left > 0 {
            let some = left.min(block.len() as u64);
            wav.write(&block[..usize::try_from(some).expect("at most a block")]).expect("the sink takes all");
            left -= some;
        }
        let (sink, length) = wav.finish().expect("the sink takes all");
        assert_eq!(sink.header.len(), placeholder, "the samples must not move");
        (sink.header, length)
    }

    #[test]
    fn a_file_past_4_gib_is_rf64_with_its_sizes_in_ds64() {
        let data_bytes = (1_u64 << 32) + 4_096;
        let (header, length) = header_of(data_bytes, 2);
        assert_eq!(&header[..12], b"RF64\xFF\xFF\xFF\xFFWAVE");
        assert_eq!(length, header.len() as u64 + data_bytes);
        let (name, ds64, size) = chunks(&header[..header.len() - 8])[0];
        assert_eq!((name, size), (&b"ds64"[..], 28));
        assert_eq!(u64_at(&header, ds64), length - 8);
        assert_eq!(u64_at(&header, ds64 + 8), data_bytes);
        assert_eq!(u64_at(&header, ds64 + 16), data_bytes / 8);
        assert_eq!(u32_at(&header, ds64 + 24), 0);
        let fact = chunks(&header[..header.len() - 8])[2];
        assert_eq!((fact.0, u32_at(&header, fact.1)), (&b"fact"[..], u32::MAX));
        assert_eq!(&header[header.len() - 8..], b"data\xFF\xFF\xFF\xFF");
    }

    #[test]
    fn riff_goes_as_far_as_its_sizes_do() {
        let format = Format::new(48_000, 1).expect("a usual format");
        let fixed = format.header(0).len() as u64 - 8;
        let last = u64::from(u32::MAX) - 1 - fixed;
        let last = last - last % 4;
        assert_eq!(&format.header(last)[..4], b"RIFF");
        assert_eq!(&format.header(last + 4)[..4], b"RF64");
        assert_eq!(u64::from(u32_at(&format.header(last), 4)), fixed + last);
    }
}
