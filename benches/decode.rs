//! `<engine>/decode/<format>`: a whole file to interleaved floats, beside native Symphonia. See README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;

use std::{fs, path::Path};

use anyhow::{Result, ensure};
use common::{
    audio,
    native::Native,
    plugin::{self, Plugins},
};
use criterion::{Criterion, Throughput};
use stellatune_plugins::engines;

/// Formats, and the file each is measured with.
const FILES: [(&str, &str); 7] = [
    ("flac", "demo.flac"),
    ("mp3", "demo.mp3"),
    ("aac", "aac.m4a"),
    ("alac", "alac-s24.m4a"),
    ("vorbis", "vorbis.ogg"),
    ("aiff", "aiff-s24.aif"),
    ("caf", "caf-s24.caf"),
];

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    for (format, name) in FILES {
        file(&mut criterion, format, &audio(name))?;
    }
    let dir = tempfile::tempdir()?;
    let wav = dir.path().join("demo.wav");
    write_wav(&audio("demo.flac"), &wav)?;
    file(&mut criterion, "wav", &wav)?;
    criterion.final_summary();
    Ok(())
}

fn file(criterion: &mut Criterion, format: &str, path: &Path) -> Result<()> {
    let samples = Native::open(path)?.decode()?;
    let throughput = Throughput::Elements(samples as u64);
    let mut group = criterion.benchmark_group("native/decode");
    group.throughput(throughput.clone()).sample_size(20).bench_function(format, |bench| {
        bench.iter(|| Native::open(path).and_then(|mut native| native.decode()).expect("decoded before"));
    });
    group.finish();
    for engine in engines() {
        let plugins = Plugins::symphonia(engine)?;
        let runtime = plugins.runtime()?;
        let decoded = plugin::decode(&mut plugin::open(&runtime, path)?.untrimmed())?;
        ensure!(decoded == samples, "{engine} decodes {format} to another length");
        let mut group = criterion.benchmark_group(format!("{engine}/decode"));
        group.throughput(throughput.clone()).sample_size(20).bench_function(format, |bench| {
            bench.iter(|| {
                plugin::open(&runtime, path)
                    .and_then(|mut decoder| plugin::decode(&mut decoder))
                    .expect("decoded before")
            });
        });
        group.finish();
    }
    Ok(())
}

/// Writes what a FLAC of 16 bits in stereo at 44.1 kHz holds as a WAV of 16 bits.
fn write_wav(flac: &Path, wav: &Path) -> Result<()> {
    const SCALE: f32 = 32_768.0;
    let mut native = Native::open(flac)?;
    let mut data = Vec::new();
    while let Some(samples) = native.packet()? {
        data.extend(samples.iter().flat_map(|sample| ((sample * SCALE) as i16).to_le_bytes()));
    }
    let bytes = u32::try_from(data.len())?;
    let (channels, rate, frame) = (2u16, 44_100u32, 4u16);
    let mut file = Vec::with_capacity(data.len() + 44);
    file.extend(b"RIFF");
    file.extend((36 + bytes).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16u32.to_le_bytes());
    file.extend(1u16.to_le_bytes());
    file.extend(channels.to_le_bytes());
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(frame)).to_le_bytes());
    file.extend(frame.to_le_bytes());
    file.extend(16u16.to_le_bytes());
    file.extend(b"data");
    file.extend(bytes.to_le_bytes());
    file.extend(data);
    Ok(fs::write(wav, file)?)
}
