//! Plays through a helper process of the package, which takes samples on its standard input.

use std::io::Write;

use stellatune_plugin_sdk::sidecar::{Channel, Launch, Process};
use stellatune_plugin_sdk::{AudioSpec, Error, JsonText, OutputSink, Result, RuntimeStatus, export};

struct Speaker {
    playing: Option<Playing>,
}

/// Given up in this order: the channel, then the process.
struct Playing {
    samples: Channel,
    _process: Process,
    channels: usize,
}

impl OutputSink for Speaker {
    fn create() -> Result<Self> {
        Ok(Self { playing: None })
    }

    fn list_targets(&mut self) -> Result<String> {
        Ok(r#"[{"id":"default","name":"Speaker"}]"#.to_owned())
    }

    fn open(&mut self, _target: JsonText<'_>, spec: AudioSpec) -> Result<()> {
        let launch = Launch::new("speaker").arg(spec.sample_rate.to_string()).arg(spec.channels.to_string());
        let process = launch.start()?;
        let samples = process.open_control()?;
        self.playing = Some(Playing { samples, _process: process, channels: spec.channels.into() });
        Ok(())
    }

    fn write(&mut self, interleaved: &[f32]) -> Result<u32> {
        let playing = self.playing.as_mut().ok_or_else(|| Error::invalid_arg("not open"))?;
        let bytes: Vec<u8> = interleaved.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        playing.samples.write_all(&bytes)?;
        Ok((interleaved.len() / playing.channels) as u32)
    }

    fn status(&mut self) -> Result<RuntimeStatus> {
        Ok(RuntimeStatus { queued_samples: 0, running: self.playing.is_some() })
    }
}

export!(output_sink: Speaker);
