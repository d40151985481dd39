//! `wasi:cli@0.2`: a program without arguments or environment, whose output is the log.

use std::convert::Infallible;

use super::{
    Wasi,
    io::{Input, Output},
    push,
};
use crate::{
    error::{Trap, TrapKind},
    table::ObjectId,
};

impl Wasi {
    /// `wasi:cli/environment@0.2 get-environment`: nothing.
    pub fn environment(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// `wasi:cli/environment@0.2 get-arguments`: nothing.
    pub fn arguments(&self) -> Vec<String> {
        Vec::new()
    }

    /// `wasi:cli/environment@0.2 initial-cwd`: none, as there are no files.
    pub fn initial_cwd(&self) -> Option<String> {
        None
    }

    /// `wasi:cli/exit@0.2 exit`, which never returns to the guest: the engine raises the trap.
    pub fn exit(&self, ok: bool) -> Trap {
        exited(if ok { "success" } else { "failure" })
    }

    /// `wasi:cli/exit@0.2 exit-with-code`, as [`exit`](Self::exit).
    pub fn exit_with_code(&self, code: u8) -> Trap {
        exited(&format!("code {code}"))
    }

    /// `wasi:cli/stdin@0.2 get-stdin`: a stream at its end.
    pub fn stdin(&mut self) -> Result<ObjectId, Trap> {
        push(&mut self.inputs, Input::default(), "input streams")
    }

    /// `wasi:cli/stdout@0.2 get-stdout`
    pub fn stdout(&mut self) -> Result<ObjectId, Trap> {
        push(&mut self.outputs, Output::new(false), "output streams")
    }

    /// `wasi:cli/stderr@0.2 get-stderr`
    pub fn stderr(&mut self) -> Result<ObjectId, Trap> {
        push(&mut self.outputs, Output::new(true), "output streams")
    }

    /// `wasi:cli/terminal-stdin@0.2 get-terminal-stdin`: never a terminal.
    pub fn terminal_stdin(&self) -> Option<Infallible> {
        None
    }

    /// `wasi:cli/terminal-stdout@0.2 get-terminal-stdout`: never a terminal.
    pub fn terminal_stdout(&self) -> Option<Infallible> {
        None
    }

    /// `wasi:cli/terminal-stderr@0.2 get-terminal-stderr`: never a terminal.
    pub fn terminal_stderr(&self) -> Option<Infallible> {
        None
    }
}

fn exited(how: &str) -> Trap {
    Trap::new(TrapKind::Unreachable, format!("the guest called exit ({how})"))
}
