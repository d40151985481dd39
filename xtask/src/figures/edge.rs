//! What the rows about crashes share: plugins made of fixtures, and what this process holds.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use pollster::block_on;
use stellatune_plugins::{Decoder, DecoderChoice, Input, RestartPolicy, Runtime, RuntimeBuilder};
use tempfile::TempDir;

use super::common::{
    plugin::{self, Plugins},
    root,
};

/// A package of one decoder, `test.NAME:edge`, whose component `NAME` is `wasm`.
pub(super) fn package(name: &str, wasm: &[u8]) -> Result<TempDir> {
    let package = tempfile::tempdir()?;
    fs::write(package.path().join("edge.wasm"), wasm)?;
    let manifest = format!(
        r#"{{ "schema_version": 1, "id": "test.{name}", "name": "{name}", "version": "1", "api_version": 1,
            "components": [{{ "id": "{name}", "path": "edge.wasm", "world": "decoder-plugin",
                "abilities": [{{ "kind": "decoder", "type_id": "edge", "decoder": {{ "wildcard_score": 1 }} }}] }}] }}"#
    );
    fs::write(package.path().join("plugin.json"), manifest)?;
    Ok(package)
}

/// The component of the fixture that misbehaves on demand.
pub(super) fn edge_decoder() -> Result<Vec<u8>> {
    let path: &Path = &root().join("fixtures/prebuilt/edge-decoder.wasm");
    fs::read(path).with_context(|| path.display().to_string())
}

/// That fixture as the plugin `test.edge`.
pub(super) fn plugins(engine: &str) -> Result<Plugins> {
    Plugins::of(engine, package("edge", &edge_decoder()?)?.path())
}

/// A runtime that crashes on purpose and is not slowed down for it.
pub(super) fn builder(plugins: &Plugins) -> RuntimeBuilder {
    plugins.builder().restarts(RestartPolicy::immediate())
}

/// Opens a stream that the fixture treats as the hint says.
pub(super) fn open(runtime: &Runtime, plugin: &str, input: Input, hint: &str) -> Result<Decoder> {
    let choice = DecoderChoice::Named(format!("test.{plugin}:edge").parse()?);
    Ok(block_on(runtime.open_decoder(&input.with_ext(hint), &choice))?)
}

/// A new session decodes.
pub(super) fn next_call(runtime: &Runtime) -> Result<()> {
    let samples = [0.25f32, -0.5, 1.0];
    let bytes = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<_>>();
    let mut decoder = open(runtime, "edge", Input::bytes(bytes), "echo").context("the next call")?;
    let decoded = plugin::block(&mut decoder).context("the next call")?;
    anyhow::ensure!(decoded == samples, "the next call gives other samples");
    Ok(())
}

/// Bytes of this process in memory now.
pub(super) fn resident() -> Result<u64> {
    let statm = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split(' ').nth(1).context("no second field")?.parse()?;
    Ok(pages * 4096)
}

/// Bytes of this process in memory at most since [`forget_peak`].
pub(super) fn peak() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}

/// Has [`peak`] begin at what is in memory now.
pub(super) fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs")
}

/// Descriptors, threads and mappings of this process.
pub(super) fn held() -> Result<[usize; 3]> {
    let count = |path: &str| Ok::<_, std::io::Error>(fs::read_dir(path)?.count());
    let maps = fs::read_to_string("/proc/self/maps")?.lines().count();
    Ok([count("/proc/self/fd")?, count("/proc/self/task")?, maps])
}
