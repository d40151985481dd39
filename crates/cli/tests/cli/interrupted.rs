//! Ctrl-C in the middle of a decode.
#![cfg(unix)]

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::app::{App, Run};

/// A WAV of silence that takes a while: sparse, so that it costs no disk.
fn long_wav(path: &std::path::Path) {
    const DATA_BYTES: u32 = 2_000_000_000;
    let mut header = Vec::new();
    header.extend(b"RIFF");
    header.extend((36 + DATA_BYTES).to_le_bytes());
    header.extend(b"WAVEfmt \x10\0\0\0\x01\0\x02\0");
    header.extend(44_100_u32.to_le_bytes());
    header.extend((44_100_u32 * 4).to_le_bytes());
    header.extend(b"\x04\0\x10\0data");
    header.extend(DATA_BYTES.to_le_bytes());
    let mut file = File::create(path).expect("writable");
    file.write_all(&header).expect("writable");
    file.set_len(header.len() as u64 + u64::from(DATA_BYTES)).expect("sparse files work");
}

fn is_writing(app: &App) -> bool {
    let part = app.names().into_iter().find(|name| name.ends_with(".part"));
    part.is_some_and(|name| fs::metadata(app.path(&name)).is_ok_and(|file| file.len() > 1_000_000))
}

#[test]
fn a_signal_ends_a_decode_and_removes_what_was_written() {
    for signal in ["-INT", "-TERM"] {
        let app = App::new();
        long_wav(&app.path("long.wav"));
        fs::write(app.path("out.wav"), "precious").expect("writable");
        let mut command = app.command();
        command.args(["--json", "decode", "long.wav", "-o", "out.wav"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the app starts");

        let patience = Instant::now() + Duration::from_secs(60);
        while !is_writing(&app) {
            assert!(Instant::now() < patience, "nothing was written in a minute");
            thread::sleep(Duration::from_millis(5));
        }
        let sent = Instant::now();
        let killed = Command::new("kill").arg(signal).arg(child.id().to_string()).status().expect("kill is there");
        assert!(killed.success());
        let run = Run::of(child.wait_with_output().expect("it ends"));

        assert!(sent.elapsed() < Duration::from_secs(5), "it took {:?} to end", sent.elapsed());
        assert_eq!((run.code, &run.document()["error"]["kind"]), (130, &"cancelled".into()), "{signal}: {run:?}");
        assert_eq!(app.names(), ["long.wav", "out.wav"]);
        assert_eq!(fs::read(app.path("out.wav")).expect("there"), b"precious");
    }
}
