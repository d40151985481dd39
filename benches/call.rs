//! `call/<ability>/<method or size>/<engine>`: one call of a guest at the engine seam, beside the same call of the same
//! component through Wasmtime's own typed bindings. See README.md.

#[allow(dead_code, reason = "each bench uses a part of it")]
mod common;
#[path = "call/typed.rs"]
mod typed;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use common::seam::{self, Seam};
use criterion::Criterion;
use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    engine::Instance,
    error::CallResult,
    types::AudioSpec,
};
use stellatune_plugins::{engine, engines};

const CD: AudioSpec = AudioSpec { sample_rate: 44_100, channels: 2 };

/// One call, made over and over.
type Call = Box<dyn FnMut()>;

/// A row: its name, the fixture, the call at the seam and the call without us.
type Row = (&'static str, &'static str, fn(Seam) -> CallResult<Call>, fn(&[u8]) -> wasmtime::Result<Call>);

const ROWS: [Row; 9] = [
    ("dsp/128", "echo-dsp", |seam| process(seam, 128), |wasm| typed::process(wasm, 128)),
    ("dsp/512", "echo-dsp", |seam| process(seam, 512), |wasm| typed::process(wasm, 512)),
    ("dsp/4096", "echo-dsp", |seam| process(seam, 4096), |wasm| typed::process(wasm, 4096)),
    ("output-sink/512", "echo-sink", write, typed::write),
    ("output-sink/query-status", "echo-sink", status, typed::status),
    ("decoder/info", "hook-error-disable", info, typed::info),
    ("decoder/metadata", "hook-error-disable", metadata, typed::metadata),
    ("source/list-items-json", "echo-source", list_items, typed::list_items),
    ("lyrics/search", "echo-lyrics", search, typed::search),
];

/// What is listed and searched for.
const REQUEST: &str = "{\"action\":\"search\",\"keywords\":\"eight bars\"}";

fn main() -> Result<()> {
    let mut criterion = Criterion::default().configure_from_args().measurement_time(Duration::from_secs(3));
    for (name, fixture, seam, typed) in ROWS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/prebuilt").join(fixture).with_extension("wasm");
        let wasm = fs::read(&path).with_context(|| path.display().to_string())?;
        let mut group = criterion.benchmark_group(format!("call/{name}"));
        let mut call = typed(&wasm).map_err(|error| anyhow::anyhow!("{name}: {error:#}"))?;
        group.bench_function("typed", |bench| bench.iter(&mut call));
        for id in engines() {
            let mut call = seam(Seam::start(&*engine(Some(id))?, &wasm)?).with_context(|| format!("{name} on {id}"))?;
            group.bench_function(*id, |bench| bench.iter(&mut call));
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}

/// So many frames of silence in stereo.
fn silence(frames: usize) -> Vec<u8> {
    vec![0; frames * 8]
}

fn process(mut seam: Seam, frames: usize) -> CallResult<Call> {
    fn dsp(instance: &mut dyn Instance) -> &mut dyn Dsp {
        instance.dsp().expect("a dsp")
    }
    let processor = seam.call(|it| dsp(it).create(CD))?;
    let block = silence(frames);
    Ok(repeat(seam, move |it| dsp(it).process_interleaved_f32(processor, 2, &block)))
}

fn sink(instance: &mut dyn Instance) -> &mut dyn OutputSink {
    instance.output_sink().expect("a sink")
}

fn write(mut seam: Seam) -> CallResult<Call> {
    let session = seam.call(|it| sink(it).create())?;
    seam.call(|it| sink(it).open_json(session, "{\"id\":\"echo\"}", CD))?;
    let block = silence(512);
    Ok(repeat(seam, move |it| sink(it).write_interleaved_f32(session, 2, &block)))
}

fn status(mut seam: Seam) -> CallResult<Call> {
    let session = seam.call(|it| sink(it).create())?;
    Ok(repeat(seam, move |it| sink(it).query_status(session)))
}

fn decoder(instance: &mut dyn Instance) -> &mut dyn Decoder {
    instance.decoder().expect("a decoder")
}

fn info(mut seam: Seam) -> CallResult<Call> {
    let session = seam.call(|it| decoder(it).open(seam::no_stream(), None))?;
    Ok(repeat(seam, move |it| decoder(it).info(session)))
}

fn metadata(mut seam: Seam) -> CallResult<Call> {
    let session = seam.call(|it| decoder(it).open(seam::no_stream(), None))?;
    Ok(repeat(seam, move |it| decoder(it).metadata(session)))
}

fn list_items(mut seam: Seam) -> CallResult<Call> {
    fn source(instance: &mut dyn Instance) -> &mut dyn Source {
        instance.source().expect("a source")
    }
    let catalog = seam.call(|it| source(it).create())?;
    Ok(repeat(seam, move |it| source(it).list_items_json(catalog, REQUEST)))
}

fn search(mut seam: Seam) -> CallResult<Call> {
    fn lyrics(instance: &mut dyn Instance) -> &mut dyn Lyrics {
        instance.lyrics().expect("lyrics")
    }
    let provider = seam.call(|it| lyrics(it).create())?;
    Ok(repeat(seam, move |it| lyrics(it).search(provider, REQUEST)))
}

fn repeat<T: 'static>(mut seam: Seam, call: impl Fn(&mut dyn Instance) -> CallResult<T> + 'static) -> Call {
    Box::new(move || drop(std::hint::black_box(seam.call(&call).expect("answered before"))))
}
