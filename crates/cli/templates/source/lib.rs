//! Offers tones to tune an instrument by. The plugin makes the bytes itself, as WAV. A source that
//! has its tracks on a server hands on what the host streams: `HttpRequest` and
//! `OpenedStream::passthrough` of the SDK do, once `plugin.json` asks for the server in
//! `permissions.http`.

use std::f64::consts::TAU;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{
    AudioTags, Error, JsonText, MediaMetadata, OpenedStream, Result, Source, to_json,
};

const SAMPLE_RATE: u32 = 44_100;
/// One channel of 16 bits.
const FRAME_BYTES: u32 = 2;

/// The tones there are: their names, and frequencies in Hz.
const TONES: [(&str, f64); 4] = [
    ("Concert pitch A", 440.0),
    ("Guitar, low E", 82.41),
    ("Violin, G", 196.0),
    ("Bass, A", 55.0),
];

/// The catalogue.
pub struct Tones {
    seconds: u32,
}

/// What the user sets, as `plugin.json` describes it.
#[derive(Deserialize)]
struct Config {
    seconds: u32,
}

/// What the user interface asks.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    action: String,
    keywords: String,
}

/// A line of what it shows.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    source_label: &'static str,
    title: &'static str,
    duration_ms: u64,
    ext_hint: &'static str,
    track: Track,
}

/// What comes back to open a line.
#[derive(Deserialize, Serialize)]
struct Track {
    tone: usize,
}

impl Source for Tones {
    fn create() -> Result<Self> {
        Ok(Self { seconds: 10 })
    }

    fn list_items(&mut self, request: JsonText<'_>) -> Result<String> {
        let request: Request = request.parse()?;
        if request.action == "list_playlists" {
            return Ok("[]".to_owned());
        }
        let wanted = request.keywords.to_lowercase();
        let found = TONES
            .iter()
            .enumerate()
            .filter(|(_, (title, _))| title.to_lowercase().contains(wanted.trim()));
        let rows = found.map(|(tone, (title, _))| Row {
            kind: "track",
            source_label: "Tones",
            title,
            duration_ms: u64::from(self.seconds) * 1000,
            ext_hint: "wav",
            track: Track { tone },
        });
        to_json(&rows.collect::<Vec<_>>())
    }

    fn open_stream(&mut self, track: JsonText<'_>) -> Result<OpenedStream> {
        let Track { tone } = track.parse()?;
        let (title, frequency) = TONES
            .get(tone)
            .ok_or_else(|| Error::not_found(format!("no tone {tone}")))?;
        let tags = AudioTags {
            title: Some((*title).to_owned()),
            ..AudioTags::default()
        };
        let metadata = MediaMetadata {
            tags,
            duration_ms: Some(u64::from(self.seconds) * 1000),
            ..MediaMetadata::default()
        };
        let wav = Wav::new(*frequency, self.seconds * SAMPLE_RATE);
        Ok(OpenedStream::reader(wav)
            .with_ext_hint("wav")
            .with_metadata(metadata))
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        let Config { seconds } = config.parse()?;
        if !(1..=3600).contains(&seconds) {
            return Err(Error::invalid_arg(format!(
                "{seconds} seconds; it goes from 1 to 3600"
            )));
        }
        self.seconds = seconds;
        Ok(())
    }
}

/// A WAV file of a sine, made as it is read.
struct Wav {
    header: Vec<u8>,
    frequency: f64,
    frames: u32,
    /// The next byte.
    position: u64,
}

impl Wav {
    fn new(frequency: f64, frames: u32) -> Self {
        let bytes = frames * FRAME_BYTES;
        let mut header = [
            &b"RIFF"[..],
            &(36 + bytes).to_le_bytes(),
            b"WAVEfmt \x10\0\0\0\x01\0\x01\0",
        ]
        .concat();
        header.extend(
            [
                SAMPLE_RATE.to_le_bytes(),
                (SAMPLE_RATE * FRAME_BYTES).to_le_bytes(),
            ]
            .concat(),
        );
        header.extend([b"\x02\0\x10\0data", &bytes.to_le_bytes()[..]].concat());
        Self {
            header,
            frequency,
            frames,
            position: 0,
        }
    }

    /// The sample of a frame, at half of full scale.
    fn sample(&self, frame: u64) -> i16 {
        let phase = self.frequency * frame as f64 / f64::from(SAMPLE_RATE);
        ((phase.fract() * TAU).sin() * 16_384.0) as i16
    }
}

impl Read for Wav {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let header = self.header.len() as u64;
        let end = header + u64::from(self.frames * FRAME_BYTES);
        let count = buffer
            .len()
            .min(usize::try_from(end - self.position).unwrap_or(usize::MAX));
        for byte in &mut buffer[..count] {
            *byte = match usize::try_from(self.position)
                .ok()
                .and_then(|at| self.header.get(at))
            {
                Some(byte) => *byte,
                None => {
                    let at = self.position - header;
                    self.sample(at / u64::from(FRAME_BYTES)).to_le_bytes()
                        [(at % u64::from(FRAME_BYTES)) as usize]
                }
            };
            self.position += 1;
        }
        Ok(count)
    }
}

stellatune_plugin_sdk::export!(source: Tones);

#[cfg(test)]
mod tests {
    use stellatune_plugin_sdk::OpenedHandle;

    use super::*;

    #[test]
    fn what_is_listed_can_be_opened() {
        let mut tones = Tones::create().unwrap();
        tones
            .apply_config(JsonText::new(r#"{"seconds":1}"#))
            .unwrap();
        let rows = tones
            .list_items(JsonText::new(r#"{"action":"search","keywords":"violin"}"#))
            .unwrap();
        assert!(
            rows.starts_with(r#"[{"kind":"track","#) && rows.ends_with(r#""track":{"tone":2}}]"#),
            "{rows}"
        );

        let opened = tones.open_stream(JsonText::new(r#"{"tone":2}"#)).unwrap();
        assert_eq!(opened.ext_hint.as_deref(), Some("wav"));
        let OpenedHandle::Processed(mut stream) = opened.handle else {
            panic!("the plugin makes the bytes")
        };
        let mut wav = Vec::new();
        loop {
            let chunk = stream.read(1000).unwrap();
            if chunk.bytes.is_empty() {
                assert!(chunk.eof);
                break;
            }
            wav.extend(chunk.bytes);
        }
        assert_eq!(wav.len(), 44 + 2 * 44_100);
        assert_eq!(wav[..4], *b"RIFF");
        let samples: Vec<_> = wav[44..]
            .chunks_exact(2)
            .map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]))
            .collect();
        let rises = samples
            .windows(2)
            .filter(|pair| pair[0] < 0 && pair[1] >= 0)
            .count();
        assert!((195..=197).contains(&rises), "{rises} periods in a second");
    }

    #[test]
    fn what_is_not_there_is_refused() {
        let mut tones = Tones::create().unwrap();
        assert_eq!(
            tones
                .list_items(JsonText::new(r#"{"action":"list_playlists"}"#))
                .unwrap(),
            "[]"
        );
        assert!(
            tones
                .list_items(JsonText::new("{}"))
                .unwrap()
                .matches("track\":{")
                .count()
                == 4
        );
        assert!(matches!(
            tones.open_stream(JsonText::new(r#"{"tone":9}"#)),
            Err(Error::NotFound(_))
        ));
        assert!(matches!(
            tones.apply_config(JsonText::new(r#"{"seconds":0}"#)),
            Err(Error::InvalidArg(_))
        ));
    }
}
