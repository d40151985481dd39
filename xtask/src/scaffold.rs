//! `cargo xtask scaffold`: takes what `stellatune plugin new` makes from its tests to an installed plugin, as an author would.
//!
//! Where there is no compiler for guests, or crates cannot be fetched, it says what was not run and succeeds; what was run and
//! failed fails.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

const TARGET: &str = "wasm32-wasip2";
const KINDS: [&str; 5] = ["decoder", "source", "lyrics", "sink", "dsp"];
/// Without arguments: the most common kind, and one with configuration and state.
const USUAL: [&str; 2] = ["decoder", "dsp"];

/// Tries the kinds that are named, the usual two, or with `--all` every one.
///
/// # Errors
/// An unknown kind, or the first step that fails.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let kinds: Vec<&str> = match arguments {
        [] => USUAL.to_vec(),
        [option] if option == "--all" => KINDS.to_vec(),
        kinds => kinds.iter().map(String::as_str).collect(),
    };
    for kind in &kinds {
        ensure!(KINDS.contains(kind), "there is no kind `{kind}`; there are {}", KINDS.join(", "));
    }
    let trial = Trial::new(root)?;
    for kind in kinds {
        trial.run(kind).with_context(|| format!("a new {kind} plugin"))?;
    }
    Ok(())
}

/// Bytes shown of what a step that failed said.
const SAID_BYTES: usize = 16 * 1024;

struct Trial {
    app: PathBuf,
    /// Shared by the kinds, and kept, so that their crates are built once.
    target_dir: PathBuf,
    scratch: TempDir,
    /// Why no guest can be built, if none can.
    no_guests: Option<String>,
}

impl Trial {
    fn new(root: &Path) -> Result<Self> {
        let build = ["build", "--release", "--locked", "--quiet", "--package", "stellatune-cli"];
        done("the app", &mut cargo(root, build))?;
        // This program lies where cargo put the app.
        let release = env::current_exe()?.parent().map(Path::to_owned).context("no folder")?;
        let no_guests = no_guests(root)?;
        Ok(Self {
            app: release.join(format!("stellatune{}", env::consts::EXE_SUFFIX)),
            target_dir: release.join("../scaffold"),
            scratch: TempDir::new()?,
            no_guests,
        })
    }

    fn run(&self, kind: &str) -> Result<()> {
        let name = format!("my-{kind}");
        let dir = self.scratch.path().join(&name);
        done("new", self.app(self.scratch.path()).args(["plugin", "new", kind, &name]))?;
        if let Some(why) = unfetched(&mut self.cargo(&dir, ["metadata", "--locked", "--format-version", "1"]))? {
            println!("{kind}: not run: {why}");
            return Ok(());
        }
        done("format", &mut self.cargo(&dir, ["fmt", "--check"]))?;
        done("tests", &mut self.cargo(&dir, ["test", "--locked", "--quiet"]))?;
        if let Some(why) = &self.no_guests {
            println!("{kind}: tests pass; build, pack, check and install not run: {why}");
            return Ok(());
        }
        let mut build = self.cargo(&dir, ["build", "--release", "--locked", "--quiet", "--target", TARGET]);
        if let Some(compiler) = env::var_os("WASM_RUSTC") {
            build.env("RUSTC", compiler);
        }
        done("build", &mut build)?;
        let zip = format!("dev.example.{name}-0.1.0.zip");
        done("pack", self.app(&dir).args(["plugin", "pack", "."]))?;
        done("check", self.app(&dir).args(["plugin", "check", "--strict", &zip]))?;
        done("install", self.app(&dir).args(["plugin", "install", &zip]))?;
        let wasm = self.target_dir.join(TARGET).join("release").join(format!("my_{kind}.wasm"));
        let size = |path: &Path| fs::metadata(path).map(|file| file.len());
        let (wasm, zip) = (size(&wasm)?, size(&dir.join(&zip))?);
        println!("{kind}: tests, builds, packs, checks and installs; component {wasm} bytes, package {zip} bytes");
        Ok(())
    }

    fn app(&self, dir: &Path) -> Command {
        let mut app = Command::new(&self.app);
        app.current_dir(dir).env("CARGO_TARGET_DIR", &self.target_dir);
        app.arg("--plugins-dir").arg(self.scratch.path().join("plugins"));
        app
    }

    fn cargo<const N: usize>(&self, dir: &Path, arguments: [&str; N]) -> Command {
        let mut cargo = cargo(dir, arguments);
        cargo.env("CARGO_TARGET_DIR", &self.target_dir);
        cargo
    }
}

/// Cargo as outside of this workspace: what is set for building this one would change what is built there.
fn cargo<const N: usize>(dir: &Path, arguments: [&str; N]) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(dir).args(arguments);
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(variable);
    }
    cargo
}

fn done(step: &str, command: &mut Command) -> Result<()> {
    let output = output(command)?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("{step} failed\n{}", String::from_utf8_lossy(&said[..said.len().min(SAID_BYTES)]));
    }
    Ok(())
}

fn output(command: &mut Command) -> Result<Output> {
    let name = command.get_program().to_owned();
    command.output().with_context(|| format!("{} cannot be started", Path::new(&name).display()))
}

/// Why the crates of a new plugin cannot be had. A lock file that does not fit is a fault and no such reason.
fn unfetched(metadata: &mut Command) -> Result<Option<String>> {
    let output = output(metadata)?;
    if output.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(!text.contains("--locked"), "crates/cli/templates/Cargo.lock does not fit the SDK\n{text}");
    Ok(Some(format!("its crates cannot be fetched: {}", text.trim().lines().next().unwrap_or_default())))
}

/// Why guests cannot be built here.
fn no_guests(root: &Path) -> Result<Option<String>> {
    if let Some(compiler) = env::var_os("WASM_RUSTC") {
        ensure!(Path::new(&compiler).is_file(), "WASM_RUSTC names {}, which is no file", compiler.display());
        return Ok(None);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries =
        Command::new(rustc).current_dir(root).args(["--print", "target-libdir", "--target", TARGET]).output()?;
    let folder = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    let installed = libraries.status.success() && Path::new(OsStr::new(&folder)).is_dir();
    Ok((!installed).then(|| format!("the target {TARGET} is not installed, and WASM_RUSTC not set")))
}
