//! The component: what users set, and the effect where a player does not use the module.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{
    AudioSpec, ConfigUpdatePlan, CoreModuleSpec, Dsp, Error, JsonText, Result, to_json,
};

use crate::gain::Gain;

/// Where the package has the hot-path module.
const MODULE: &str = "wasm/gain_hot.wasm";

/// The plugin for one stream.
pub struct Plugin {
    gain: Gain,
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
    /// What the module's `configure` gets: the factor.
    #[serde(default, skip_deserializing)]
    hot_path: [f32; 1],
}

impl Dsp for Plugin {
    fn create(spec: AudioSpec) -> Result<Self> {
        Ok(Self {
            gain: Gain::new(spec.sample_rate, spec.channels),
        })
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<()> {
        self.gain.run(interleaved);
        Ok(())
    }

    fn describe_hot_path(&mut self, spec: AudioSpec) -> Result<Option<CoreModuleSpec>> {
        Ok(CoreModuleSpec::dsp::<Gain>(MODULE, spec))
    }

    fn plan_config(&mut self, config: JsonText<'_>) -> Result<ConfigUpdatePlan> {
        Ok(match config.parse::<Config>()?.factor() {
            Ok(_) => ConfigUpdatePlan::hot_apply(),
            Err(error) => ConfigUpdatePlan::reject(error.to_string()),
        })
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        self.gain.set(config.parse::<Config>()?.factor()?);
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<String>> {
        let [current, target] = self.gain.factors();
        to_json(&State {
            current,
            hot_path: [target],
        })
        .map(Some)
    }

    fn import_state(&mut self, state: JsonText<'_>) -> Result<()> {
        let State { current, .. } = state.parse()?;
        if !current.is_finite() {
            return Err(Error::invalid_arg("the state holds no gain"));
        }
        self.gain.go_on_from(current);
        Ok(())
    }
}

stellatune_plugin_sdk::export!(dsp: Plugin);

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: AudioSpec = AudioSpec {
        sample_rate: 48_000,
        channels: 2,
    };

    fn configured(config: &str) -> Plugin {
        let mut plugin = Plugin::create(SPEC).unwrap();
        plugin.apply_config(JsonText::new(config)).unwrap();
        plugin
    }

    #[test]
    fn nothing_changes_until_it_is_told_to() {
        let mut block = [0.5, -0.5, 1.0, 0.0];
        Plugin::create(SPEC).unwrap().process(&mut block).unwrap();
        assert_eq!(block, [0.5, -0.5, 1.0, 0.0]);
    }

    #[test]
    fn another_gain_is_reached_in_small_steps() {
        let mut plugin = configured(r#"{"gain_db":0}"#);
        plugin.process(&mut [1.0; 2]).unwrap();
        plugin
            .apply_config(JsonText::new(r#"{"gain_db":-20}"#))
            .unwrap();
        let mut block = vec![1.0; 2 * 48_000];
        plugin.process(&mut block).unwrap();
        assert!(
            block
                .windows(3)
                .all(|samples| (samples[0] - samples[2]).abs() < 0.002)
        );
        assert!((block.last().unwrap() - 0.1).abs() < 1e-4);

        let mut successor = configured(r#"{"gain_db":20}"#);
        successor
            .import_state(JsonText::new(&plugin.export_state().unwrap().unwrap()))
            .unwrap();
        let mut block = [1.0; 2];
        successor.process(&mut block).unwrap();
        assert!(block[0] < 0.2, "it goes on where the other was: {block:?}");
    }

    /// A player hands the module what the component exports, and may use either.
    #[test]
    fn the_module_does_the_same() {
        let mut plugin = configured(r#"{"gain_db":-6}"#);
        let state = plugin.export_state().unwrap().unwrap();
        let factor = |plugin: &Plugin| f64::from(plugin.gain.factors()[1]);
        assert!(state.contains("\"hot_path\":[0.50"), "{state}");

        let stream = stellatune_plugin_hot::Stream {
            sample_rate: SPEC.sample_rate,
            channels: SPEC.channels,
        };
        let mut module =
            stellatune_plugin_hot::test::dsp::<Gain>(stream, &[factor(&plugin)]).unwrap();
        module.seek();
        for config in [r#"{"gain_db":-6}"#, r#"{"gain_db":6}"#] {
            plugin.apply_config(JsonText::new(config)).unwrap();
            module.configure(&[factor(&plugin)]).unwrap();
            let mut of_component: Vec<f32> = (0..400).map(|at| (at as f32).sin()).collect();
            let mut of_module = of_component.clone();
            plugin.process(&mut of_component).unwrap();
            assert!(module.process(&mut of_module));
            assert_eq!(of_component, of_module);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_and_changes_nothing() {
        let mut plugin = Plugin::create(SPEC).unwrap();
        for config in [
            r#"{"gain_db":25}"#,
            r#"{"gain_db":"loud"}"#,
            "{}",
            "no JSON",
        ] {
            assert!(
                matches!(
                    plugin.apply_config(JsonText::new(config)),
                    Err(Error::InvalidArg(_))
                ),
                "{config}"
            );
        }
        let plan = plugin
            .plan_config(JsonText::new(r#"{"gain_db":99}"#))
            .unwrap();
        assert_eq!(plan.mode, stellatune_plugin_sdk::ConfigUpdateMode::Reject);
        assert_eq!(plugin.gain.factors(), [1.0, 1.0]);
    }
}
