//! A player's own code on the library's public API, from every kind of caller: tokio of one thread, of several, none.

use std::{
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use stellatune_plugins::{DecoderChoice, ErrorKind, Event, Input, Priority, Runtime, engine};
use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn runtime(home: &TempDir) -> Runtime {
    let engine = engine(None).expect("an engine is compiled in");
    Runtime::builder(engine).plugins_dir(home.path().join("plugins")).build().expect("a runtime")
}

/// Installs the decoder, plays a file to its end, and counts the frames.
async fn play(runtime: Runtime) -> u64 {
    let input = Input::file(root().join("fixtures/audio/demo.flac"));
    let mut decoder = runtime.open_decoder(&input, &DecoderChoice::Auto).await.expect("opens");
    decoder.set_priority(Priority::RealTime);
    let mut frames = 0;
    while let Some(block) = decoder.read(8_192).await.expect("decodes") {
        frames += block.frames() as u64;
    }
    decoder.close().await;
    frames
}

/// What a player does in an evening.
async fn evening() {
    let home = TempDir::new().expect("a directory");
    let runtime = runtime(&home);
    let mut events = runtime.events();
    runtime.install(root().join("plugins/prebuilt/symphonia")).await.expect("installs");
    let id = "dev.stellatune.decoder.symphonia";
    runtime.warm_up(id).await.expect("warms up");
    let frames = play(runtime.clone()).await;
    assert!(frames > 0);
    runtime.rescan().await.expect("looks again");
    runtime.disable(id).await.expect("disables");
    let input = Input::file(root().join("fixtures/audio/demo.flac"));
    let refused = runtime.open_decoder(&input, &DecoderChoice::Auto).await.map(drop).expect_err("nobody decodes");
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    runtime.enable(id).await.expect("enables");
    assert_eq!(play(runtime.clone()).await, frames);
    let stats = runtime.stats();
    assert_eq!(stats.len(), 1);
    assert!(stats[0].calls > 0 && stats[0].traps == 0 && stats[0].call_time.p99_us > 0, "{stats:?}");
    runtime.shutdown().await;
    let told: Vec<Event> = std::iter::from_fn(|| events.try_recv().ok()).collect();
    let starts = told.iter().filter(|event| matches!(event, Event::Started { .. })).count();
    let ends = told.iter().filter(|event| matches!(event, Event::Unloaded { .. })).count();
    assert_eq!((starts, ends), (2, 2), "{told:?}");
}

#[test]
fn without_an_executor() {
    pollster::block_on(evening());
}

#[test]
fn on_a_tokio_of_one_thread() {
    let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of tokio");
    tokio.block_on(evening());
}

#[test]
fn on_a_tokio_of_several_threads() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime of tokio");
    tokio.block_on(async {
        let evenings: Vec<_> = (0..3).map(|_| tokio::spawn(evening())).collect();
        for evening in evenings {
            evening.await.expect("no task panics");
        }
    });
}

/// R11: guests run on threads of the library's own, so the caller's may be small.
#[test]
fn from_a_thread_with_a_small_stack() {
    let small = thread::Builder::new().stack_size(128 * 1024);
    let caller = small.spawn(|| pollster::block_on(evening())).expect("a thread");
    caller.join().expect("the stack is enough");
}

/// G21: who stops waiting for a call loses what it came to, and nothing else.
#[test]
fn dropping_what_is_waited_for() {
    let home = TempDir::new().expect("a directory");
    let runtime = runtime(&home);
    pollster::block_on(async {
        runtime.install(root().join("plugins/prebuilt/symphonia")).await.expect("installs");
        let input = Input::file(root().join("fixtures/audio/demo.mp3"));
        for polls in 0..3 {
            // Before it began, while it runs, and perhaps when it is done.
            let mut opening = Box::pin(runtime.open_decoder(&input, &DecoderChoice::Auto));
            for _ in 0..polls {
                let _ = poll(&mut opening);
            }
        }
        let mut decoder = runtime.open_decoder(&input, &DecoderChoice::Auto).await.expect("opens");
        for _ in 0..10 {
            let mut reading = Box::pin(decoder.read(8_192));
            let _ = poll(&mut reading);
        }
        let mut frames = 0;
        while let Some(block) = decoder.read(8_192).await.expect("decodes on") {
            frames += block.frames();
        }
        assert!(frames > 0, "the file has ten blocks and more");
        decoder.seek(0).await.expect("seeks");
        assert!(decoder.read(8_192).await.expect("decodes again").is_some());
        decoder.close().await;
        runtime.shutdown().await;
    });
}

/// Asks a future once whether it is ready.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// R14: one library runtime is used from two of tokio, outlives one of them, and is dropped inside the other.
#[test]
fn across_runtimes_of_tokio() {
    let home = TempDir::new().expect("a directory");
    let runtime = runtime(&home);
    let first = tokio::runtime::Builder::new_current_thread().build().expect("a runtime of tokio");
    first.block_on(async { runtime.install(root().join("plugins/prebuilt/symphonia")).await }).expect("installs");
    let input = Input::file(root().join("fixtures/audio/demo.flac"));
    let mut decoder = first.block_on(runtime.open_decoder(&input, &DecoderChoice::Auto)).expect("opens");
    drop(first);
    let second = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime of tokio");
    second.block_on(async move {
        assert!(decoder.read(64).await.expect("decodes").is_some());
        drop(decoder);
        drop(runtime);
    });
}

/// R05, R12: shutdown from another thread while one decodes, twice, and by dropping everything.
#[test]
fn shutdown_while_decoding() {
    let home = TempDir::new().expect("a directory");
    let runtime = runtime(&home);
    pollster::block_on(runtime.install(root().join("plugins/prebuilt/symphonia"))).expect("installs");
    let input =
        Input::bytes(Arc::<[u8]>::from(std::fs::read(root().join("fixtures/audio/demo.flac")).expect("a file")));
    let mut decoder =
        pollster::block_on(runtime.open_decoder(&input.with_ext("flac"), &DecoderChoice::Auto)).expect("opens");
    let other = runtime.clone();
    let quitter = thread::spawn(move || {
        pollster::block_on(other.shutdown());
        pollster::block_on(other.shutdown());
    });
    let ended = loop {
        match pollster::block_on(decoder.read(256)) {
            Ok(Some(_)) => {}
            Ok(None) => pollster::block_on(decoder.seek(0)).unwrap_or_default(),
            Err(error) => break error,
        }
    };
    assert_eq!(ended.kind(), ErrorKind::Cancelled, "{ended}");
    quitter.join().expect("shutdown does not panic");
    drop(runtime);
}
