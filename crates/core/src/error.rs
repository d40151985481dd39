//! Every way a call can fail, from a guest's refusal to an error an application shows.
//!
//! Two failures never share a variant: [`PluginError`] is a guest that said no and lives on, [`Trap`] is a guest
//! that is gone. [`CallError`] is either; [`Error`] is what the library's public API returns.

use std::{error::Error as StdError, fmt, path::Path};

use crate::limits::ERROR_TEXT_BYTES;

/// The result of a call across the engine seam, in either direction.
pub type CallResult<T> = Result<T, CallError>;

/// The result of the library's public API.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal: what a guest answers to the host, or a host import to the guest (`common.plugin-error`).
///
/// The guest lives on and the next call works.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the cases are named by the contract and carry a text each")]
pub enum PluginError {
    InvalidArg(String),
    NotFound(String),
    Io(String),
    Timeout(String),
    Unsupported(String),
    Denied(String),
    Internal(String),
}

impl PluginError {
    /// The case as the contract spells it, for logs and documents.
    pub fn case(&self) -> &'static str {
        match self {
            Self::InvalidArg(_) => "invalid-arg",
            Self::NotFound(_) => "not-found",
            Self::Io(_) => "io",
            Self::Timeout(_) => "timeout",
            Self::Unsupported(_) => "unsupported",
            Self::Denied(_) => "denied",
            Self::Internal(_) => "internal",
        }
    }

    /// The text the case carries.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidArg(text)
            | Self::NotFound(text)
            | Self::Io(text)
            | Self::Timeout(text)
            | Self::Unsupported(text)
            | Self::Denied(text)
            | Self::Internal(text) => text,
        }
    }

    /// The error with its text cut to what fits a log. Engines pass what a guest answers through here.
    #[must_use]
    pub fn shortened(mut self) -> Self {
        let (Self::InvalidArg(text)
        | Self::NotFound(text)
        | Self::Io(text)
        | Self::Timeout(text)
        | Self::Unsupported(text)
        | Self::Denied(text)
        | Self::Internal(text)) = &mut self;
        text.truncate(text.floor_char_boundary(ERROR_TEXT_BYTES));
        text.shrink_to_fit();
        self
    }
}

impl fmt::Display for PluginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.case(), self.message())
    }
}

impl StdError for PluginError {}

impl From<std::io::Error> for PluginError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let text = error.to_string();
        match error.kind() {
            K::NotFound => Self::NotFound(text),
            K::PermissionDenied => Self::Denied(text),
            K::TimedOut | K::WouldBlock => Self::Timeout(text),
            K::InvalidInput => Self::InvalidArg(text),
            K::Unsupported | K::NotSeekable => Self::Unsupported(text),
            _ => Self::Io(text),
        }
    }
}

/// Why a guest is gone. Each engine maps its own faults to these, the same kind for the same fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapKind {
    /// The guest broke the canonical ABI or returned what the contract forbids.
    Abi,
    /// Division by zero, integer overflow, or a float outside the integer it is converted to.
    Arithmetic,
    /// An access outside a memory or table, or an indirect call to nothing or to the wrong type.
    Bounds,
    /// The call was cancelled, or its plugin was disabled or shut down.
    Cancelled,
    /// The call used up its guest time or its wall time.
    Deadline,
    /// A host import failed in a way a guest cannot answer to (a panic, a broken invariant).
    Host,
    /// A limit on memory, tables, handles or bytes across the boundary was reached.
    Memory,
    /// The guest's stack is exhausted.
    Stack,
    /// The guest gave up: `unreachable`, `abort`, a panic, or an exit.
    Unreachable,
}

impl TrapKind {
    /// The kind in lower case, for logs and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Abi => "abi",
            Self::Arithmetic => "arithmetic",
            Self::Bounds => "bounds",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
            Self::Host => "host",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Unreachable => "unreachable",
        }
    }
}

/// A guest that is gone: its store must be discarded and nothing in it called again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What class of fault ended the guest.
    pub kind: TrapKind,
    /// What the engine or the host knows of it.
    pub message: String,
}

impl Trap {
    /// A trap of `kind`, with what is known of it.
    pub fn new(kind: TrapKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} trap: {}", self.kind.name(), self.message)
    }
}

impl StdError for Trap {}

/// Why a call across the seam failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The callee refused; the guest lives on.
    Plugin(PluginError),
    /// The guest is gone.
    Trap(Trap),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plugin(error) => error.fmt(f),
            Self::Trap(trap) => trap.fmt(f),
        }
    }
}

impl StdError for CallError {}

impl From<PluginError> for CallError {
    fn from(error: PluginError) -> Self {
        Self::Plugin(error)
    }
}

impl From<Trap> for CallError {
    fn from(trap: Trap) -> Self {
        Self::Trap(trap)
    }
}

impl From<std::io::Error> for CallError {
    fn from(error: std::io::Error) -> Self {
        Self::Plugin(error.into())
    }
}

/// What an application branches on. docs/errors.md says what to do for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input breaks a rule.
    InvalidArgument,
    /// No such plugin, ability, file or handle.
    NotFound,
    /// A package breaks a rule; nothing was installed.
    RejectedPackage,
    /// The component was made for another revision of the contract, or needs what no host offers.
    Incompatible,
    /// A permission is missing.
    Denied,
    /// A queue is full, or the thing is in use; try again.
    Busy,
    /// A deadline passed.
    Timeout,
    /// The caller, a disable or a shutdown ended the call.
    Cancelled,
    /// The plugin answered with an error.
    PluginError,
    /// The plugin crashed and was discarded.
    Trap,
    /// The plugin or this build does not offer it.
    Unsupported,
    /// The operating system refused.
    Io,
    /// A fault of this library.
    Internal,
}

impl ErrorKind {
    /// The kind as documents spell it, in snake case.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::RejectedPackage => "rejected_package",
            Self::Incompatible => "incompatible",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::PluginError => "plugin_error",
            Self::Trap => "trap",
            Self::Unsupported => "unsupported",
            Self::Io => "io",
            Self::Internal => "internal",
        }
    }

    /// Whether the same call may work later without any change.
    pub fn is_temporary(self) -> bool {
        matches!(self, Self::Busy | Self::Timeout)
    }
}

/// An error of the public API: a kind to branch on, what happened, and what to do next.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    rule: Option<&'static str>,
    plugin_id: Option<String>,
    operation: Option<&'static str>,
    help: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says what went wrong and where, without a final stop.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            rule: None,
            plugin_id: None,
            operation: None,
            help: None,
            source: None,
        }))
    }

    /// A package that breaks `rule` (a short name listed in docs/errors.md).
    pub fn rejected(rule: &'static str, message: impl Into<String>) -> Self {
        let mut error = Self::new(ErrorKind::RejectedPackage, message);
        error.0.rule = Some(rule);
        error
    }

    /// An operating-system error while doing `action` to `path`.
    pub fn io(action: &str, path: &Path, error: std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {action} {}: {error}", path.display())).source_error(error)
    }

    /// Names the plugin concerned, unless one is named already.
    #[must_use]
    pub fn plugin(mut self, id: impl Into<String>) -> Self {
        self.0.plugin_id.get_or_insert_with(|| id.into());
        self
    }

    /// Names the operation that failed, such as `install` or `decoder.open`, unless one is named already.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        self.0.operation.get_or_insert(operation);
        self
    }

    /// Says what the reader can do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Keeps the error this one came from.
    #[must_use]
    pub fn source_error(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The kind to branch on.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What went wrong and where, without rule or help.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The rule a rejected package breaks.
    pub fn rule(&self) -> Option<&'static str> {
        self.0.rule
    }

    /// The plugin concerned.
    pub fn plugin_id(&self) -> Option<&str> {
        self.0.plugin_id.as_deref()
    }

    /// The operation that failed.
    pub fn operation(&self) -> Option<&'static str> {
        self.0.operation
    }

    /// What the reader can do next.
    pub fn help_text(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The trap that ended the guest, where that is what happened.
    pub fn trap(&self) -> Option<&Trap> {
        self.0.source.as_deref()?.downcast_ref()
    }

    /// The guest's own refusal, where that is what happened.
    pub fn plugin_error(&self) -> Option<&PluginError> {
        self.0.source.as_deref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(rule) = self.0.rule {
            write!(f, " (rule: {rule})")?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Plugin(error) => {
                Self::new(ErrorKind::PluginError, format!("the plugin answered {error}")).source_error(error)
            }
            CallError::Trap(trap) => trap.into(),
        }
    }
}

impl From<Trap> for Error {
    fn from(trap: Trap) -> Self {
        let kind = match trap.kind {
            TrapKind::Cancelled => ErrorKind::Cancelled,
            TrapKind::Deadline => ErrorKind::Timeout,
            TrapKind::Host => ErrorKind::Internal,
            _ => ErrorKind::Trap,
        };
        Self::new(kind, format!("the plugin was stopped: {trap}")).source_error(trap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_names_its_rule() {
        let error = Error::rejected("traversal", "entry `../x` leaves the package").plugin("a.b").during("install");
        assert_eq!(error.to_string(), "entry `../x` leaves the package (rule: traversal)");
        assert_eq!((error.kind(), error.rule()), (ErrorKind::RejectedPackage, Some("traversal")));
    }

    #[test]
    fn the_first_context_wins() {
        let error = Error::new(ErrorKind::Io, "x").plugin("inner").plugin("outer").during("read").during("install");
        assert_eq!((error.plugin_id(), error.operation()), (Some("inner"), Some("read")));
    }

    #[test]
    fn a_trap_keeps_its_kind_as_the_source() {
        let error = Error::from(CallError::from(Trap::new(TrapKind::Deadline, "2 s of guest time")));
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert_eq!(error.trap().map(|trap| trap.kind), Some(TrapKind::Deadline));
        assert!(error.plugin_error().is_none());
    }
}
