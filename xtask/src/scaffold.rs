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
const MODULE_TARGET: &str = "wasm32-unknown-unknown";
/// A DSP with a hot-path module, `plugin new dsp --hot`.
const HOT_DSP: &str = "hot-dsp";
const KINDS: [&str; 6] = ["decoder", "source", "lyrics", "sink", "dsp", HOT_DSP];
/// Without arguments: the most common kind, and those with configuration and state.
const USUAL: [&str; 3] = ["decoder", "dsp", HOT_DSP];

/// Tries the kinds that are named, the usual three, or with `--all` every one.
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

/// What the DSP with a module is used as.
const GAIN: &str = "dev.example.my-hot-dsp:gain={\"gain_db\":-6}";

/// Bytes shown of what a step that failed said.
const SAID_BYTES: usize = 16 * 1024;

struct Trial {
    root: PathBuf,
    app: PathBuf,
    /// Shared by the kinds, and kept, so that their crates are built once.
    target_dir: PathBuf,
    scratch: TempDir,
    /// Why no component can be built, if none can, and why no module.
    no_components: Option<String>,
    no_modules: Option<String>,
}

impl Trial {
    fn new(root: &Path) -> Result<Self> {
        let build = ["build", "--release", "--locked", "--quiet", "--package", "stellatune-cli"];
        done("the app", &mut cargo(root, build))?;
        // This program lies where cargo put the app.
        let release = env::current_exe()?.parent().map(Path::to_owned).context("no folder")?;
        Ok(Self {
            root: root.to_owned(),
            app: release.join(format!("stellatune{}", env::consts::EXE_SUFFIX)),
            target_dir: release.join("../scaffold"),
            scratch: TempDir::new()?,
            no_components: missing(root, TARGET)?,
            no_modules: missing(root, MODULE_TARGET)?,
        })
    }

    fn run(&self, kind: &str) -> Result<()> {
        let name = format!("my-{kind}");
        let dir = self.scratch.path().join(&name);
        let new: &[&str] = if kind == HOT_DSP { &["dsp", "--hot"] } else { &[kind] };
        done("new", self.app(self.scratch.path()).args(["plugin", "new"]).args(new).arg(&name))?;
        if let Some(why) = unfetched(&mut self.cargo(&dir, ["metadata", "--locked", "--format-version", "1"]))? {
            println!("{kind}: not run: {why}");
            return Ok(());
        }
        done("format", &mut self.cargo(&dir, ["fmt", "--check"]))?;
        done("tests", &mut self.cargo(&dir, ["test", "--locked", "--quiet"]))?;
        let no_modules = self.no_modules.as_ref().filter(|_| kind == HOT_DSP);
        if let Some(why) = self.no_components.as_ref().or(no_modules) {
            println!("{kind}: tests pass; build, pack, check and install not run: {why}");
            return Ok(());
        }
        let component = self.build(&dir, kind, TARGET)?;
        if kind == HOT_DSP {
            let module = self.build(&dir, kind, MODULE_TARGET)?;
            fs::create_dir(dir.join("wasm"))?;
            fs::copy(module, dir.join("wasm/gain_hot.wasm"))?;
        }
        let zip = format!("dev.example.{name}-0.1.0.zip");
        done("pack", self.app(&dir).args(["plugin", "pack", "."]))?;
        done("check", self.app(&dir).args(["plugin", "check", "--strict", &zip]))?;
        done("install", self.app(&dir).args(["plugin", "install", &zip]))?;
        if kind == HOT_DSP {
            self.hear(&dir)?;
        }
        let size = |path: &Path| fs::metadata(path).map(|file| file.len());
        let (wasm, zip) = (size(&component)?, size(&dir.join(&zip))?);
        let plays = if kind == HOT_DSP { ", and plays the same in both forms" } else { "" };
        println!(
            "{kind}: tests, builds, packs, checks and installs{plays}; component {wasm} bytes, package {zip} bytes"
        );
        Ok(())
    }

    /// Builds the crate for a target, and says where that lies.
    fn build(&self, dir: &Path, kind: &str, target: &str) -> Result<PathBuf> {
        let mut build = self.cargo(dir, ["build", "--release", "--locked", "--quiet", "--target", target]);
        if let Some(compiler) = env::var_os("WASM_RUSTC") {
            build.env("RUSTC", compiler);
        }
        done("build", &mut build)?;
        let name = format!("my_{}.wasm", kind.replace('-', "_"));
        Ok(self.target_dir.join(target).join("release").join(name))
    }

    /// Sends audio through the module and through the component: both ran, and both made the same.
    fn hear(&self, dir: &Path) -> Result<()> {
        let input = self.root.join("fixtures/audio/flac-48000-16-2.flac");
        let decode = |out: &str, more: &[&str], path: &str| {
            let mut decode = self.app(dir);
            decode.args(["--json", "decode", "--stats", "-o", out, "--dsp", GAIN]).args(more).arg(&input);
            let output = output(&mut decode)?;
            let said = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success(), "decode failed\n{said}");
            let document: serde_json::Value = serde_json::from_str(&said)?;
            let ran = &document["stats"]["dsp"][0]["path"];
            ensure!(ran == path, "decode ran another form\n{said}");
            Ok(fs::read(dir.join(out))?)
        };
        let hot = decode("hot.wav", &[], "hot")?;
        ensure!(hot == decode("component.wav", &["--no-hot"], "component")?, "the module and the component differ");
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

/// Why no guest can be built here for a target.
fn missing(root: &Path, target: &str) -> Result<Option<String>> {
    if let Some(compiler) = env::var_os("WASM_RUSTC") {
        ensure!(Path::new(&compiler).is_file(), "WASM_RUSTC names {}, which is no file", compiler.display());
        return Ok(None);
    }
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libraries =
        Command::new(rustc).current_dir(root).args(["--print", "target-libdir", "--target", target]).output()?;
    let folder = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    let installed = libraries.status.success() && Path::new(OsStr::new(&folder)).is_dir();
    Ok((!installed).then(|| format!("the target {target} is not installed, and WASM_RUSTC not set")))
}
