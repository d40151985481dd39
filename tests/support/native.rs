//! The same Symphonia outside of any sandbox, untrimmed: what a decoder plugin made of it has to agree with.

use std::io::Cursor;

use symphonia::{
    core::{
        audio::Channels,
        codecs::audio::AudioDecoderOptions,
        errors::Error,
        formats::{FormatOptions, TrackType, probe::Hint},
        io::MediaSourceStream,
        meta::MetadataOptions,
    },
    default::{get_codecs, get_probe},
};

/// A whole file, decoded.
pub(crate) struct Decoded {
    pub(crate) sample_rate: u32,
    pub(crate) channels: u16,
    pub(crate) samples: Vec<f32>,
}

/// Decodes a file that decodes without a fault.
pub(crate) fn decode(bytes: Vec<u8>, ext: &str) -> Decoded {
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let mut hint = Hint::new();
    hint.with_extension(ext);
    let probed = get_probe().probe(&hint, stream, FormatOptions::default(), MetadataOptions::default());
    let mut format = probed.expect("Symphonia knows the format");
    let track = format.default_track(TrackType::Audio).expect("there is audio");
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).expect("it is audio");
    let options = AudioDecoderOptions::default().gapless(false);
    let mut codec = get_codecs().make_audio_decoder(parameters, &options).expect("Symphonia knows the codec");
    let parameters = codec.codec_params();
    let channels = parameters.channels.as_ref().map_or(0, Channels::count);
    let sample_rate = parameters.sample_rate.expect("it has a rate");
    let (mut samples, mut block) = (Vec::new(), Vec::<f32>::new());
    loop {
        match format.next_packet() {
            // The reader of PCM gives empty packets at the end, and never says that it is there.
            Ok(Some(packet)) if packet.track_id == id && packet.data.is_empty() => break,
            Ok(Some(packet)) if packet.track_id == id => {
                codec.decode(&packet).expect("the packet decodes").copy_to_vec_interleaved(&mut block);
                samples.extend_from_slice(&block);
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(Error::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => break,
            Err(error) => panic!("the file does not decode natively: {error}"),
        }
    }
    Decoded { sample_rate, channels: u16::try_from(channels).expect("few channels"), samples }
}
