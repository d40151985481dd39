//! The app in a place of its own: an empty directory to work in, with the plugins directory in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The id of the decoder that is part of the app.
pub(crate) const BUNDLED: &str = "dev.stellatune.decoder.symphonia";

/// The id of the equaliser that is part of the app.
pub(crate) const EQUALIZER: &str = "dev.stellatune.dsp.equalizer";

/// Packages that are part of the app.
pub(crate) const PACKAGES: usize = 2;

pub(crate) struct App {
    directory: TempDir,
}

impl App {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("work")).expect("writable");
        Self { directory }
    }

    /// A path in the working directory, which holds nothing but what a test puts there.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.work().join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub(crate) fn plugins_dir(&self) -> PathBuf {
        self.directory.path().join("plugins")
    }

    /// What lies in the working directory, hidden files too.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.work()).expect("readable");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The app as it is started, in the working directory.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stellatune"));
        command.current_dir(self.work()).stdin(Stdio::null()).arg("--plugins-dir").arg(self.plugins_dir());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command().args(args).output().expect("the app starts"))
    }

    /// The document of a command that succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let run = self.run(&[&["--json"], args].concat());
        assert_eq!(run.code, 0, "{args:?}: {run:?}");
        run.document()
    }

    /// The failure of a command, as in its document.
    pub(crate) fn failure(&self, args: &[&str]) -> Value {
        let run = self.run(&[&["--json"], args].concat());
        assert_eq!(run.code, 1, "{args:?}: {run:?}");
        let document = run.document();
        assert_eq!(keys(&document), ["error"]);
        let error = document["error"].clone();
        assert_eq!(keys(&error), ["help", "kind", "message", "operation", "plugin_id"]);
        error
    }
}

/// How a run of the app ended and what it printed.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it exits by itself"),
            stdout: String::from_utf8(output.stdout).expect("it prints UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("it prints UTF-8"),
        }
    }

    /// Standard output, which must be one JSON document.
    pub(crate) fn document(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// The fields of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A file of `fixtures/audio`.
pub(crate) fn audio(name: &str) -> PathBuf {
    repository().join("fixtures/audio").join(name)
}

/// The bundled package as a directory that can be installed.
pub(crate) fn package() -> PathBuf {
    repository().join("plugins/prebuilt/symphonia")
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A path as an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
