//! Makes audio louder or softer, without clicks when the gain changes.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{AudioSpec, ConfigUpdatePlan, Dsp, Error, JsonText, Result, to_json};

/// Seconds it takes to get from one gain to another.
const RAMP_SECONDS: f32 = 0.02;

/// The effect for one stream.
pub struct Gain {
    channels: usize,
    /// The part of the way to the target that is gone in one frame.
    step: f32,
    /// The factor now, and the one it is on its way to.
    current: f32,
    target: f32,
}

/// What the user sets, as `plugin.json` describes it.
#[derive(Clone, Copy, Deserialize)]
struct Config {
    gain_db: f32,
}

impl Config {
    fn factor(self) -> Result<f32> {
        match self.gain_db {
            -60.0..=24.0 => Ok(10_f32.powf(self.gain_db / 20.0)),
            other => Err(Error::invalid_arg(format!(
                "a gain of {other} dB; it goes from -60 to 24"
            ))),
        }
    }
}

/// What a successor goes on from.
#[derive(Deserialize, Serialize)]
struct State {
    current: f32,
}

impl Dsp for Gain {
    fn create(spec: AudioSpec) -> Result<Self> {
        let step = 1.0 / (RAMP_SECONDS * spec.sample_rate as f32).max(1.0);
        Ok(Self {
            channels: usize::from(spec.channels),
            step,
            current: 1.0,
            target: 1.0,
        })
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<()> {
        for frame in interleaved.chunks_exact_mut(self.channels) {
            let away = self.target - self.current;
            self.current = if away.abs() < 1e-5 {
                self.target
            } else {
                self.current + away * self.step
            };
            for sample in frame {
                *sample *= self.current;
            }
        }
        Ok(())
    }

    fn plan_config(&mut self, config: JsonText<'_>) -> Result<ConfigUpdatePlan> {
        Ok(match config.parse::<Config>()?.factor() {
            Ok(_) => ConfigUpdatePlan::hot_apply(),
            Err(error) => ConfigUpdatePlan::reject(error.to_string()),
        })
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        self.target = config.parse::<Config>()?.factor()?;
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<String>> {
        to_json(&State {
            current: self.current,
        })
        .map(Some)
    }

    fn import_state(&mut self, state: JsonText<'_>) -> Result<()> {
        let State { current } = state.parse()?;
        if !current.is_finite() {
            return Err(Error::invalid_arg("the state holds no gain"));
        }
        self.current = current;
        Ok(())
    }
}

stellatune_plugin_sdk::export!(dsp: Gain);

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: AudioSpec = AudioSpec {
        sample_rate: 48_000,
        channels: 2,
    };

    #[test]
    fn nothing_changes_until_it_is_told_to() {
        let mut block = [0.5, -0.5, 1.0, 0.0];
        Gain::create(SPEC).unwrap().process(&mut block).unwrap();
        assert_eq!(block, [0.5, -0.5, 1.0, 0.0]);
    }

    #[test]
    fn the_gain_is_reached_in_small_steps() {
        let mut gain = Gain::create(SPEC).unwrap();
        gain.apply_config(JsonText::new(r#"{"gain_db":-20}"#))
            .unwrap();
        let mut block = vec![1.0; 2 * 48_000];
        gain.process(&mut block).unwrap();
        assert!(
            block
                .windows(3)
                .all(|samples| (samples[0] - samples[2]).abs() < 0.002)
        );
        assert!((block.last().unwrap() - 0.1).abs() < 1e-4);

        let mut successor = Gain::create(SPEC).unwrap();
        successor
            .apply_config(JsonText::new(r#"{"gain_db":-20}"#))
            .unwrap();
        successor
            .import_state(JsonText::new(&gain.export_state().unwrap().unwrap()))
            .unwrap();
        let mut block = [1.0; 2];
        successor.process(&mut block).unwrap();
        assert!(
            (block[0] - 0.1).abs() < 1e-4,
            "it goes on where the other was"
        );
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let mut gain = Gain::create(SPEC).unwrap();
        for config in [
            r#"{"gain_db":25}"#,
            r#"{"gain_db":"loud"}"#,
            "{}",
            "no JSON",
        ] {
            assert!(
                matches!(
                    gain.apply_config(JsonText::new(config)),
                    Err(Error::InvalidArg(_))
                ),
                "{config}"
            );
        }
        let plan = gain
            .plan_config(JsonText::new(r#"{"gain_db":99}"#))
            .unwrap();
        assert_eq!(plan.mode, stellatune_plugin_sdk::ConfigUpdateMode::Reject);
        assert_eq!((gain.current, gain.target), (1.0, 1.0));
    }
}
