//! The same calls through Wasmtime's own typed bindings, with nothing of ours between: the floor of a component call.
//!
//! The engine is configured as ours where it changes code and calls (epochs, no concurrency support). Imports are stubs, since
//! no call measured here reaches one.

use wasmtime::{
    Config, Engine, Store,
    component::{Component, Instance, Linker, Resource, ResourceType},
};

use super::{CD, Call, REQUEST, silence};

macro_rules! bindings {
    ($($module:ident $world:literal)+) => {$(
        #[allow(missing_docs, unused_qualifications, unreachable_pub, clippy::all, reason = "generated")]
        mod $module {
            wasmtime::component::bindgen!({ path: "wit/stellatune-plugin", world: $world });
        }
    )+};
}

bindings! {
    decoder "stellatune:plugin/decoder-plugin"
    source "stellatune:plugin/source-plugin"
    lyrics "stellatune:plugin/lyrics-plugin"
    output_sink "stellatune:plugin/output-sink-plugin"
    dsp "stellatune:plugin/dsp-plugin"
}

/// Instantiates a component. `S` is what its bindings call a stream of the host.
fn start<S: 'static>(wasm: &[u8]) -> wasmtime::Result<(Store<()>, Instance)> {
    let mut config = Config::new();
    config.epoch_interruption(true).concurrency_support(false);
    let engine = Engine::new(&config)?;
    let component = Component::new(&engine, wasm)?;
    let mut linker = Linker::new(&engine);
    let mut streams = linker.instance("stellatune:plugin/host-stream@0.1.0")?;
    streams.resource("host-stream-handle", ResourceType::host::<S>(), |_, _| Ok(()))?;
    streams.func_wrap("[method]host-stream-handle.close", |_, (_,): (Resource<S>,)| Ok(()))?;
    linker.define_unknown_imports_as_traps(&component)?;
    let mut store = Store::new(&engine, ());
    // Far beyond the run, and nobody counts.
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = linker.instantiate(&mut store, &component)?;
    Ok((store, instance))
}

/// What a guest answers with, which the rows expect to be no refusal.
fn accepted<T, E: std::fmt::Debug>(answer: Result<T, E>) -> wasmtime::Result<T> {
    answer.map_err(|error| wasmtime::Error::msg(format!("{error:?}")))
}

fn repeat<T>(mut call: impl FnMut() -> wasmtime::Result<T> + 'static) -> wasmtime::Result<Call> {
    call()?;
    Ok(Box::new(move || drop(std::hint::black_box(call().expect("answered before")))))
}

pub(crate) fn process(wasm: &[u8], frames: usize) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<()>(wasm)?;
    let guest = dsp::DspPlugin::new(&mut store, &instance)?;
    let spec = dsp::stellatune::plugin::common::AudioSpec { sample_rate: CD.sample_rate, channels: CD.channels };
    let processor = accepted(guest.stellatune_plugin_dsp().call_create(&mut store, spec)?)?;
    let block = silence(frames);
    repeat(move || {
        let methods = guest.stellatune_plugin_dsp().processor();
        accepted(methods.call_process_interleaved_f32(&mut store, processor, 2, &block)?)
    })
}

pub(crate) fn write(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<()>(wasm)?;
    let guest = output_sink::OutputSinkPlugin::new(&mut store, &instance)?;
    let spec =
        output_sink::stellatune::plugin::common::AudioSpec { sample_rate: CD.sample_rate, channels: CD.channels };
    let sink = guest.stellatune_plugin_output_sink();
    let session = accepted(sink.call_create(&mut store)?)?;
    accepted(sink.session().call_open_json(&mut store, session, "{\"id\":\"echo\"}", spec)?)?;
    let block = silence(512);
    repeat(move || {
        let methods = guest.stellatune_plugin_output_sink().session();
        accepted(methods.call_write_interleaved_f32(&mut store, session, 2, &block)?)
    })
}

pub(crate) fn status(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<()>(wasm)?;
    let guest = output_sink::OutputSinkPlugin::new(&mut store, &instance)?;
    let session = accepted(guest.stellatune_plugin_output_sink().call_create(&mut store)?)?;
    repeat(move || accepted(guest.stellatune_plugin_output_sink().session().call_query_status(&mut store, session)?))
}

pub(crate) fn info(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<decoder::stellatune::plugin::host_stream::HostStreamHandle>(wasm)?;
    let guest = decoder::DecoderPlugin::new(&mut store, &instance)?;
    let stream = Resource::new_own(1);
    let session = accepted(guest.stellatune_plugin_decoder().call_open(&mut store, stream, None)?)?;
    repeat(move || accepted(guest.stellatune_plugin_decoder().session().call_info(&mut store, session)?))
}

pub(crate) fn metadata(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<decoder::stellatune::plugin::host_stream::HostStreamHandle>(wasm)?;
    let guest = decoder::DecoderPlugin::new(&mut store, &instance)?;
    let stream = Resource::new_own(1);
    let session = accepted(guest.stellatune_plugin_decoder().call_open(&mut store, stream, None)?)?;
    repeat(move || accepted(guest.stellatune_plugin_decoder().session().call_metadata(&mut store, session)?))
}

pub(crate) fn list_items(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<source::stellatune::plugin::host_stream::HostStreamHandle>(wasm)?;
    let guest = source::SourcePlugin::new(&mut store, &instance)?;
    let catalog = accepted(guest.stellatune_plugin_source().call_create(&mut store)?)?;
    repeat(move || {
        accepted(guest.stellatune_plugin_source().catalog().call_list_items_json(&mut store, catalog, REQUEST)?)
    })
}

pub(crate) fn search(wasm: &[u8]) -> wasmtime::Result<Call> {
    let (mut store, instance) = start::<()>(wasm)?;
    let guest = lyrics::LyricsPlugin::new(&mut store, &instance)?;
    let provider = accepted(guest.stellatune_plugin_lyrics().call_create(&mut store)?)?;
    repeat(move || accepted(guest.stellatune_plugin_lyrics().provider().call_search(&mut store, provider, REQUEST)?))
}
