//! A4: what FLAC files become is what their encoder was given, by the MD5 that STREAMINFO keeps of it.

use std::{fs, path::Path};

use anyhow::{Result, bail, ensure};
use stellatune_plugins::Runtime;

use super::{
    Measured, Row, Settings,
    audio::{StreamInfo, md5_of},
    common::plugin::{self, Plugins},
};

pub(super) static ROW: Row = Row {
    id: "A4",
    promise: "FLAC files whose samples differ from the MD5 in STREAMINFO",
    timed: false,
    unit: "files",
    at_most: 0.0,
    engine: None,
    measure,
};

fn measure(_: &Settings) -> Result<Measured> {
    let plugins = Plugins::symphonia("wasmtime")?;
    let runtime = plugins.runtime()?;
    super::wav::compare_all("flac", |path| compare(&runtime, path))
}

fn compare(runtime: &Runtime, path: &Path) -> Result<()> {
    let expected = StreamInfo::of(&fs::read(path)?);
    ensure!(expected.md5 != [0; 16], "the file keeps no MD5");
    let mut decoder = plugin::open(runtime, path)?;
    let info = *decoder.info();
    let found = (info.sample_rate, info.channels);
    ensure!(found == (expected.sample_rate, expected.channels), "rate and channels are {found:?}");
    let samples = plugin::samples(&mut decoder)?;
    let frames = (samples.len() / usize::from(info.channels)) as u64;
    ensure!(frames == expected.frames, "{frames} frames instead of {}", expected.frames);
    let scale = 2f64.powi(expected.bits.cast_signed() - 1);
    if let Some(sample) = samples.iter().find(|sample| (f64::from(**sample) * scale).fract() != 0.0) {
        bail!("{sample} is no integer of {} bits", expected.bits);
    }
    ensure!(md5_of(&samples, expected.bits) == expected.md5, "the MD5 differs");
    Ok(())
}
