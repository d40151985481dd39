//! Opus for Symphonia, which finds it in Ogg and has no decoder of its own. Mono and stereo; knows packets only.

use rusty_opus::OpusDecoder;
use symphonia::core::audio::{AsGenericAudioBufferRef, AudioBuffer, AudioMut, AudioSpec, GenericAudioBufferRef};
use symphonia::core::codecs::CodecInfo;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, FinalizeResult};
use symphonia::core::errors::{Error, Result};
use symphonia::core::packet::PacketRef;

/// Opus is decoded at this rate, whatever the rate of what was encoded.
const RATE: u32 = 48_000;
/// Frames of the longest packet: 120 ms (RFC 6716 section 3.2.5).
const MAX_FRAMES: usize = 5760;
/// Frames to decode before one that is sought: 80 ms, after which no difference is heard (RFC 7845 section 4.6).
pub(crate) const PREROLL: u64 = 3840;

const INFO: CodecInfo = CodecInfo { short_name: "opus", long_name: "Opus", profiles: &[] };

/// The decoder of one stream.
pub(crate) struct Opus {
    decoder: OpusDecoder,
    parameters: AudioCodecParameters,
    channels: usize,
    /// What the header says samples are to be multiplied by.
    gain: f32,
    interleaved: Vec<f32>,
    decoded: AudioBuffer<f32>,
}

impl Opus {
    pub(crate) fn new(parameters: &AudioCodecParameters) -> Result<Self> {
        // RFC 7845 section 5.1: byte 9 counts the channels, 16 and 17 are decibels in 8.8 bits, 18 the family of mappings.
        let header = parameters.extra_data.as_deref().unwrap_or_default();
        let Some([channels, _, _, _, _, _, _, low, high, family]) = header.get(9..19) else {
            return Err(Error::DecodeError("opus: the header is cut off"));
        };
        let channels = usize::from(*channels);
        let count = parameters.channels.as_ref().map_or(0, |channels| channels.count());
        if *family != 0 || !(1..=2).contains(&channels) || channels != count {
            return Err(Error::Unsupported("opus: more than two channels"));
        }
        let spec = AudioSpec::new(RATE, parameters.channels.clone().unwrap_or_default());
        Ok(Self {
            decoder: decoder(channels)?,
            parameters: parameters.clone(),
            channels,
            gain: 10f32.powf(f32::from(i16::from_le_bytes([*low, *high])) / 256.0 / 20.0),
            interleaved: vec![0.0; MAX_FRAMES * channels],
            decoded: AudioBuffer::new(spec, MAX_FRAMES),
        })
    }
}

impl AudioDecoder for Opus {
    fn reset(&mut self) {
        // It was made before with the same number of channels, so it is made again.
        if let Ok(decoder) = decoder(self.channels) {
            self.decoder = decoder;
        }
    }

    fn codec_info(&self) -> &CodecInfo {
        &INFO
    }

    fn codec_params(&self) -> &AudioCodecParameters {
        &self.parameters
    }

    fn decode_ref(&mut self, packet: &PacketRef<'_>) -> Result<GenericAudioBufferRef<'_>> {
        self.decoded.clear();
        let frames = self.decoder.decode(packet.data, MAX_FRAMES, &mut self.interleaved);
        let frames = frames.map_err(|_| Error::DecodeError("opus: invalid packet"))?.min(MAX_FRAMES);
        self.decoded.render_uninit(Some(frames));
        for channel in 0..self.channels {
            let samples = self.interleaved.iter().skip(channel).step_by(self.channels);
            for (to, from) in self.decoded.plane_mut(channel).into_iter().flatten().zip(samples) {
                *to = from * self.gain;
            }
        }
        Ok(self.last_decoded())
    }

    fn finalize(&mut self) -> FinalizeResult {
        FinalizeResult::default()
    }

    fn last_decoded(&self) -> GenericAudioBufferRef<'_> {
        self.decoded.as_generic_audio_buffer_ref()
    }
}

fn decoder(channels: usize) -> Result<OpusDecoder> {
    OpusDecoder::new(RATE as i32, channels).map_err(|_| Error::Unsupported("opus: more than two channels"))
}
