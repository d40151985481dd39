//! WASI 0.2, each function in core's `Wasi`.

use std::convert::Infallible;

use stellatune_plugin_core::{host::Host, table::ObjectId, wasi::StreamError as CoreStreamError};
use wasmtime::component::Resource;

use crate::{
    bindings::wasi::{
        cli::{
            environment, exit, stderr, stdin, stdout,
            terminal_input::{self, TerminalInput},
            terminal_output::{self, TerminalOutput},
            terminal_stderr, terminal_stdin, terminal_stdout,
        },
        clocks::{
            monotonic_clock,
            wall_clock::{self, Datetime},
        },
        io::{
            error,
            poll::{self, Pollable},
            streams::{self, InputStream, OutputStream, StreamError},
        },
        random::{insecure, insecure_seed, random},
    },
    convert::{datetime, id, own},
};

/// What a stream function answers: `Ok(Err(..))` goes to the guest.
type Answer<T> = wasmtime::Result<Result<T, StreamError>>;

fn answer<T>(result: Result<T, CoreStreamError>) -> Result<T, StreamError> {
    result.map_err(Into::into)
}

fn never<T: 'static>(nothing: Option<Infallible>) -> Option<Resource<T>> {
    nothing.map(|never| match never {})
}

impl error::Host for Host {}

impl error::HostError for Host {
    fn to_debug_string(&mut self, error: Resource<error::Error>) -> wasmtime::Result<String> {
        Ok(self.wasi().error_to_debug_string(id(&error))?)
    }

    fn drop(&mut self, error: Resource<error::Error>) -> wasmtime::Result<()> {
        Ok(self.wasi().error_drop(id(&error))?)
    }
}

impl poll::Host for Host {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        Ok(self.wasi().poll(&pollables.iter().map(id).collect::<Vec<ObjectId>>())?)
    }
}

impl poll::HostPollable for Host {
    fn ready(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<bool> {
        Ok(self.wasi().pollable_ready(id(&pollable))?)
    }

    fn block(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        Ok(self.wasi().pollable_block(id(&pollable))?)
    }

    fn drop(&mut self, pollable: Resource<Pollable>) -> wasmtime::Result<()> {
        Ok(self.wasi().pollable_drop(id(&pollable))?)
    }
}

impl streams::Host for Host {}

impl streams::HostInputStream for Host {
    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> Answer<Vec<u8>> {
        Ok(answer(self.wasi().input_read(id(&stream), len)?))
    }

    fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> Answer<Vec<u8>> {
        Ok(answer(self.wasi().input_blocking_read(id(&stream), len)?))
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> Answer<u64> {
        Ok(answer(self.wasi().input_skip(id(&stream), len)?))
    }

    fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> Answer<u64> {
        Ok(answer(self.wasi().input_blocking_skip(id(&stream), len)?))
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.wasi().input_subscribe(id(&stream)).map(own)?)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        Ok(self.wasi().input_drop(id(&stream))?)
    }
}

impl streams::HostOutputStream for Host {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> Answer<u64> {
        Ok(answer(self.wasi().output_check_write(id(&stream))?))
    }

    fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Answer<()> {
        Ok(answer(self.wasi().output_write(id(&stream), &contents)?))
    }

    fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Answer<()> {
        Ok(answer(self.wasi().output_blocking_write_and_flush(id(&stream), &contents)?))
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> Answer<()> {
        Ok(answer(self.wasi().output_flush(id(&stream))?))
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> Answer<()> {
        Ok(answer(self.wasi().output_blocking_flush(id(&stream))?))
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.wasi().output_subscribe(id(&stream)).map(own)?)
    }

    fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> Answer<()> {
        Ok(answer(self.wasi().output_write_zeroes(id(&stream), len)?))
    }

    fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, len: u64) -> Answer<()> {
        Ok(answer(self.wasi().output_blocking_write_zeroes_and_flush(id(&stream), len)?))
    }

    fn splice(&mut self, stream: Resource<OutputStream>, source: Resource<InputStream>, len: u64) -> Answer<u64> {
        Ok(answer(self.wasi().output_splice(id(&stream), id(&source), len)?))
    }

    fn blocking_splice(
        &mut self,
        stream: Resource<OutputStream>,
        source: Resource<InputStream>,
        len: u64,
    ) -> Answer<u64> {
        Ok(answer(self.wasi().output_blocking_splice(id(&stream), id(&source), len)?))
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        Ok(self.wasi().output_drop(id(&stream))?)
    }
}

impl monotonic_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi().monotonic_now())
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi().monotonic_resolution())
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.wasi().subscribe_instant(when).map(own)?)
    }

    fn subscribe_duration(&mut self, duration: u64) -> wasmtime::Result<Resource<Pollable>> {
        Ok(self.wasi().subscribe_duration(duration).map(own)?)
    }
}

impl wall_clock::Host for Host {
    fn now(&mut self) -> wasmtime::Result<Datetime> {
        Ok(datetime(self.wasi().wall_now()))
    }

    fn resolution(&mut self) -> wasmtime::Result<Datetime> {
        Ok(datetime(self.wasi().wall_resolution()))
    }
}

impl random::Host for Host {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.wasi().get_random_bytes(len)?)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi().get_random_u64()?)
    }
}

impl insecure::Host for Host {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.wasi().get_insecure_random_bytes(len)?)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.wasi().get_insecure_random_u64()?)
    }
}

impl insecure_seed::Host for Host {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok(self.wasi().insecure_seed()?)
    }
}

impl environment::Host for Host {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.wasi().environment())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.wasi().arguments())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.wasi().initial_cwd())
    }
}

impl exit::Host for Host {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(self.wasi().exit(status.is_ok()).into())
    }

    fn exit_with_code(&mut self, status_code: u8) -> wasmtime::Result<()> {
        Err(self.wasi().exit_with_code(status_code).into())
    }
}

impl stdin::Host for Host {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<InputStream>> {
        Ok(self.wasi().stdin().map(own)?)
    }
}

impl stdout::Host for Host {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        Ok(self.wasi().stdout().map(own)?)
    }
}

impl stderr::Host for Host {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<OutputStream>> {
        Ok(self.wasi().stderr().map(own)?)
    }
}

impl terminal_input::Host for Host {}

impl terminal_input::HostTerminalInput for Host {
    fn drop(&mut self, _: Resource<TerminalInput>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl terminal_output::Host for Host {}

impl terminal_output::HostTerminalOutput for Host {
    fn drop(&mut self, _: Resource<TerminalOutput>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl terminal_stdin::Host for Host {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<TerminalInput>>> {
        Ok(never(self.wasi().terminal_stdin()))
    }
}

impl terminal_stdout::Host for Host {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        Ok(never(self.wasi().terminal_stdout()))
    }
}

impl terminal_stderr::Host for Host {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<TerminalOutput>>> {
        Ok(never(self.wasi().terminal_stderr()))
    }
}
