//! `stellatune plugin pack`: a directory as a zip that installs.

use std::{
    fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use stellatune_plugins::{Error, Result, inspect::Inspected};

use super::{Scratch, bundle::Bundle};
use crate::output::{Output, unwritable};
use crate::plugin::size;

/// Packs a directory. The zip is read as an installation would read it before it gets its name.
///
/// # Errors
/// What an installation of the zip would answer; `not_found`: no such directory or manifest; `io`. What lay at the place
/// of the zip is as it was.
pub(crate) fn pack(dir: &Path, output: Option<&Path>) -> Result<PackDocument> {
    pack_to(dir, output).map_err(|error| error.during("pack"))
}

fn pack_to(dir: &Path, output: Option<&Path>) -> Result<PackDocument> {
    let bundle = Bundle::collect(dir)?;
    let manifest = &bundle.manifest;
    let name = || PathBuf::from(format!("{}-{}.zip", manifest.id, manifest.version));
    let path = output.map_or_else(name, Path::to_owned);
    let output = Output::create(&path, dir)?;

    let scratch = Scratch::new()?;
    let zip = scratch.path().join("package.zip");
    bundle.write(&zip)?;
    let inspected = Inspected::artifact(&zip, &scratch.staging()?)?;
    let (hash, files) = (inspected.hash.to_string(), inspected.files.unwrap_or_default());
    for component in inspected.components {
        component.verified.map_err(|error| error.plugin(manifest.id.as_str()))?;
    }
    let read = |error| Error::io("read", &zip, error);
    let mut packed = File::open(&zip).map_err(read)?;
    let bytes = io::copy(&mut packed, &mut output.file()).map_err(|error| unwritable(&path, error))?;
    output.commit(bytes)?;
    Ok(PackDocument {
        id: manifest.id.to_string(),
        version: manifest.version.clone(),
        path: fs::canonicalize(&path).unwrap_or(path).display().to_string(),
        size: bytes,
        hash,
        files: files.iter().map(|file| Packed { path: file.path.to_string(), size: file.size }).collect(),
        left_out: bundle.left_out,
    })
}

/// What `plugin pack` answers.
#[derive(Debug, Serialize)]
pub(crate) struct PackDocument {
    id: String,
    version: String,
    path: String,
    size: u64,
    /// Of the package, as `plugin show` tells it.
    hash: String,
    files: Vec<Packed>,
    left_out: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Packed {
    path: String,
    size: u64,
}

impl fmt::Display for PackDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "packed    {} {}", self.id, self.version)?;
        for file in &self.files {
            writeln!(f, "  {}  {}", file.path, size(file.size))?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out  {}", self.left_out.join(", "))?;
        }
        writeln!(f, "hash      {}", self.hash)?;
        writeln!(f, "output    {}, {}", self.path, size(self.size))
    }
}
