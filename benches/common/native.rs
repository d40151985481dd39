//! The native baseline: Symphonia linked into this process, doing what the plugin does in its sandbox.
//!
//! The same crate with the same features as `plugins/symphonia`, the same file, every frame of it, to interleaved 32-bit
//! floats. What a player without plugins would write, no more and no less.

use std::{fs::File, path::Path};

use anyhow::{Context, Result};
use symphonia::{
    core::{
        codecs::audio::{AudioDecoder, AudioDecoderOptions},
        formats::{FormatOptions, FormatReader, TrackType, probe::Hint},
        io::MediaSourceStream,
        meta::MetadataOptions,
    },
    default::{get_codecs, get_probe},
};

/// A file being decoded natively.
pub(crate) struct Native {
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track: u32,
    samples: Vec<f32>,
}

impl Native {
    /// Opens a file and finds its first track of audio.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let stream = MediaSourceStream::new(Box::new(File::open(path)?), Default::default());
        let mut hint = Hint::new();
        if let Some(ext) = path.extension().and_then(|ext| ext.to_str()) {
            hint.with_extension(ext);
        }
        let format = get_probe().probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())?;
        let track = format.default_track(TrackType::Audio).context("no audio")?;
        let parameters =
            track.codec_params.as_ref().and_then(|parameters| parameters.audio()).context("no parameters")?;
        // As untrimmed as a plugin decodes, so that both do the same work.
        let options = AudioDecoderOptions::default().gapless(false);
        let codec = get_codecs().make_audio_decoder(parameters, &options)?;
        Ok(Self { track: track.id, codec, format, samples: Vec::new() })
    }

    /// The interleaved samples of the next packet; `None` is the end.
    pub(crate) fn packet(&mut self) -> Result<Option<&[f32]>> {
        while let Some(packet) = self.format.next_packet()? {
            if packet.track_id == self.track {
                self.codec.decode(&packet)?.copy_to_vec_interleaved(&mut self.samples);
                return Ok(Some(&self.samples));
            }
        }
        Ok(None)
    }

    /// Decodes the rest; says how many samples that were.
    pub(crate) fn decode(&mut self) -> Result<usize> {
        let mut samples = 0;
        while let Some(packet) = self.packet()? {
            samples += std::hint::black_box(packet).len();
        }
        Ok(samples)
    }
}
