//! What a component's file must be before anyone looks at its types: there, a file, and a component in binary form.

use std::{fs::File, io::Read, path::Path};

use crate::{
    error::{Error, Result},
    limits::COMPONENT_BYTES,
    manifest::{Component, PackagePath, shown},
};

/// That the file of a component is among the package's, spelled as the manifest spells it.
pub(super) fn check_place(component: &Component, files: &[PackagePath]) -> Result<()> {
    if files.contains(&component.path) {
        return Ok(());
    }
    let prefix = format!("{}/", component.path);
    if files.iter().any(|file| file.as_str().starts_with(&prefix)) {
        return Err(refuse("component-directory", component, "is a directory"));
    }
    Err(refuse("missing-file", component, "is not in the package"))
}

/// That the file of a component is one by its header.
pub(super) fn check_file(root: &Path, component: &Component) -> Result<()> {
    let path = component.path.under(root);
    let io = |error| Error::io("read", &path, error);
    let file = File::open(&path).map_err(io)?;
    let size = file.metadata().map_err(io)?.len();
    if size > COMPONENT_BYTES as u64 {
        return Err(refuse("component-size", component, "has more than 64 MiB"));
    }
    let mut head = Vec::new();
    file.take(64).read_to_end(&mut head).map_err(io)?;
    check_header(component, &head)
}

/// That the bytes of a component begin as one: magic, version and layer (component model, Binary.md, preamble).
pub(crate) fn check_header(component: &Component, head: &[u8]) -> Result<()> {
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
    const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
    /// ELF, PE, Mach-O in its four forms, and an engine's own container.
    const NATIVE: [&[u8]; 7] = [
        b"\x7fELF",
        b"MZ",
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
        b"wasmer-",
    ];
    if head.starts_with(COMPONENT) {
        Ok(())
    } else if head.starts_with(CORE_MODULE) {
        Err(refuse("core-module", component, "is a core module, not a component")
            .help("build it for wasm32-wasip2, or wrap it with `wasm-tools component new`"))
    } else if head.starts_with(b"\0asm") {
        Err(refuse("component-version", component, "has another version of the binary format"))
    } else if NATIVE.iter().any(|magic| head.starts_with(magic)) {
        Err(refuse("precompiled", component, "is native or precompiled code, which is never loaded from a package"))
    } else if head.trim_ascii_start().starts_with(b"(") || head.trim_ascii_start().starts_with(b";;") {
        Err(refuse("not-wasm", component, "is WebAssembly text; packages carry the binary form"))
    } else {
        Err(refuse("not-wasm", component, "is not WebAssembly"))
    }
}

fn refuse(rule: &'static str, component: &Component, why: &str) -> Error {
    let (id, path) = (shown(component.id.as_str()), shown(component.path.as_str()));
    Error::rejected(rule, format!("the file {path} of component {id} {why}"))
}
