//! Packages made for a case, and runtimes in directories of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::{Value, json};
use stellatune_plugins::{
    Decoder, DecoderChoice, Engine, Input, PcmBlock, RestartPolicy, Result, Runtime, RuntimeBuilder,
};
use tempfile::TempDir;

use super::{Subject, fixture};

/// A package whose one component is a fixture: a decoder that takes every extension.
pub(crate) struct Package {
    dir: TempDir,
    manifest: Value,
}

impl Package {
    pub(crate) fn decoder(id: &str, fixture: &str) -> Self {
        let manifest = json!({
            "schema_version": 1,
            "id": id,
            "name": format!("{fixture}, for a test"),
            "version": "1.0.0",
            "api_version": 1,
            "components": [{
                "id": "decoder",
                "path": "wasm/decoder.wasm",
                "world": "stellatune:plugin/decoder-plugin@0.1.0",
                "abilities": [{ "kind": "decoder", "type_id": "test", "decoder": { "wildcard_score": 50 } }],
            }],
        });
        let package = Self { dir: TempDir::new().expect("a directory"), manifest };
        package.file("wasm/decoder.wasm", &fixture::wasm(fixture));
        package.write();
        package
    }

    /// Changes the manifest.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.manifest);
        self.write();
        self
    }

    /// The package as a directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Adds a file.
    pub(crate) fn file(&self, name: &str, content: &[u8]) {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a file has a directory")).expect("a directory");
        fs::write(path, content).expect("a file");
    }

    /// The package as a zip, with entries besides its own files.
    pub(crate) fn zip(&self, more: &[(&str, &[u8])]) -> PathBuf {
        let manifest = self.manifest.to_string();
        let wasm = fs::read(self.dir.path().join("wasm/decoder.wasm")).expect("the component");
        let mut entries = vec![("plugin.json", manifest.as_bytes()), ("wasm/decoder.wasm", &*wasm)];
        entries.extend(more);
        let path = self.dir.path().join("package.zip");
        fs::write(&path, zip(&entries)).expect("a file");
        path
    }

    fn write(&self) {
        self.file("plugin.json", self.manifest.to_string().as_bytes());
    }
}

/// A zip of stored entries (APPNOTE 4.3), for names that no tool would write.
fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let offset = out.len() as u32;
        let (size, name_length) = (content.len() as u32, name.len() as u16);
        let mut common = Vec::new();
        for half in [20u16, 0, 0, 0, 0x21] {
            common.extend(half.to_le_bytes());
        }
        for word in [crc32(content), size, size] {
            common.extend(word.to_le_bytes());
        }
        common.extend(name_length.to_le_bytes());
        common.extend([0, 0]);
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(name.as_bytes());
        out.extend(*content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let (count, offset, size) = (entries.len() as u16, out.len() as u32, directory.len() as u32);
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([count.to_le_bytes(), count.to_le_bytes()].concat());
    out.extend([size.to_le_bytes(), offset.to_le_bytes()].concat());
    out.extend([0, 0]);
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes
        .iter()
        .fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1))))
}

/// A directory for plugins, and what may be around it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().expect("a directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.0.path().join("plugins")
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.0.path().join("cache")
    }

    /// A runtime that compiles what its engine does not remember.
    pub(crate) fn runtime(&self, subject: &Subject) -> Runtime {
        self.builder(subject.engine()).without_cache().build().expect("a runtime")
    }

    pub(crate) fn builder(&self, engine: Arc<dyn Engine>) -> RuntimeBuilder {
        // Guests crash on purpose here, again and again.
        let restarts = RestartPolicy::immediate();
        Runtime::builder(engine).plugins_dir(self.plugins()).cache_dir(self.cache()).restarts(restarts)
    }
}

/// A runtime with one decoder installed.
pub(crate) fn installed(subject: &Subject, fixture: &str) -> (Home, Runtime) {
    let home = Home::new();
    let runtime = home.runtime(subject);
    wait(runtime.install(Package::decoder("test.plugin", fixture).path())).expect("installs");
    (home, runtime)
}

/// Awaits what a runtime does.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    pollster::block_on(future)
}

/// Opens bytes with whatever decoder is best for the extension.
pub(crate) fn open(runtime: &Runtime, bytes: impl Into<Arc<[u8]>>, ext: &str) -> Result<Decoder> {
    wait(runtime.open_decoder(&Input::bytes(bytes).with_ext(ext), &DecoderChoice::Auto))
}

/// Reads to the end.
pub(crate) fn read_all(decoder: &mut Decoder) -> Result<Vec<f32>> {
    let mut samples = Vec::new();
    while let Some(PcmBlock { samples: block, .. }) = wait(decoder.read(4096))? {
        samples.extend(block);
    }
    Ok(samples)
}
