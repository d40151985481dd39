//! The component.

use serde::{Deserialize, Serialize};
use stellatune_plugin_sdk::{AudioSpec, ConfigUpdatePlan, CoreModuleSpec, Dsp, Error, JsonText, Result, to_json};

use crate::{
    config::Config,
    design::design,
    filter::{CHANNELS, Equalizer, Filters},
};

/// Where the package has the hot-path module.
const HOT_PATH: &str = "wasm/equalizer_hot.wasm";

/// The equaliser for one stream, and what it was set to.
pub struct Plugin {
    sample_rate: u32,
    config: Config,
    equalizer: Equalizer,
}

/// What a successor goes on from.
#[derive(Deserialize, Serialize)]
struct State {
    config: Config,
    /// What the filters remember of the audio so far.
    #[serde(default)]
    memory: Vec<f64>,
    /// What the hot-path module is configured with.
    #[serde(default, skip_deserializing)]
    hot_path: Vec<f64>,
}

impl Plugin {
    fn designed(&self, config: &Config) -> Result<Filters> {
        config.check().map_err(Error::invalid_arg)?;
        design(config, self.sample_rate).ok_or_else(|| Error::invalid_arg("no filter can be made of these numbers"))
    }
}

impl Dsp for Plugin {
    fn create(spec: AudioSpec) -> Result<Self> {
        let equalizer = Equalizer::new(spec.sample_rate, spec.channels)
            .ok_or_else(|| Error::unsupported(format!("{} channels; 1 to {CHANNELS} work", spec.channels)))?;
        Ok(Self { sample_rate: spec.sample_rate, config: Config::default(), equalizer })
    }

    fn process(&mut self, interleaved: &mut [f32]) -> Result<()> {
        self.equalizer.process(interleaved);
        Ok(())
    }

    fn describe_hot_path(&mut self, spec: AudioSpec) -> Result<Option<CoreModuleSpec>> {
        Ok(CoreModuleSpec::dsp::<Equalizer>(HOT_PATH, spec))
    }

    fn plan_config(&mut self, config: JsonText<'_>) -> Result<ConfigUpdatePlan> {
        Ok(match self.designed(&config.parse()?) {
            Ok(_) => ConfigUpdatePlan::hot_apply(),
            Err(error) => ConfigUpdatePlan::reject(error.to_string()),
        })
    }

    fn apply_config(&mut self, config: JsonText<'_>) -> Result<()> {
        let config: Config = config.parse()?;
        self.equalizer.set(self.designed(&config)?);
        self.config = config;
        Ok(())
    }

    fn export_state(&mut self) -> Result<Option<String>> {
        let filters = self.equalizer.filters();
        let sections = filters.sections().iter().flat_map(|section| [section.b.as_slice(), &section.a].concat());
        to_json(&State {
            config: self.config.clone(),
            memory: self.equalizer.memory(),
            hot_path: [filters.gain()].into_iter().chain(sections).collect(),
        })
        .map(Some)
    }

    fn import_state(&mut self, state: JsonText<'_>) -> Result<()> {
        let State { config, memory, .. } = state.parse()?;
        let filters = self.designed(&config)?;
        self.equalizer.set(filters);
        self.equalizer.reset();
        self.equalizer.remember(&memory);
        self.config = config;
        Ok(())
    }
}

stellatune_plugin_sdk::export!(dsp: Plugin);
