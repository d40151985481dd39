//! Plays nowhere, and logs how loud it would have been. A sink for a real device hands the samples to
//! a process of its package: `sidecar` of the SDK starts it, once `plugin.json` asks for it in
//! `permissions.sidecars`.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{
    AudioSpec, Error, JsonText, OutputSink, Result, RuntimeStatus, log, to_json,
};

/// The sink of one stream.
#[derive(Default)]
pub struct Meter {
    /// What is open, and what was heard of it.
    open: Option<Heard>,
}

struct Heard {
    channels: usize,
    frames: u64,
    peak: f32,
}

/// What the user chooses from, and what comes back as the choice.
#[derive(Deserialize, PartialEq, Serialize)]
struct Target {
    id: String,
    name: String,
}

impl Target {
    fn only() -> Self {
        Self {
            id: "meter".to_owned(),
            name: "Level meter".to_owned(),
        }
    }
}

impl Heard {
    /// The loudest sample, in dB of full scale.
    fn decibels(&self) -> f32 {
        20.0 * self.peak.log10()
    }
}

impl OutputSink for Meter {
    fn create() -> Result<Self> {
        Ok(Self::default())
    }

    fn list_targets(&mut self) -> Result<String> {
        to_json(&[Target::only()])
    }

    fn open(&mut self, target: JsonText<'_>, spec: AudioSpec) -> Result<()> {
        let target: Target = target.parse()?;
        if target.id != Target::only().id {
            return Err(Error::not_found(format!("no target `{}`", target.id)));
        }
        self.open = Some(Heard {
            channels: usize::from(spec.channels),
            frames: 0,
            peak: 0.0,
        });
        Ok(())
    }

    fn write(&mut self, interleaved: &[f32]) -> Result<u32> {
        let heard = self
            .open
            .as_mut()
            .ok_or_else(|| Error::io("no target is open"))?;
        let frames = interleaved.len() / heard.channels;
        heard.peak = interleaved
            .iter()
            .fold(heard.peak, |peak, sample| peak.max(sample.abs()));
        heard.frames += frames as u64;
        Ok(frames as u32)
    }

    fn status(&mut self) -> Result<RuntimeStatus> {
        // What is written is heard at once.
        Ok(RuntimeStatus {
            queued_samples: 0,
            running: self.open.is_some(),
        })
    }

    fn flush(&mut self) -> Result<()> {
        if let Some(heard) = &self.open {
            log::info!(
                "{} frames, the loudest at {:.1} dBFS",
                heard.frames,
                heard.decibels()
            );
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        if let Some(heard) = &mut self.open {
            (heard.frames, heard.peak) = (0, 0.0);
        }
        Ok(())
    }
}

stellatune_plugin_sdk::export!(output_sink: Meter);

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: AudioSpec = AudioSpec {
        sample_rate: 48_000,
        channels: 2,
    };

    #[test]
    fn everything_is_taken_and_the_loudest_kept() {
        let mut meter = Meter::create().unwrap();
        let targets: Vec<Target> = JsonText::new(&meter.list_targets().unwrap())
            .parse()
            .unwrap();
        meter
            .open(JsonText::new(&to_json(&targets[0]).unwrap()), SPEC)
            .unwrap();
        assert_eq!(meter.write(&[0.1, -0.5, 0.25, 0.0]).unwrap(), 2);
        let heard = meter.open.as_ref().unwrap();
        assert_eq!((heard.frames, heard.peak), (2, 0.5));
        assert!((heard.decibels() + 6.02).abs() < 0.01);
        assert!(meter.status().unwrap().running);
        meter.flush().unwrap();
        meter.reset().unwrap();
        assert_eq!(meter.open.as_ref().unwrap().frames, 0);
    }

    #[test]
    fn what_is_not_open_or_not_there_is_refused() {
        let mut meter = Meter::create().unwrap();
        assert!(meter.write(&[0.0; 2]).is_err());
        let other = meter.open(JsonText::new(r#"{"id":"other","name":""}"#), SPEC);
        assert!(matches!(other, Err(Error::NotFound(_))));
        assert!(!meter.status().unwrap().running);
    }
}
