//! Makes audio louder or softer.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{AudioSpec, Dsp, JsonText, Result, export, to_json};

#[derive(Deserialize, Serialize)]
struct Gain {
    /// Factor, 1 for no change.
    gain: f32,
}

impl Dsp for Gain {
    fn create(_spec: AudioSpec) -> Result<Self> {
        Ok(Self { gain: 1.0 })
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<()> {
        interleaved.iter_mut().for_each(|sample| *sample *= self.gain);
        Ok(())
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        *self = config.parse()?;
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<String>> {
        to_json(self).map(Some)
    }

    fn import_state(&mut self, state: JsonText<'_>) -> Result<()> {
        self.apply_config(state)
    }
}

export!(dsp: Gain);
