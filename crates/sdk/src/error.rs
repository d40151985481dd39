//! How a plugin says no, and how it hears no from the host: `plugin-error` of the contract, one variant for one case.

use std::fmt;
use std::io;

use crate::bindings::host::stellatune::plugin::common::PluginError;

/// What the calls of a plugin and of its host answer with.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call was refused. The plugin lives on; the host may call again. The text is for people, the variant for
/// programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The caller passed something that can never work.
    InvalidArg(String),
    /// The named thing, or the handle, does not exist.
    NotFound(String),
    /// Reading or writing failed, or the data is damaged.
    Io(String),
    /// The wait was longer than allowed.
    Timeout(String),
    /// This plugin does not do what was asked; another one may. A host tries its next decoder after it.
    Unsupported(String),
    /// Policy or the user forbids it.
    Denied(String),
    /// A fault in the plugin, or in the host.
    Internal(String),
}

impl Error {
    /// [`Error::InvalidArg`].
    pub fn invalid_arg(text: impl Into<String>) -> Self {
        Self::InvalidArg(text.into())
    }

    /// [`Error::NotFound`].
    pub fn not_found(text: impl Into<String>) -> Self {
        Self::NotFound(text.into())
    }

    /// [`Error::Io`].
    pub fn io(text: impl Into<String>) -> Self {
        Self::Io(text.into())
    }

    /// [`Error::Timeout`].
    pub fn timeout(text: impl Into<String>) -> Self {
        Self::Timeout(text.into())
    }

    /// [`Error::Unsupported`].
    pub fn unsupported(text: impl Into<String>) -> Self {
        Self::Unsupported(text.into())
    }

    /// [`Error::Denied`].
    pub fn denied(text: impl Into<String>) -> Self {
        Self::Denied(text.into())
    }

    /// [`Error::Internal`].
    pub fn internal(text: impl Into<String>) -> Self {
        Self::Internal(text.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, text) = match self {
            Self::InvalidArg(text) => ("invalid argument", text),
            Self::NotFound(text) => ("not found", text),
            Self::Io(text) => ("i/o", text),
            Self::Timeout(text) => ("timeout", text),
            Self::Unsupported(text) => ("unsupported", text),
            Self::Denied(text) => ("denied", text),
            Self::Internal(text) => ("internal", text),
        };
        write!(f, "{kind}: {text}")
    }
}

impl std::error::Error for Error {}

/// An error that came out of a [`HostStream`](crate::HostStream) comes back as it was.
impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        if let Some(own) = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()) {
            return own.clone();
        }
        let text = error.to_string();
        match error.kind() {
            io::ErrorKind::InvalidInput => Self::InvalidArg(text),
            io::ErrorKind::NotFound => Self::NotFound(text),
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Self::Timeout(text),
            io::ErrorKind::Unsupported => Self::Unsupported(text),
            io::ErrorKind::PermissionDenied => Self::Denied(text),
            _ => Self::Io(text),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match error {
            Error::InvalidArg(_) => io::ErrorKind::InvalidInput,
            Error::NotFound(_) => io::ErrorKind::NotFound,
            Error::Timeout(_) => io::ErrorKind::TimedOut,
            Error::Unsupported(_) => io::ErrorKind::Unsupported,
            Error::Denied(_) => io::ErrorKind::PermissionDenied,
            Error::Io(_) | Error::Internal(_) => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Configuration and state that is not what it should be.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::InvalidArg(error.to_string())
    }
}

impl From<PluginError> for Error {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::InvalidArg(text) => Self::InvalidArg(text),
            PluginError::NotFound(text) => Self::NotFound(text),
            PluginError::Io(text) => Self::Io(text),
            PluginError::Timeout(text) => Self::Timeout(text),
            PluginError::Unsupported(text) => Self::Unsupported(text),
            PluginError::Denied(text) => Self::Denied(text),
            PluginError::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<Error> for PluginError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidArg(text) => Self::InvalidArg(text),
            Error::NotFound(text) => Self::NotFound(text),
            Error::Io(text) => Self::Io(text),
            Error::Timeout(text) => Self::Timeout(text),
            Error::Unsupported(text) => Self::Unsupported(text),
            Error::Denied(text) => Self::Denied(text),
            Error::Internal(text) => Self::Internal(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_survives_both_round_trips() {
        let make: [fn(String) -> Error; 7] = [
            Error::InvalidArg,
            Error::NotFound,
            Error::Io,
            Error::Timeout,
            Error::Unsupported,
            Error::Denied,
            Error::Internal,
        ];
        for make in make {
            let error = make("why".to_owned());
            assert_eq!(Error::from(PluginError::from(error.clone())), error);
            assert_eq!(Error::from(io::Error::from(error.clone())), error);
        }
    }

    #[test]
    fn a_foreign_io_error_keeps_its_kind_and_text() {
        let error = io::Error::new(io::ErrorKind::TimedOut, "too slow");
        assert_eq!(Error::from(error), Error::timeout("too slow"));
        let error = io::Error::new(io::ErrorKind::UnexpectedEof, "short");
        assert_eq!(Error::from(error), Error::io("short"));
    }
}
