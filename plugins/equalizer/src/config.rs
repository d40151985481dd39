//! What a user sets.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::filter::BANDS;

/// Bands one after another, and a gain before them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Makes everything louder or softer first, in decibels: room for what the bands add.
    #[schemars(title = "Preamp", range(min = -60.0, max = 20.0), extend("x-order" = 1))]
    pub preamp_db: f64,
    /// From first to last, at most ten.
    #[schemars(title = "Bands", length(max = 10), extend("x-order" = 2))]
    pub bands: Vec<Band>,
}

/// One filter.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// What the filter does.
    #[schemars(title = "Shape")]
    pub shape: Shape,
    /// Its centre or corner, in hertz. Above what a stream has it is at the stream's upper end.
    #[schemars(title = "Frequency", range(min = 10.0, max = 24000.0))]
    pub frequency: f64,
    /// What a peak or a shelf adds or takes away, in decibels. Others have none.
    #[serde(default)]
    #[schemars(title = "Gain", range(min = -30.0, max = 30.0))]
    pub gain_db: f64,
    /// How narrow it is: for a peak or notch its frequency over its width, for others how they bend at the corner.
    #[serde(default = "smooth")]
    #[schemars(title = "Q", range(min = 0.1, max = 20.0))]
    pub q: f64,
}

/// The kinds of filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Louder or softer around a frequency.
    Peak,
    /// Louder or softer below it.
    LowShelf,
    /// Louder or softer above it.
    HighShelf,
    /// Nothing above it.
    LowPass,
    /// Nothing below it.
    HighPass,
    /// Nothing at it.
    Notch,
}

/// The Q of a filter that bends as late as it can without a hump.
fn smooth() -> f64 {
    std::f64::consts::FRAC_1_SQRT_2
}

impl Config {
    /// Says what is out of its range, if anything is.
    ///
    /// # Errors
    /// The field, its value and its range.
    pub fn check(&self) -> Result<(), String> {
        let within = |name: &str, value: f64, least: f64, most: f64, unit: &str| {
            let fits = (least..=most).contains(&value);
            fits.then_some(()).ok_or_else(|| format!("{name} is {value}; it goes from {least} to {most}{unit}"))
        };
        within("preamp_db", self.preamp_db, -60.0, 20.0, " dB")?;
        if self.bands.len() > BANDS {
            return Err(format!("there are {} bands; {BANDS} is all", self.bands.len()));
        }
        for (index, band) in self.bands.iter().enumerate() {
            let name = |field: &str| format!("{field} of bands[{index}]");
            within(&name("frequency"), band.frequency, 10.0, 24_000.0, " Hz")?;
            within(&name("gain_db"), band.gain_db, -30.0, 30.0, " dB")?;
            within(&name("q"), band.q, 0.1, 20.0, "")?;
        }
        Ok(())
    }
}
