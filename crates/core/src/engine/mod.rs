//! The engine seam: what a WebAssembly engine does for the core. Typed, object-safe and synchronous.
//!
//! `Engine` compiles and loads, a [`Program`] starts, an [`Instance`] is called. Policy stays above: an engine does
//! not choose deadlines, check what core has checked, or retry.

#[cfg(any(test, feature = "fake-engine"))]
pub mod fake;
mod hot;

use std::{
    error::Error as StdError,
    fmt,
    fs::File,
    io::{self, Read, Seek},
    panic::{self, AssertUnwindSafe},
    sync::Arc,
};

use crate::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    control::CallControl,
    error::{CallResult, Error, ErrorKind, Trap},
    host::Host,
    limits::Limits,
    table::ObjectId,
    types::{ConfigUpdatePlan, DisableReason},
};

pub use self::hot::{HotExports, HotModule};

/// Names an engine and all that its compiled code depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EngineId {
    /// The engine's name, such as `wasmtime`.
    pub name: &'static str,
    /// The engine's version.
    pub version: String,
    /// Fingerprint of its configuration and of the CPU it compiles for.
    pub configuration: String,
}

impl fmt::Display for EngineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.version, self.configuration)
    }
}

/// Compiled code: native code that runs with the rights of this process once it is loaded.
#[derive(Clone, PartialEq, Eq)]
pub struct Artifact(Vec<u8>);

impl Artifact {
    /// Vouches for compiled code.
    ///
    /// # Safety
    /// `bytes` are what an engine of the same [`EngineId`] made in `compile`, unchanged. Engines load them without
    /// a check that would withstand an attacker.
    pub unsafe fn trusted(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The compiled code.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Artifact({} bytes)", self.0.len())
    }
}

/// Compiled code in a file: its first bytes, whatever follows.
#[derive(Debug)]
pub struct CodeFile {
    file: File,
    bytes: u64,
}

impl CodeFile {
    /// Vouches for the first `bytes` of a file.
    ///
    /// # Safety
    /// As for [`Artifact::trusted`]. Nobody writes to the file any more, so that engines may map it.
    pub unsafe fn trusted(file: File, bytes: u64) -> Self {
        Self { file, bytes }
    }

    /// The file, to be mapped from its start.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of the code.
    pub fn size(&self) -> usize {
        usize::try_from(self.bytes).unwrap_or(usize::MAX)
    }

    /// A copy of the code.
    ///
    /// # Errors
    /// Those of reading; a file that became shorter is one.
    pub fn read(&self) -> io::Result<Artifact> {
        let mut code = Vec::with_capacity(self.size());
        let mut file = &self.file;
        file.rewind()?;
        file.take(self.bytes).read_to_end(&mut code)?;
        let whole = code.len() as u64 == self.bytes;
        whole.then_some(Artifact(code)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

/// Why an engine refused a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// What the engine was doing.
    pub phase: Phase,
    /// What it found.
    pub message: String,
}

/// What an engine does before a guest runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Reading and compiling a component.
    Compile,
    /// Loading compiled code.
    Load,
    /// Resolving its imports and exports.
    Link,
}

impl EngineError {
    /// An error of `phase`.
    pub fn new(phase: Phase, message: impl Into<String>) -> Self {
        Self { phase, message: message.into() }
    }
}

/// Runs a compiler. Compilers are large: one that panics over a component has refused it.
///
/// # Errors
/// What it refused, as of [`Phase::Compile`].
pub fn compiling<T>(compile: impl FnOnce() -> Result<T, String>) -> Result<T, EngineError> {
    let compiled = panic::catch_unwind(AssertUnwindSafe(compile)).unwrap_or_else(|payload| {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Err(format!("the compiler gave up: {}", text.unwrap_or("it does not say why")))
    });
    compiled.map_err(|text| EngineError::new(Phase::Compile, text))
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Compile => "compile",
            Phase::Load => "load",
            Phase::Link => "link",
        };
        write!(f, "cannot {phase} the component: {}", self.message)
    }
}

impl StdError for EngineError {}

impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let kind = match error.phase {
            Phase::Compile | Phase::Link => ErrorKind::Incompatible,
            Phase::Load => ErrorKind::Internal,
        };
        Self::new(kind, error.to_string()).source_error(error)
    }
}

/// One promise of an engine, as data for docs, the app and the conformance suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// What is promised, in a few words.
    pub name: &'static str,
    /// Whether the engine keeps it.
    pub held: bool,
    /// How it is kept, or why not.
    pub how: &'static str,
}

/// A WebAssembly engine.
pub trait Engine: Send + Sync {
    /// Who compiles: part of the key of the compiled cache.
    fn id(&self) -> &EngineId;

    /// Compiles a binary component.
    ///
    /// *Requires*: `wasm` passed [`crate::world`]. *Behaviour*: takes as long as it takes, on the caller's thread; text
    /// format and precompiled code are refused.
    ///
    /// # Errors
    /// What the engine cannot compile.
    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError>;

    /// Loads compiled code and resolves its imports and exports.
    ///
    /// # Errors
    /// Code of another engine, a missing import, or an export of another shape.
    fn load(&self, artifact: &Artifact) -> Result<Arc<dyn Program>, EngineError>;

    /// Loads compiled code as [`load`](Self::load) does, without copying it where the engine can.
    ///
    /// # Errors
    /// As for `load`, and those of reading.
    fn load_file(&self, code: CodeFile) -> Result<Arc<dyn Program>, EngineError> {
        let read = code.read().map_err(|error| EngineError::new(Phase::Load, error.to_string()))?;
        self.load(&read)
    }

    /// Compiles and starts a hot-path module: a core module, not a component.
    ///
    /// *Requires*: `wasm` is metered ([`meter_block`](crate::meter::meter_block)), imports nothing and exports
    /// `exports`. *Behaviour*: its start function has run.
    ///
    /// # Errors
    /// What the engine cannot compile, limits the module begins above, a trap of its start function; and everything, on an
    /// engine that runs no hot-path modules.
    fn hot(&self, wasm: &[u8], exports: &HotExports, limits: &Limits) -> Result<Box<dyn HotModule>, EngineError> {
        let _ = (wasm, exports, limits);
        Err(EngineError::new(Phase::Load, format!("{} runs no hot-path modules", self.id().name)))
    }

    /// What this engine promises.
    fn guarantees(&self) -> &'static [Guarantee];
}

/// A component that is ready to start.
pub trait Program: Send + Sync {
    /// Makes an instance and runs its start functions.
    ///
    /// *Requires*: `control` is entered, and is the one `host` was made with. *Behaviour*: `limits` hold from the first
    /// instruction; the instance stays on the thread that started it.
    ///
    /// # Errors
    /// A trap; whatever was made so far is gone.
    fn start(&self, host: Host, limits: &Limits, control: Arc<CallControl>) -> Result<Box<dyn Instance>, Trap>;
}

/// A running guest. Not `Send`: it lives and dies on the thread that started it.
///
/// *Requires*, for all calls: the instance's control is entered, and no earlier call trapped.
pub trait Instance {
    /// The host as this instance sees it.
    fn host(&mut self) -> &mut Host;

    /// Bytes of linear memory that the instance holds. *Behaviour*: enters no guest code, and answers for a guest that
    /// trapped too.
    fn memory_bytes(&self) -> usize;

    /// `lifecycle.on-enable`
    ///
    /// # Errors
    /// The guest's refusal, or a trap.
    fn enable(&mut self) -> CallResult<()>;

    /// `lifecycle.on-disable`
    ///
    /// # Errors
    /// The guest's refusal, or a trap.
    fn disable(&mut self, reason: DisableReason) -> CallResult<()>;

    /// `plan-config-update-json` of a session, catalog, provider or processor.
    ///
    /// # Errors
    /// The guest's refusal, or a trap; `not-found` for an id that names none of these.
    fn plan_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<ConfigUpdatePlan>;

    /// `apply-config-update-json`
    ///
    /// # Errors
    /// As [`plan_config`](Self::plan_config).
    fn apply_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<()>;

    /// `export-state-json`
    ///
    /// # Errors
    /// As [`plan_config`](Self::plan_config).
    fn export_state(&mut self, object: ObjectId) -> CallResult<Option<String>>;

    /// `import-state-json`
    ///
    /// # Errors
    /// As [`plan_config`](Self::plan_config).
    fn import_state(&mut self, object: ObjectId, state_json: &str) -> CallResult<()>;

    /// `close` of any object, then drops it. *Behaviour*: closing an id that names nothing is fine (plugin contract
    /// 4.2); the id names nothing afterwards, also when the guest trapped.
    ///
    /// # Errors
    /// A trap in `close` or in the destructor.
    fn close(&mut self, object: ObjectId) -> Result<(), Trap>;

    /// The component's `decoder`, if it exports one.
    fn decoder(&mut self) -> Option<&mut dyn Decoder>;
    /// The component's `source`, if it exports one.
    fn source(&mut self) -> Option<&mut dyn Source>;
    /// The component's `lyrics`, if it exports one.
    fn lyrics(&mut self) -> Option<&mut dyn Lyrics>;
    /// The component's `output-sink`, if it exports one.
    fn output_sink(&mut self) -> Option<&mut dyn OutputSink>;
    /// The component's `dsp`, if it exports one.
    fn dsp(&mut self) -> Option<&mut dyn Dsp>;
}
