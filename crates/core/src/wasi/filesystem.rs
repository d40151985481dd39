//! `wasi:filesystem@0.2`, of which no descriptor can ever exist.
//!
//! Toolchains import these functions whether or not a guest uses files, so an engine binds every name of
//! [`FUNCTIONS`] to [`no_descriptor`]; a guest cannot reach one without a handle.

use std::convert::Infallible;

use super::{Wasi, broken};
use crate::{error::Trap, table::ObjectId};

/// The resources of `wasi:filesystem/types@0.2`, which a component may name and never hold.
pub const RESOURCES: &[&str] = &["descriptor", "directory-entry-stream"];

/// Every function of `wasi:filesystem/types@0.2` that takes a descriptor or a directory stream, as imports spell it.
pub const FUNCTIONS: &[&str] = &[
    "[method]descriptor.read-via-stream",
    "[method]descriptor.write-via-stream",
    "[method]descriptor.append-via-stream",
    "[method]descriptor.advise",
    "[method]descriptor.sync-data",
    "[method]descriptor.get-flags",
    "[method]descriptor.get-type",
    "[method]descriptor.set-size",
    "[method]descriptor.set-times",
    "[method]descriptor.read",
    "[method]descriptor.write",
    "[method]descriptor.read-directory",
    "[method]descriptor.sync",
    "[method]descriptor.create-directory-at",
    "[method]descriptor.stat",
    "[method]descriptor.stat-at",
    "[method]descriptor.set-times-at",
    "[method]descriptor.link-at",
    "[method]descriptor.open-at",
    "[method]descriptor.readlink-at",
    "[method]descriptor.remove-directory-at",
    "[method]descriptor.rename-at",
    "[method]descriptor.symlink-at",
    "[method]descriptor.unlink-file-at",
    "[method]descriptor.is-same-object",
    "[method]descriptor.metadata-hash",
    "[method]descriptor.metadata-hash-at",
    "[method]directory-entry-stream.read-directory-entry",
];

/// What a call of one of [`FUNCTIONS`], or a drop of one of [`RESOURCES`], ends in.
pub fn no_descriptor(function: &str) -> Trap {
    broken(format!("wasi:filesystem/types {function}: no descriptor exists"))
}

impl Wasi {
    /// `wasi:filesystem/preopens@0.2 get-directories`: nothing.
    pub fn preopens_get_directories(&self) -> Vec<(Infallible, String)> {
        Vec::new()
    }

    /// `wasi:filesystem/types@0.2 filesystem-error-code`: no `error` comes from a file.
    pub fn filesystem_error_code(&mut self, error: ObjectId) -> Result<Option<Infallible>, Trap> {
        self.error_to_debug_string(error).map(|_| None)
    }
}
