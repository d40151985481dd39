//! What stands behind the imports of [`crate::host`].

pub mod stream;
