//! From Symphonia's planar buffers to interleaved 32-bit little-endian floats, exactly: an integer sample of n bits
//! becomes itself over 2^(n-1).

use stellatune_plugin_sdk::{Error, Result};
use symphonia::core::audio::conv::IntoSample;
use symphonia::core::audio::sample::Sample;
use symphonia::core::audio::{Audio, AudioBuffer, GenericAudioBufferRef};

/// Bytes of one sample.
pub(crate) const SAMPLE_BYTES: usize = 4;

/// Appends `count` frames of a buffer, from frame `start` on.
pub(crate) fn append(
    buffer: &GenericAudioBufferRef<'_>,
    start: usize,
    count: usize,
    channels: usize,
    bytes: &mut Vec<u8>,
) -> Result<()> {
    if buffer.num_planes() != channels {
        return Err(Error::io("the number of channels changes within the stream"));
    }
    let from = bytes.len();
    bytes.resize(from + count * channels * SAMPLE_BYTES, 0);
    let out = &mut bytes[from..];
    match buffer {
        GenericAudioBufferRef::U8(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::U16(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::U24(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::U32(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::S8(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::S16(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::S24(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
        GenericAudioBufferRef::S32(buffer) => interleave(buffer, start, count, out, s32_to_f32),
        GenericAudioBufferRef::F32(buffer) => interleave(buffer, start, count, out, |sample| sample),
        GenericAudioBufferRef::F64(buffer) => interleave(buffer, start, count, out, IntoSample::into_sample),
    }
    Ok(())
}

/// Rounds once, as dividing in 64 bits would, and without leaving 32.
fn s32_to_f32(sample: i32) -> f32 {
    const SCALE: f32 = 1.0 / 2_147_483_648.0;
    sample as f32 * SCALE
}

fn interleave<S: Sample>(
    buffer: &AudioBuffer<S>,
    start: usize,
    count: usize,
    out: &mut [u8],
    to_f32: impl Fn(S) -> f32 + Copy,
) {
    let range = start..start + count;
    if let (2, Some((left, right))) = (buffer.num_planes(), pair(buffer)) {
        stereo(&left[range.clone()], &right[range], out, to_f32);
        return;
    }
    let channels = buffer.num_planes();
    for (channel, plane) in buffer.iter_planes().enumerate() {
        let frames = out.chunks_exact_mut(channels * SAMPLE_BYTES);
        for (frame, sample) in frames.zip(&plane[range.clone()]) {
            let at = channel * SAMPLE_BYTES;
            frame[at..at + SAMPLE_BYTES].copy_from_slice(&to_f32(*sample).to_le_bytes());
        }
    }
}

/// Frames converted together: so many that the compiler does it with vectors.
const LANES: usize = 8;

fn stereo<S: Sample>(left: &[S], right: &[S], out: &mut [u8], to_f32: impl Fn(S) -> f32 + Copy) {
    let (lefts, rights) = (left.chunks_exact(LANES), right.chunks_exact(LANES));
    let (left, right) = (lefts.remainder(), rights.remainder());
    let (outs, out) = out.split_at_mut(out.len() - left.len() * 2 * SAMPLE_BYTES);
    let blocks = outs.chunks_exact_mut(LANES * 2 * SAMPLE_BYTES);
    for ((out, left), right) in blocks.zip(lefts).zip(rights) {
        let mut frames = [0.0; 2 * LANES];
        for lane in 0..LANES {
            frames[2 * lane] = to_f32(left[lane]);
            frames[2 * lane + 1] = to_f32(right[lane]);
        }
        for (out, sample) in out.chunks_exact_mut(SAMPLE_BYTES).zip(frames) {
            out.copy_from_slice(&sample.to_le_bytes());
        }
    }
    for ((frame, left), right) in out.chunks_exact_mut(2 * SAMPLE_BYTES).zip(left).zip(right) {
        frame[..SAMPLE_BYTES].copy_from_slice(&to_f32(*left).to_le_bytes());
        frame[SAMPLE_BYTES..].copy_from_slice(&to_f32(*right).to_le_bytes());
    }
}

fn pair<S: Sample>(buffer: &AudioBuffer<S>) -> Option<(&[S], &[S])> {
    Some((buffer.plane(0)?, buffer.plane(1)?))
}
