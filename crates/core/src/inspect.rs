//! What a package contains and asks for, read without installing, compiling or running any of it.
//!
//! [`Inspected`] is the whole package, from an artifact or from a plugin that is here ([`crate::registry`]); a component
//! that does not fit its world is part of the answer and no failure of it.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    error::{Error, Result},
    limits::COMPONENT_BYTES,
    manifest::{Component, ComponentId, Manifest, shown},
    package::{Artifact, ContentHash, FileEntry, StagedPackage},
    world::{self, HostFunction, Verified},
};

/// What a package contains and asks for.
#[derive(Debug)]
#[non_exhaustive]
pub struct Inspected {
    /// What it says about itself.
    pub manifest: Manifest,
    /// Tells two packages of one version apart.
    pub hash: ContentHash,
    /// Every file, sorted by path; `None` for a package of an older host, which kept no list.
    pub files: Option<Vec<FileEntry>>,
    /// Its components, in the manifest's order.
    pub components: Vec<InspectedComponent>,
}

/// A component of a package, looked at.
#[derive(Debug)]
#[non_exhaustive]
pub struct InspectedComponent {
    /// Its id in the package.
    pub id: ComponentId,
    /// Bytes of its file; 0 where it cannot be read.
    pub size: u64,
    /// Of its file; `None` where it cannot be read.
    pub hash: Option<ContentHash>,
    /// What its types say, or why it is not what the manifest says.
    pub verified: Result<Verified>,
}

impl Inspected {
    /// Reads an artifact as an installation would, into `staging`, an empty directory whose maker removes it.
    ///
    /// # Errors
    /// As an installation before it looks at components: `not_found`, `rejected_package`, `io`.
    pub fn artifact(path: &Path, staging: &Path) -> Result<Self> {
        Ok(Self::staged(&Artifact::open(path)?.stage(staging)?))
    }

    /// Looks at a package that was staged.
    pub fn staged(package: &StagedPackage) -> Self {
        let look =
            |component: &Component| InspectedComponent::new(component, read(&component.path.under(&package.root)));
        Self {
            hash: ContentHash::of_package(&package.files),
            files: Some(package.files.clone()),
            components: package.manifest.components.iter().map(look).collect(),
            manifest: package.manifest.clone(),
        }
    }

    /// What the package asks the host for: `kind:what` where its manifest says, `function:*` for each host function that
    /// its components import where it does not.
    pub fn asked(&self) -> Vec<String> {
        let verified = self.components.iter().filter_map(|component| component.verified.as_ref().ok());
        asked(&self.manifest, verified)
    }
}

/// As [`Inspected::asked`].
pub(crate) fn asked<'a>(manifest: &Manifest, verified: impl Iterator<Item = &'a Verified>) -> Vec<String> {
    if let Some(permissions) = &manifest.permissions {
        return permissions.asks();
    }
    let imported: Vec<_> = verified.flat_map(|component| &component.dangerous).collect();
    let functions = HostFunction::ALL.into_iter().filter(|function| imported.contains(&function));
    functions.map(|function| format!("{}:*", function.name())).collect()
}

impl InspectedComponent {
    /// Looks at a component's bytes.
    pub(crate) fn new(component: &Component, bytes: Result<Vec<u8>>) -> Self {
        let (size, hash) = bytes.as_ref().map_or((0, None), |bytes| (bytes.len() as u64, Some(ContentHash::of(bytes))));
        let verified = bytes.and_then(|bytes| world::verify(&bytes, component.world));
        let verified = verified.map_err(|error| of_component(component, error));
        Self { id: component.id.clone(), size, hash, verified }
    }
}

/// A component's file, up to one byte more than a component may have, which is enough to refuse it.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    let read = |file: File| -> io::Result<Vec<u8>> {
        let mut wasm = Vec::new();
        file.take(COMPONENT_BYTES as u64 + 1).read_to_end(&mut wasm)?;
        Ok(wasm)
    };
    File::open(path).and_then(read).map_err(|error| Error::io("read", path, error))
}

/// The same error, saying which component it is about.
pub(crate) fn of_component(component: &Component, error: Error) -> Error {
    let message = format!("component {}: {}", shown(component.id.as_str()), error.message());
    let named = match error.rule() {
        Some(rule) => Error::rejected(rule, message),
        None => Error::new(error.kind(), message),
    };
    match error.help_text().map(str::to_owned) {
        Some(help) => named.help(help).source_error(error),
        None => named.source_error(error),
    }
}
