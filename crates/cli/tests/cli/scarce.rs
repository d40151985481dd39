//! The app where the system gives it little: every run succeeds or says what is wrong, and leaves nothing half done.
#![cfg(target_os = "linux")]

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::app::{App, BUNDLED, Run, audio};

/// Decodes under a limit of the shell's.
fn limited(app: &App, limit: &str, engine: &str, input: &Path) -> std::process::Output {
    let script = format!("ulimit {limit} && exec \"$@\"");
    let app_command = app.command();
    let mut command = Command::new("sh");
    command.current_dir(app.work()).stdin(Stdio::null()).args(["-c", &script, "sh"]);
    command.arg(app_command.get_program()).args(app_command.get_args());
    command.args(["--json", "--engine", engine, "decode"]).arg(input).args(["-o", "out.wav"]);
    command.output().expect("the shell starts")
}

/// R04: without descriptors, and without room to reserve a memory in. The plugin is not blamed for it.
///
/// Not below: a process without room for its own heap is ended by the allocator.
#[test]
fn whatever_is_scarce_is_an_error() {
    let input = audio("flac-1-frame.flac");
    let limits = ["-n 4", "-n 6", "-n 12", "-v 1024000", "-v 4096000", "-v 32768000"];
    for engine in ["wasmtime", "wasmer"] {
        let app = App::new();
        // With code in the cache, the limits meet the running rather than the compiler.
        app.json(&["--engine", engine, "decode", input.to_str().expect("UTF-8"), "-o", "warm.wav"]);
        let (mut failed, mut decoded) = (0, 0);
        for limit in limits {
            let run = Run::of(limited(&app, limit, engine, &input));
            let case = format!("{engine}, ulimit {limit}: {run:?}");
            assert!(!run.stderr.contains("panicked"), "{case}");
            if run.code == 0 {
                decoded += 1;
                std::fs::remove_file(app.path("out.wav")).expect("was written");
            } else {
                failed += 1;
                let error = &run.document()["error"];
                assert_eq!(
                    (run.code, error["message"].as_str().is_some_and(|text| !text.is_empty())),
                    (1, true),
                    "{case}"
                );
            }
            assert_eq!(app.names(), ["warm.wav"], "{case}");
            assert_eq!(app.json(&["plugin", "show", BUNDLED])["state"], "enabled", "{case}");
        }
        assert!(failed > 0 && decoded > 0, "{engine}: {failed} failed, {decoded} decoded");
    }
}
