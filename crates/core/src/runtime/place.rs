//! Where a decoder is in its stream, so that one made anew goes on there. Knows frames only; nothing of plugins.

/// A place in the stream as the plugin decodes it, untrimmed.
///
/// Decoders are sought by the millisecond, and so to a frame at or before the place: what lies between is decoded again and
/// dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The next frame that was not given out.
    frame: u64,
    /// Frames before it that the decoder gives once more.
    again: u64,
}

impl Place {
    /// After a seek there.
    pub(super) fn sought(position_ms: u64, sample_rate: u32) -> Self {
        Self { frame: frames(position_ms, sample_rate), again: 0 }
    }

    /// Whether it is the first frame.
    pub(super) fn is_start(self) -> bool {
        self.frame == 0
    }

    /// Where to seek to in order to go on here, and this place as seen from there.
    pub(super) fn resumed(self, sample_rate: u32) -> (u64, Self) {
        let position_ms = millis(self.frame, sample_rate);
        (position_ms, Self { frame: self.frame, again: self.frame - frames(position_ms, sample_rate) })
    }

    /// Moves on by the samples from `from` on, taking those out that were given before.
    pub(super) fn passes(&mut self, samples: &mut Vec<f32>, from: usize, channels: u16) {
        let channels = usize::from(channels);
        let got = (samples.len().saturating_sub(from) / channels) as u64;
        let again = self.again.min(got);
        samples.drain(from..from + again as usize * channels);
        self.again -= again;
        self.frame += got - again;
    }
}

/// The frame at or before that moment.
fn frames(position_ms: u64, sample_rate: u32) -> u64 {
    u64::try_from(u128::from(position_ms) * u128::from(sample_rate) / 1000).unwrap_or(u64::MAX)
}

fn millis(frame: u64, sample_rate: u32) -> u64 {
    u64::try_from(u128::from(frame) * 1000 / u128::from(sample_rate.max(1))).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_resumed_without_a_gap_and_without_a_repetition() {
        for rate in [1, 44_100, 48_000, 768_000] {
            for frame in [0, 1, 47, 48, 49, 100, 44_100, 1_234_567, 1 << 40] {
                let place = Place { frame, again: 0 };
                let (position_ms, mut resumed) = place.resumed(rate);
                let sought = frames(position_ms, rate);
                assert!(sought <= frame, "{frame} at {rate} Hz is sought behind");
                assert_eq!(resumed.again, frame - sought, "{frame} at {rate} Hz");
                // A frame's sample is told by its distance from where the decoder begins.
                let mut samples: Vec<f32> = (0..resumed.again as usize + 3).flat_map(|at| [at as f32; 2]).collect();
                resumed.passes(&mut samples, 0, 2);
                assert_eq!(samples.first(), Some(&((frame - sought) as f32)));
                assert_eq!(resumed, Place { frame: frame + 3, again: 0 });
            }
        }
    }

    #[test]
    fn what_was_held_back_stays() {
        let mut place = Place { frame: 10, again: 3 };
        let mut samples = vec![-1.0, -1.0, 0.0, 1.0];
        place.passes(&mut samples, 2, 1);
        assert_eq!((samples.as_slice(), place), (&[-1.0, -1.0][..], Place { frame: 10, again: 1 }));
        samples.extend([2.0, 3.0]);
        place.passes(&mut samples, 2, 1);
        assert_eq!((samples.as_slice(), place), (&[-1.0, -1.0, 3.0][..], Place { frame: 11, again: 0 }));
    }

    #[test]
    fn a_seek_without_end_is_a_place() {
        assert_eq!(Place::sought(u64::MAX, 768_000).frame, u64::MAX);
        assert!(Place::sought(0, 48_000).is_start());
    }
}
