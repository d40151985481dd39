//! Gapless playback: takes the frames an encoder added off both ends of a stream. Knows samples only; nothing of plugins.

use crate::types::DecoderInfo;

/// Frames of delay, or of padding, that are believed. Encoders add some thousand; whoever states more would make every
/// read decode, or keep, a stretch of music that nobody hears.
const GAP_FRAMES: u32 = 65_536;

/// Samples on their way from the decoder to whoever plays them.
///
/// The end of a stream shows only when it is there, so the last samples are held back, as many as may be padding.
#[derive(Debug, Default)]
pub(super) struct Trim {
    /// Samples before the music, from where a decoder starts or was sought to.
    delay: usize,
    /// Samples behind it.
    padding: usize,
    /// Samples of the delay that are still to come.
    skip: usize,
    /// Samples that were not given out yet. Those from `free` on may be padding.
    samples: Vec<f32>,
    free: usize,
}

impl Trim {
    /// Of a stream that is at its start.
    pub(super) fn new(info: &DecoderInfo) -> Self {
        if !is_believed(info) {
            let (delay, padding) = (info.encoder_delay_frames, info.encoder_padding_frames);
            tracing::warn!("a delay of {delay} and a padding of {padding} frames are not believed; nothing is trimmed");
            return Self::default();
        }
        let samples = |frames: u32| frames as usize * usize::from(info.channels);
        let (delay, padding) = (samples(info.encoder_delay_frames), samples(info.encoder_padding_frames));
        Self { delay, padding, skip: delay, ..Self::default() }
    }

    /// Starts again where a decoder was sought to. As positions are counted without the delay, what is sought lies by
    /// just that much behind it.
    pub(super) fn restart(&mut self) {
        *self = Self { delay: self.delay, padding: self.padding, skip: self.delay, ..Self::default() };
    }

    /// Hands over what is held back, for the decoder to append to: nothing is copied because of it. To be
    /// [pushed](Self::push) again.
    pub(super) fn lend(&mut self) -> Vec<f32> {
        std::mem::take(&mut self.samples)
    }

    /// Takes what was [lent](Self::lend), with what was decoded behind it.
    pub(super) fn push(&mut self, mut samples: Vec<f32>) {
        // As long as anything is skipped, nothing before it was kept.
        let skipped = self.skip.min(samples.len());
        self.skip -= skipped;
        samples.drain(..skipped);
        self.free = self.free.max(samples.len().saturating_sub(self.padding));
        self.samples = samples;
    }

    /// Nothing more comes: the rest is padding.
    pub(super) fn end(&mut self) {
        self.samples.truncate(self.free);
    }

    /// The stream broke off: what is here is music.
    pub(super) fn break_off(&mut self) {
        self.free = self.samples.len();
    }

    /// At most so many samples to give out; none if more must be decoded first.
    pub(super) fn pull(&mut self, most: usize) -> Vec<f32> {
        let count = self.free.min(most);
        if count == 0 {
            return Vec::new();
        }
        self.free -= count;
        let rest = self.samples.split_off(count);
        std::mem::replace(&mut self.samples, rest)
    }
}

/// Milliseconds that are left of a stream, if it knows how many it has.
pub(super) fn duration_ms(info: &DecoderInfo) -> Option<u64> {
    let gaps = u64::from(info.encoder_delay_frames) + u64::from(info.encoder_padding_frames);
    let gaps_ms = if is_believed(info) { gaps * 1000 / u64::from(info.sample_rate) } else { 0 };
    Some(info.duration_ms?.saturating_sub(gaps_ms))
}

fn is_believed(info: &DecoderInfo) -> bool {
    info.encoder_delay_frames.max(info.encoder_padding_frames) <= GAP_FRAMES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(encoder_delay_frames: u32, encoder_padding_frames: u32) -> DecoderInfo {
        DecoderInfo {
            sample_rate: 1000,
            channels: 2,
            duration_ms: Some(100),
            seekable: true,
            encoder_delay_frames,
            encoder_padding_frames,
        }
    }

    fn frames(range: std::ops::Range<u16>) -> Vec<f32> {
        range.flat_map(|frame| [f32::from(frame); 2]).collect()
    }

    fn feed(trim: &mut Trim, decoded: Vec<f32>) {
        let mut samples = trim.lend();
        samples.extend(decoded);
        trim.push(samples);
    }

    /// What comes out of `decoded` in portions of `most` samples, until more is asked for.
    fn pulled(trim: &mut Trim, most: usize) -> Vec<f32> {
        let portions = std::iter::from_fn(|| Some(trim.pull(most)).filter(|samples| !samples.is_empty()));
        portions.inspect(|samples| assert!(samples.len() <= most)).flatten().collect()
    }

    #[test]
    fn delay_and_padding_go_whatever_the_blocks() {
        for (delay, padding) in [(0, 0), (5, 0), (0, 7), (5, 7), (40, 50), (100, 0), (0, 100)] {
            for block in [1, 3, 50, 100] {
                let mut trim = Trim::new(&info(delay, padding));
                for _ in 0..2 {
                    let mut out = Vec::new();
                    for start in (0..100).step_by(block) {
                        feed(&mut trim, frames(start..(start + block as u16).min(100)));
                        out.extend(pulled(&mut trim, 6));
                    }
                    trim.end();
                    out.extend(pulled(&mut trim, 6));
                    let kept = delay as u16..(100 - padding as u16).max(delay as u16);
                    assert_eq!(out, frames(kept), "{delay} and {padding} in blocks of {block}");
                    trim.restart();
                }
            }
        }
    }

    #[test]
    fn what_breaks_off_ends_in_music() {
        let mut trim = Trim::new(&info(2, 5));
        feed(&mut trim, frames(0..10));
        assert_eq!(pulled(&mut trim, 100), frames(2..5));
        trim.break_off();
        assert_eq!(pulled(&mut trim, 4), frames(5..10));
        // The decoder found its way again.
        feed(&mut trim, frames(20..30));
        trim.end();
        assert_eq!(pulled(&mut trim, 100), frames(20..25));
    }

    #[test]
    fn a_sought_end_is_all_padding() {
        let mut trim = Trim::new(&info(2, 5));
        feed(&mut trim, frames(0..10));
        trim.restart();
        feed(&mut trim, frames(93..100));
        trim.end();
        assert!(pulled(&mut trim, 100).is_empty());
    }

    #[test]
    fn gaps_beyond_belief_are_none() {
        for info in [info(GAP_FRAMES + 1, 0), info(0, u32::MAX)] {
            let mut trim = Trim::new(&info);
            feed(&mut trim, frames(0..10));
            assert_eq!(pulled(&mut trim, 100), frames(0..10));
            assert_eq!(duration_ms(&info), Some(100));
        }
        assert_eq!(duration_ms(&info(20, 30)), Some(50));
        assert_eq!(duration_ms(&info(200, 30)), Some(0));
    }
}
