//! Audio on its way to and from guests, and what no guest may say of it.

use crate::{
    error::{CallError, Error, ErrorKind, Result, Trap, TrapKind},
    limits::{CHANNELS, SAMPLE_RATES},
    types::AudioSpec,
};

/// A guest that returns what the contract forbids is broken, whatever it believes. // G18
pub(super) fn lie(what: &str) -> CallError {
    Trap::new(TrapKind::Abi, format!("the plugin returned {what}")).into()
}

/// Why no stream is like that, if none is.
pub(super) fn unfit(spec: AudioSpec) -> Option<String> {
    if !SAMPLE_RATES.contains(&spec.sample_rate) {
        return Some(format!("a sample rate of {} Hz", spec.sample_rate));
    }
    (!CHANNELS.contains(&spec.channels)).then(|| format!("{} channels", spec.channels))
}

/// Refuses an application's audio that no stream is like.
pub(super) fn check_spec(spec: AudioSpec) -> Result<()> {
    unfit(spec).map_or(Ok(()), |why| {
        let help = format!("1 to {} Hz and 1 to {} channels are taken", SAMPLE_RATES.end(), CHANNELS.end());
        Err(Error::new(ErrorKind::InvalidArgument, format!("no audio has {why}")).help(help))
    })
}

/// Refuses samples that are no whole frames.
pub(super) fn check_frames(interleaved: &[f32], channels: u16) -> Result<()> {
    if interleaved.len().is_multiple_of(usize::from(channels)) {
        return Ok(());
    }
    let text = format!("{} samples are not whole frames of {channels} channels", interleaved.len());
    Err(Error::new(ErrorKind::InvalidArgument, text))
}

/// Samples as guests take them: 4 little-endian bytes each, whole frames.
pub(super) fn bytes(interleaved: &[f32], channels: u16) -> Result<Vec<u8>> {
    check_frames(interleaved, channels)?;
    Ok(interleaved.iter().flat_map(|sample| sample.to_le_bytes()).collect())
}

/// Samples as guests give them.
pub(super) fn samples(bytes: &[u8]) -> Vec<f32> {
    let mut samples = Vec::with_capacity(bytes.len() / 4);
    append(&mut samples, bytes);
    samples
}

pub(super) fn append(samples: &mut Vec<f32>, bytes: &[u8]) {
    samples.extend(bytes.as_chunks::<4>().0.iter().map(|sample| f32::from_le_bytes(*sample)));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// G18
    #[test]
    fn no_stream_is_beyond_the_limits() {
        let refused = |sample_rate, channels| check_spec(AudioSpec { sample_rate, channels }).is_err();
        for (sample_rate, channels) in [(1, 1), (768_000, 64), (44_100, 2)] {
            assert!(!refused(sample_rate, channels), "{sample_rate} Hz, {channels} channels");
        }
        for (sample_rate, channels) in [(0, 2), (768_001, 2), (u32::MAX, 2), (48_000, 0), (48_000, 65)] {
            assert!(refused(sample_rate, channels), "{sample_rate} Hz, {channels} channels");
        }
    }
}
