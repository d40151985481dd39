//! Which files of a directory make a package, and the zip of them.
//!
//! In a package are `plugin.json`, every file that it names, all of `wasm`, `bin` and `assets` but hidden files, and the
//! licences and readmes beside the manifest. What else there is is left out, and said. The zip depends on names and
//! contents alone, so that the same files give the same bytes.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use flate2::{Compression, write::DeflateEncoder};
use rawzip::{CompressionMethod, Crc32, DataDescriptorOutput, ZipArchiveWriter, time::UtcDateTime};
use stellatune_plugins::{
    Error, ErrorKind, Result,
    manifest::{self, Manifest},
    package::{FILE_BYTES, TOTAL_BYTES},
};

/// Directories that belong to a package as a whole.
const DIRECTORIES: [&str; 3] = ["assets", "bin", "wasm"];

/// What the names of licences and readmes begin with, in upper case.
const TEXTS: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "README"];

/// Where cargo puts what it built for the target of plugins, below its target directory.
const BUILT: &str = "wasm32-wasip2/release";

/// Zlib's middle: more effort takes twice as long and saves a percent.
const LEVEL: u32 = 6;

/// Whether a directory holds the sources of a plugin, as `plugin new` makes them.
pub(super) fn is_source(path: &Path) -> bool {
    path.join(manifest::FILE_NAME).is_file() && path.join("Cargo.toml").is_file()
}

/// The files of a package, where they lie.
pub(super) struct Bundle {
    pub(super) manifest: Manifest,
    /// By the path in the package.
    pub(super) files: BTreeMap<String, PathBuf>,
    /// Names beside the manifest that are not in the package, directories with a `/`.
    pub(super) left_out: Vec<String>,
}

impl Bundle {
    /// Looks at a directory.
    ///
    /// # Errors
    /// `not_found`: there is no such directory, manifest or named file; `rejected_package`: the manifest is not valid, or
    /// there are links; `io`.
    pub(super) fn collect(dir: &Path) -> Result<Self> {
        let manifest = read_manifest(dir)?;
        let mut bundle = Self { manifest, files: BTreeMap::new(), left_out: Vec::new() };
        for (name, kind) in entries(dir)? {
            let path = dir.join(&name);
            let text = TEXTS.iter().any(|text| name.to_ascii_uppercase().starts_with(text));
            match kind {
                Kind::Directory if DIRECTORIES.contains(&name.as_str()) => bundle.directory(&path, &name)?,
                Kind::File if name == manifest::FILE_NAME || text => drop(bundle.files.insert(name, path)),
                Kind::Other if text || name == manifest::FILE_NAME || DIRECTORIES.contains(&name.as_str()) => {
                    return Err(link(&path));
                }
                Kind::Directory => bundle.left_out.push(format!("{name}/")),
                Kind::File | Kind::Other => bundle.left_out.push(name),
            }
        }
        bundle.named(dir)?;
        let Self { files, left_out, .. } = &bundle;
        let left_out = left_out.iter().filter(|name| !files.contains_key(*name)).map(|name| {
            let partly = name.ends_with('/') && files.keys().any(|file| file.starts_with(name));
            if partly { format!("{name} but for what plugin.json names") } else { name.clone() }
        });
        Ok(Self { left_out: left_out.collect(), ..bundle })
    }

    /// Takes everything below a directory but what is hidden.
    fn directory(&mut self, path: &Path, name: &str) -> Result<()> {
        for (entry, kind) in entries(path)? {
            let (path, name) = (path.join(&entry), format!("{name}/{entry}"));
            match kind {
                _ if entry.starts_with('.') => self.left_out.push(name),
                Kind::Directory => self.directory(&path, &name)?,
                Kind::File => drop(self.files.insert(name, path)),
                Kind::Other => return Err(link(&path)),
            }
        }
        Ok(())
    }

    /// Takes what the manifest names, components that are not there from where cargo built them.
    fn named(&mut self, dir: &Path) -> Result<()> {
        let components = self.manifest.components.iter().map(|component| (component.path.to_string(), true));
        let permissions = self.manifest.permissions.iter();
        let sidecars = permissions.flat_map(|permissions| &permissions.sidecars).map(|path| (path.to_string(), false));
        let named: Vec<_> = components.chain(sidecars).collect();
        for (name, component) in named {
            let path = dir.join(&name);
            let path = match fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => path,
                Ok(_) => {
                    let message = format!("{} is named by plugin.json and is no plain file", path.display());
                    return Err(Error::rejected("file-type", message));
                }
                Err(_) if component && dir.join("Cargo.toml").is_file() => built(dir, &name)?,
                Err(_) => {
                    let message = format!("plugin.json names {name}, which is not in {}", dir.display());
                    return Err(Error::rejected("missing-file", message));
                }
            };
            self.files.insert(name, path);
        }
        Ok(())
    }

    /// Writes the zip. Its bytes depend on the names and contents of the files alone.
    ///
    /// # Errors
    /// `io`: a file cannot be read, or the zip not be written.
    pub(super) fn write(&self, zip: &Path) -> Result<()> {
        let write = |error| Error::io("write", zip, error);
        let file = File::create(zip).map_err(write)?;
        let mut archive = ZipArchiveWriter::new(BufWriter::new(file));
        let mut total = 0;
        for (name, path) in &self.files {
            let content = read(path)?;
            total += content.len() as u64;
            if total > TOTAL_BYTES {
                return Err(Error::rejected("total-size", "the files of the package have more than 512 MiB"));
            }
            entry(&mut archive, name, &content).map_err(|error| packing(zip, error))?;
        }
        let file = archive.finish().map_err(|error| packing(zip, error))?;
        file.into_inner().map_err(|error| write(error.into_error()))?;
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let io = |error| Error::io("read", path, error);
    let file = File::open(path).map_err(io)?;
    let mut content = Vec::new();
    file.take(FILE_BYTES + 1).read_to_end(&mut content).map_err(io)?;
    if content.len() as u64 > FILE_BYTES {
        return Err(Error::rejected("file-size", format!("{} has more than 128 MiB", path.display())));
    }
    Ok(content)
}

fn link(path: &Path) -> Error {
    let message = format!("{} is neither a plain file nor a directory", path.display());
    Error::rejected("file-type", message).help("put the file itself there")
}

fn entry(archive: &mut ZipArchiveWriter<impl Write>, name: &str, content: &[u8]) -> Result<(), rawzip::Error> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(content)?;
    let packed = encoder.finish()?;
    // Readers take what unpacks to more than 200 times its size for an attack.
    let suspicious = content.len() > 1024 * 1024 && content.len() / 200 >= packed.len();
    let (method, data) = if suspicious || packed.len() >= content.len() {
        (CompressionMethod::STORE, content)
    } else {
        (CompressionMethod::DEFLATE, &packed[..])
    };
    let mode = if name.starts_with("bin/") { 0o755 } else { 0o644 };
    let new = archive.new_file(name).compression_method(method).unix_permissions(mode).last_modified(time());
    let (mut entry, _) = new.start()?;
    entry.write_all(data)?;
    let mut crc = Crc32::new();
    crc.update(content);
    entry.finish(DataDescriptorOutput::new(crc.checksum(), content.len() as u64))?;
    Ok(())
}

/// The time of every entry: the first that a zip can tell.
fn time() -> UtcDateTime {
    const SECONDS: i64 = 315_532_800;
    UtcDateTime::from_unix(SECONDS)
}

fn packing(zip: &Path, error: rawzip::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write {}: {error}", zip.display())).source_error(error)
}

fn read_manifest(dir: &Path) -> Result<Manifest> {
    let path = dir.join(manifest::FILE_NAME);
    let length = fs::metadata(&path).map(|found| found.len());
    let json = match length {
        // The one that is too long is read no further than it takes to say so.
        Ok(length) if length > manifest::MAX_BYTES as u64 => vec![b' '; manifest::MAX_BYTES + 1],
        Ok(_) => fs::read(&path).map_err(|error| Error::io("read", &path, error))?,
        Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            let message = format!("there is no {} in {}", manifest::FILE_NAME, dir.display());
            return Err(Error::new(ErrorKind::NotFound, message).help("name the directory that holds it"));
        }
        Err(error) => return Err(Error::io("read", &path, error)),
    };
    Manifest::parse(&json)
}

/// The component that cargo built, which has the file name of the one the manifest wants.
fn built(dir: &Path, name: &str) -> Result<PathBuf> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let target = env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty());
    let path = target.map_or_else(|| dir.join("target"), |target| dir.join(target)).join(BUILT).join(file);
    if path.is_file() {
        return Ok(path);
    }
    let message = format!("{name} is not built: it is neither in {} nor at {}", dir.display(), path.display());
    Err(Error::rejected("missing-file", message).help("run `cargo build --release --target wasm32-wasip2` there first"))
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Directory,
    Other,
}

/// What lies in a directory, by name; links are not followed.
fn entries(dir: &Path) -> Result<BTreeMap<String, Kind>> {
    let read = |error| Error::io("read", dir, error);
    let mut entries = BTreeMap::new();
    for entry in fs::read_dir(dir).map_err(read)? {
        let entry = entry.map_err(read)?;
        let kind = entry.file_type().map_err(read)?;
        let name = entry.file_name().into_string().map_err(|name| {
            Error::rejected("charset", format!("the name {} in {} is not UTF-8", name.display(), dir.display()))
        })?;
        let kind = match kind {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_file() => Kind::File,
            _ => Kind::Other,
        };
        entries.insert(name, kind);
    }
    Ok(entries)
}
