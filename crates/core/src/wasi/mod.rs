//! WASI 0.2, the locked-down subset guests get.
use std::sync::Arc;

use crate::{control::CallControl, limits::Limits};

/// Takes a line that a guest wrote to stdout or stderr, without its line end.
pub trait LogSink: Send {
    /// Called with at most 4 KiB of text whose control characters are escaped.
    fn line(&mut self, error_output: bool, text: &str);
}

/// WASI as one instance sees it.
pub struct Wasi {
    _control: Arc<CallControl>,
}
impl Wasi {
    pub(crate) fn new(_: &Limits, control: Arc<CallControl>, _: Box<dyn LogSink>) -> Self {
        Self { _control: control }
    }
}
