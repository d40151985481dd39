//! A5: what WAV files become is, bit by bit, what is in them.

use std::{fs, path::Path};

use anyhow::{Result, bail, ensure};
use stellatune_plugins::Runtime;

use super::{
    Measured, Row, Settings,
    audio::Wav,
    common::{
        audio,
        plugin::{self, Plugins},
    },
};

pub(super) static ROW: Row = Row {
    id: "A5",
    promise: "WAV files whose samples differ in any bit",
    timed: false,
    unit: "files",
    at_most: 0.0,
    engine: None,
    measure,
};

fn measure(_: &Settings) -> Result<Measured> {
    let plugins = Plugins::symphonia("wasmtime")?;
    let runtime = plugins.runtime()?;
    compare_all("wav", |path| compare(&runtime, path))
}

/// Compares every file of `fixtures/audio` that ends in `ext`; the value is how many do not hold.
pub(super) fn compare_all(ext: &str, compare: impl Fn(&Path) -> Result<()>) -> Result<Measured> {
    let mut measured = Measured { value: 0.0, n: 0, spreads: Vec::new(), faults: Vec::new() };
    for entry in fs::read_dir(audio(""))? {
        let path = entry?.path();
        if path.extension().is_none_or(|found| found != ext) {
            continue;
        }
        measured.n += 1;
        if let Err(error) = compare(&path) {
            let name = path.file_name().unwrap_or_default().display();
            measured.faults.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(measured.n > 0, "there are no files to compare");
    measured.faults.sort();
    measured.value = measured.faults.len() as f64;
    Ok(measured)
}

fn compare(runtime: &Runtime, path: &Path) -> Result<()> {
    let expected = Wav::read(&fs::read(path)?);
    let mut decoder = plugin::open(runtime, path)?;
    let found = (decoder.info().sample_rate, decoder.info().channels);
    ensure!(found == (expected.sample_rate, expected.channels), "rate and channels are {found:?}");
    let samples = plugin::samples(&mut decoder)?;
    let (found, wanted) = (samples.len(), expected.samples.len());
    ensure!(found == wanted, "{found} samples instead of {wanted}");
    let differs = samples.iter().zip(&expected.samples).position(|(got, wanted)| got.to_bits() != wanted.to_bits());
    if let Some(at) = differs {
        bail!("sample {at} is {} instead of {}", samples[at], expected.samples[at]);
    }
    Ok(())
}
