//! A block on the hot path makes no allocation and no system call and takes no lock, on every engine. // X14

#[path = "support/quiet.rs"]
#[allow(dead_code, reason = "the figures use the rest")]
mod quiet;

use std::path::Path;

use quiet::{Counting, Playing};
use stellatune_plugins::engines;

const ROUNDS: usize = 500;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn playing(engine: &str) -> Playing {
    Playing::new(Path::new(env!("CARGO_MANIFEST_DIR")), engine)
}

#[test]
fn blocks_allocate_nothing() {
    let before = quiet::allocations();
    drop(std::hint::black_box(Box::new(before)));
    assert_eq!(quiet::allocations() - before, 2, "the allocator counts");
    for engine in engines() {
        assert_eq!(quiet::allocations_of(playing(engine), ROUNDS), 0, "{engine}: allocations in {ROUNDS} rounds");
    }
}

/// One instruction at a time, which takes a thousand times as long.
const WATCHED_ROUNDS: usize = 3;

#[test]
fn blocks_take_no_lock() {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    for engine in engines() {
        let watched = quiet::locks_of(playing(engine), WATCHED_ROUNDS, false);
        assert!(watched.steps > 10_000, "{engine}: only {watched:?} was seen");
        assert_eq!(watched.locked, 0, "{engine}: {watched:?}");
        let broken = quiet::locks_of(playing(engine), 1, true);
        assert!(broken.locked > 0, "{engine}: a free lock is noticed");
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    println!("not run: instructions are watched on Linux on x86-64 only");
}

#[cfg(target_os = "linux")]
mod system_calls {
    use std::{
        os::unix::process::ExitStatusExt,
        process::{Command, ExitStatus},
    };

    use super::*;

    const ENGINE: &str = "STELLATUNE_HOT_QUIET_ENGINE";
    const BREAK: &str = "STELLATUNE_HOT_QUIET_BREAK";

    /// The process of its own: nothing, unless this test started it.
    #[test]
    fn child() {
        let Ok(engine) = std::env::var(ENGINE) else { return };
        quiet::system_calls::play(playing(&engine), ROUNDS, std::env::var_os(BREAK).is_some())
    }

    fn run(engine: &str, breaks: bool) -> ExitStatus {
        let mut command = Command::new(std::env::current_exe().expect("this test's own path"));
        command.args(["--exact", "system_calls::child", "--test-threads=1"]).env(ENGINE, engine);
        if breaks {
            command.env(BREAK, "1");
        }
        command.status().expect("this test starts again")
    }

    #[test]
    fn blocks_make_no_system_call() {
        for engine in engines() {
            let status = run(engine, false);
            if status.code() == Some(quiet::system_calls::NOT_RUN) {
                println!("not run: this system allows no seccomp filter");
                return;
            }
            assert!(status.success(), "{engine}: a block made a system call ({status})");
            assert_eq!(run(engine, true).signal(), Some(libc::SIGSYS), "the filter notices one");
        }
    }
}
