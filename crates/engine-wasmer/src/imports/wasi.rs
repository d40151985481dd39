//! WASI 0.2, each function in core's `Wasi`.

use std::convert::Infallible;

use stellatune_plugin_core::{error::Trap, host::Host, table::ObjectId, wasi::StreamResult};

use super::Imports;
use crate::canon::{
    Borrow, Datetime, Kind, Own, Resource, StreamFault,
    kind::{Descriptor, InputStream, IoError, OutputStream, Pollable, TerminalInput, TerminalOutput},
};

/// What a stream function answers; the inner result goes to the guest.
type Answer<T> = Result<Result<T, StreamFault>, Trap>;

fn answer<T>(result: StreamResult<T>) -> Answer<T> {
    result.map(|result| result.map_err(Into::into))
}

fn never<K: Resource>(nothing: Option<Infallible>) -> Option<Own<K>> {
    nothing.map(|never| match never {})
}

fn datetime((seconds, nanoseconds): (u64, u32)) -> Datetime {
    Datetime { seconds, nanoseconds }
}

const CLI_ENVIRONMENT: &str = "wasi:cli/environment@0.2";
const CLI_EXIT: &str = "wasi:cli/exit@0.2";
const IO_ERROR: &str = "wasi:io/error@0.2";
const IO_POLL: &str = "wasi:io/poll@0.2";
const IO_STREAMS: &str = "wasi:io/streams@0.2";
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2";
const WALL_CLOCK: &str = "wasi:clocks/wall-clock@0.2";
const RANDOM: &str = "wasi:random/random@0.2";
const INSECURE: &str = "wasi:random/insecure@0.2";
const INSECURE_SEED: &str = "wasi:random/insecure-seed@0.2";

type Input = Borrow<InputStream>;
type Output = Borrow<OutputStream>;

#[rustfmt::skip]
pub(super) fn add(imports: &mut Imports) {
    imports.resource_of(Kind::IoError, |host, error| host.wasi().error_drop(ObjectId(error)));
    imports.function_of(IO_ERROR, "[method]error.to-debug-string", |host: &mut Host, (error,): (Borrow<IoError>,)| host.wasi().error_to_debug_string(error.id()));

    imports.resource_of(Kind::Pollable, |host, pollable| host.wasi().pollable_drop(ObjectId(pollable)));
    imports.function_of(IO_POLL, "poll", |host: &mut Host, (pollables,): (Vec<Borrow<Pollable>>,)| host.wasi().poll(&pollables.iter().map(Borrow::id).collect::<Vec<_>>()));
    imports.function_of(IO_POLL, "[method]pollable.ready", |host: &mut Host, (pollable,): (Borrow<Pollable>,)| host.wasi().pollable_ready(pollable.id()));
    imports.function_of(IO_POLL, "[method]pollable.block", |host: &mut Host, (pollable,): (Borrow<Pollable>,)| host.wasi().pollable_block(pollable.id()));

    imports.resource_of(Kind::InputStream, |host, stream| host.wasi().input_drop(ObjectId(stream)));
    imports.function_of(IO_STREAMS, "[method]input-stream.read", |host: &mut Host, (stream, len): (Input, u64)| answer(host.wasi().input_read(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]input-stream.blocking-read", |host: &mut Host, (stream, len): (Input, u64)| answer(host.wasi().input_blocking_read(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]input-stream.skip", |host: &mut Host, (stream, len): (Input, u64)| answer(host.wasi().input_skip(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]input-stream.blocking-skip", |host: &mut Host, (stream, len): (Input, u64)| answer(host.wasi().input_blocking_skip(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]input-stream.subscribe", |host: &mut Host, (stream,): (Input,)| host.wasi().input_subscribe(stream.id()).map(Own::<Pollable>::of));

    imports.resource_of(Kind::OutputStream, |host, stream| host.wasi().output_drop(ObjectId(stream)));
    imports.function_of(IO_STREAMS, "[method]output-stream.check-write", |host: &mut Host, (stream,): (Output,)| answer(host.wasi().output_check_write(stream.id())));
    imports.function_of(IO_STREAMS, "[method]output-stream.write", |host: &mut Host, (stream, contents): (Output, Vec<u8>)| answer(host.wasi().output_write(stream.id(), &contents)));
    imports.function_of(IO_STREAMS, "[method]output-stream.blocking-write-and-flush", |host: &mut Host, (stream, contents): (Output, Vec<u8>)| answer(host.wasi().output_blocking_write_and_flush(stream.id(), &contents)));
    imports.function_of(IO_STREAMS, "[method]output-stream.flush", |host: &mut Host, (stream,): (Output,)| answer(host.wasi().output_flush(stream.id())));
    imports.function_of(IO_STREAMS, "[method]output-stream.blocking-flush", |host: &mut Host, (stream,): (Output,)| answer(host.wasi().output_blocking_flush(stream.id())));
    imports.function_of(IO_STREAMS, "[method]output-stream.subscribe", |host: &mut Host, (stream,): (Output,)| host.wasi().output_subscribe(stream.id()).map(Own::<Pollable>::of));
    imports.function_of(IO_STREAMS, "[method]output-stream.write-zeroes", |host: &mut Host, (stream, len): (Output, u64)| answer(host.wasi().output_write_zeroes(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]output-stream.blocking-write-zeroes-and-flush", |host: &mut Host, (stream, len): (Output, u64)| answer(host.wasi().output_blocking_write_zeroes_and_flush(stream.id(), len)));
    imports.function_of(IO_STREAMS, "[method]output-stream.splice", |host: &mut Host, (stream, source, len): (Output, Input, u64)| answer(host.wasi().output_splice(stream.id(), source.id(), len)));
    imports.function_of(IO_STREAMS, "[method]output-stream.blocking-splice", |host: &mut Host, (stream, source, len): (Output, Input, u64)| answer(host.wasi().output_blocking_splice(stream.id(), source.id(), len)));

    imports.function_of(MONOTONIC_CLOCK, "now", |host: &mut Host, ()| Ok::<_, Trap>(host.wasi().monotonic_now()));
    imports.function_of(MONOTONIC_CLOCK, "resolution", |host: &mut Host, ()| Ok::<_, Trap>(host.wasi().monotonic_resolution()));
    imports.function_of(MONOTONIC_CLOCK, "subscribe-instant", |host: &mut Host, (when,): (u64,)| host.wasi().subscribe_instant(when).map(Own::<Pollable>::of));
    imports.function_of(MONOTONIC_CLOCK, "subscribe-duration", |host: &mut Host, (duration,): (u64,)| host.wasi().subscribe_duration(duration).map(Own::<Pollable>::of));
    imports.function_of(WALL_CLOCK, "now", |host: &mut Host, ()| Ok::<_, Trap>(datetime(host.wasi().wall_now())));
    imports.function_of(WALL_CLOCK, "resolution", |host: &mut Host, ()| Ok::<_, Trap>(datetime(host.wasi().wall_resolution())));

    imports.function_of(RANDOM, "get-random-bytes", |host: &mut Host, (len,): (u64,)| host.wasi().get_random_bytes(len));
    imports.function_of(RANDOM, "get-random-u64", |host: &mut Host, ()| host.wasi().get_random_u64());
    imports.function_of(INSECURE, "get-insecure-random-bytes", |host: &mut Host, (len,): (u64,)| host.wasi().get_insecure_random_bytes(len));
    imports.function_of(INSECURE, "get-insecure-random-u64", |host: &mut Host, ()| host.wasi().get_insecure_random_u64());
    imports.function_of(INSECURE_SEED, "insecure-seed", |host: &mut Host, ()| host.wasi().insecure_seed());

    imports.function_of(CLI_ENVIRONMENT, "get-environment", |host: &mut Host, ()| Ok::<_, Trap>(host.wasi().environment()));
    imports.function_of(CLI_ENVIRONMENT, "get-arguments", |host: &mut Host, ()| Ok::<_, Trap>(host.wasi().arguments()));
    imports.function_of(CLI_ENVIRONMENT, "initial-cwd", |host: &mut Host, ()| Ok::<_, Trap>(host.wasi().initial_cwd()));
    imports.function_of(CLI_EXIT, "exit", |host: &mut Host, (status,): (Result<(), ()>,)| Err::<(), _>(host.wasi().exit(status.is_ok())));
    imports.function_of(CLI_EXIT, "exit-with-code", |host: &mut Host, (code,): (u8,)| Err::<(), _>(host.wasi().exit_with_code(code)));
    imports.function_of("wasi:cli/stdin@0.2", "get-stdin", |host: &mut Host, ()| host.wasi().stdin().map(Own::<InputStream>::of));
    imports.function_of("wasi:cli/stdout@0.2", "get-stdout", |host: &mut Host, ()| host.wasi().stdout().map(Own::<OutputStream>::of));
    imports.function_of("wasi:cli/stderr@0.2", "get-stderr", |host: &mut Host, ()| host.wasi().stderr().map(Own::<OutputStream>::of));

    // None is ever made.
    imports.resource_of(Kind::TerminalInput, |_, _| Ok(()));
    imports.resource_of(Kind::TerminalOutput, |_, _| Ok(()));
    imports.function_of("wasi:cli/terminal-stdin@0.2", "get-terminal-stdin", |host: &mut Host, ()| Ok::<_, Trap>(never::<TerminalInput>(host.wasi().terminal_stdin())));
    imports.function_of("wasi:cli/terminal-stdout@0.2", "get-terminal-stdout", |host: &mut Host, ()| Ok::<_, Trap>(never::<TerminalOutput>(host.wasi().terminal_stdout())));
    imports.function_of("wasi:cli/terminal-stderr@0.2", "get-terminal-stderr", |host: &mut Host, ()| Ok::<_, Trap>(never::<TerminalOutput>(host.wasi().terminal_stderr())));

    imports.function_of("wasi:filesystem/preopens@0.2", "get-directories", |host: &mut Host, ()| {
        let directories = host.wasi().preopens_get_directories().into_iter();
        Ok::<Vec<(Own<Descriptor>, String)>, Trap>(directories.map(|(never, _)| match never {}).collect())
    });
}
