//! Where a track's frames are: from Symphonia's timestamps, which leave delay and padding out, to frames counted from the
//! first one decoded, which the contract wants. And the other way around: what of them the host is to trim.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_OPUS};
use symphonia::core::formats::Track;
use symphonia::core::meta::MetadataRevision;
use symphonia::core::units::{TimeBase, Timestamp};

use crate::kind::Kind;
use crate::mp4::Gaps;
use crate::{opus, tags};

/// PCM frames of a packet of AAC.
const AAC_FRAMES: u64 = 1024;
/// PCM frames of a packet of MP3, at most.
const MP3_FRAMES: u64 = 1152;
/// PCM frames of a packet of ALAC, as all encoders have them.
const MAX_ALAC_FRAMES: u64 = 4096;
/// MP3 frames decoded before the one sought: a frame's bits begin up to 511 bytes before it, which is six frames of the
/// lowest bitrate, and two more fill the filters.
const MP3_PREROLL: u64 = 10 * MP3_FRAMES;

/// The frames of a track, the first one decoded being number 0.
#[derive(Clone, Copy, Default)]
pub(crate) struct Timeline {
    /// Timestamp of frame 0.
    origin: i64,
    /// Ticks a second and frames a second, where they differ.
    scale: Option<(u64, u64)>,
    /// Frame behind the last that can be sought, which leaves out padding that no timestamp leads to.
    sought_end: Option<u64>,
    /// How many frames there are, if the stream says so.
    pub(crate) total: Option<u64>,
    /// How many must come before the stream may end. Less than `total` where that is often told wrongly.
    pub(crate) promised: Option<u64>,
    /// Frames to trim at the start.
    pub(crate) delay: u32,
    /// Frames to trim at the end.
    pub(crate) padding: u32,
    /// Frames to decode before one that is sought, for the decoder to be in the state it would be in otherwise.
    pub(crate) preroll: u64,
}

impl Timeline {
    /// Of a track of any kind, with the edits of an MP4.
    pub(crate) fn new(
        kind: Kind,
        track: &Track,
        parameters: &AudioCodecParameters,
        gaps: Gaps,
        metadata: &[MetadataRevision],
    ) -> Self {
        let delay = track.delay.unwrap_or(0);
        let padding = track.padding.unwrap_or(0);
        let plain = Self { total: track.num_frames, promised: track.num_frames, ..Self::default() };
        let gapped = |origin: i64| {
            let total = track.num_frames.map(|frames| frames.saturating_add_signed(-origin) + u64::from(padding));
            Self { origin, total, promised: total, delay, padding, ..plain }
        };
        let mut timeline = match kind {
            Kind::Flac | Kind::Wav | Kind::Aiff => plain,
            Kind::Ogg => {
                let preroll = if parameters.codec == CODEC_ID_OPUS { opus::PREROLL } else { 0 };
                Self { preroll, ..gapped(track.start_ts.get()) }
            }
            // Its last packet has fewer frames than the others, so that there is nothing to trim; and some encoders
            // count it as if it had as many.
            Kind::Caf if parameters.codec == CODEC_ID_ALAC => {
                Self { promised: plain.total.map(|total| total.saturating_sub(MAX_ALAC_FRAMES)), ..plain }
            }
            Kind::Caf if parameters.codec == CODEC_ID_AAC => gapped(-i64::from(delay)),
            Kind::Caf => plain,
            Kind::Mp3 => {
                let gapped = gapped(-i64::from(delay));
                // Headers count themselves as a frame, or not, as the encoder likes.
                let promised = gapped.total.map(|total| total.saturating_sub(2 * MP3_FRAMES));
                Self { promised, preroll: MP3_PREROLL, ..gapped }
            }
            Kind::Adts => Self { total: None, promised: None, preroll: 2 * AAC_FRAMES, ..plain },
            Kind::Mp4 => Self::of_mp4(track, parameters, gaps, metadata),
        };
        if kind == Kind::Caf && parameters.codec == CODEC_ID_AAC {
            timeline.preroll = 2 * AAC_FRAMES;
        }
        timeline.sought_end = match kind {
            Kind::Mp3 | Kind::Adts => None,
            _ => track.num_frames,
        };
        let rate = parameters.sample_rate.and_then(TimeBase::try_from_recip);
        if let (Some(base), Some(rate)) = (track.time_base.filter(|base| Some(*base) != rate), parameters.sample_rate) {
            let ticks = u64::from(base.denom.get()) / u64::from(base.numer.get());
            timeline.scale = Some((ticks.max(1), u64::from(rate)));
        }
        timeline
    }

    fn of_mp4(track: &Track, parameters: &AudioCodecParameters, gaps: Gaps, metadata: &[MetadataRevision]) -> Self {
        let frames = track.num_frames.filter(|_| gaps.packets > 0);
        let plain = Self { total: frames, promised: frames, ..Self::default() };
        if parameters.codec != CODEC_ID_AAC {
            return plain;
        }
        let Some(frames) = frames else {
            // What comes in fragments tells where it begins, but not where it ends.
            let delay = gaps.edit.and_then(|edit| u32::try_from(edit.start).ok()).unwrap_or(0);
            return Self { delay, preroll: 2 * AAC_FRAMES, ..plain };
        };
        let total = gaps.packets.saturating_mul(AAC_FRAMES);
        let edited = gaps.edit.map(|edit| {
            // The edit list has a coarser clock than the track, which may end at the very frame.
            let end = if edit.end.abs_diff(frames) <= edit.tolerance { frames } else { edit.end };
            (edit.start, end)
        });
        let (start, end) = tags::itunes_gaps(metadata)
            .map(|(delay, valid)| (delay, delay.saturating_add(valid)))
            .filter(|&(_, end)| end <= total)
            .or(edited)
            .unwrap_or((0, frames));
        let delay = u32::try_from(start.min(total)).unwrap_or(0);
        let padding = u32::try_from(total.saturating_sub(end.max(start))).unwrap_or(0);
        let total = Some(total);
        Self { total, promised: total, delay, padding, preroll: 2 * AAC_FRAMES, ..plain }
    }

    /// The frame a timestamp stands for.
    pub(crate) fn frame(&self, timestamp: Timestamp) -> u64 {
        let ticks = u64::try_from(timestamp.get().saturating_sub(self.origin)).unwrap_or(0);
        self.frames(ticks)
    }

    /// How many frames a number of ticks lasts.
    pub(crate) fn frames(&self, ticks: u64) -> u64 {
        self.scale.map_or(ticks, |(per_second, rate)| scaled(ticks, rate, per_second))
    }

    /// Whether timestamps tell frames exactly.
    pub(crate) fn is_exact(&self) -> bool {
        self.scale.is_none()
    }

    /// The timestamp to seek to for a frame.
    pub(crate) fn timestamp(&self, frame: u64) -> Option<Timestamp> {
        let frame = self.sought_end.map_or(frame, |end| frame.min(end.saturating_sub(1)));
        let ticks = self.scale.map_or(frame, |(per_second, rate)| scaled(frame, per_second, rate));
        i64::try_from(ticks).ok()?.checked_add(self.origin).map(Timestamp::new)
    }
}

fn scaled(value: u64, by: u64, over: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(over)).unwrap_or(u64::MAX)
}
