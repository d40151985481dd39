//! The semantics of plugin contract 3.1, for each kind of stream.
use std::{
    io::{Cursor, Write},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use super::*;
use crate::{
    control::{CallControl, CallScope, CancelToken},
    error::{CallError, CallResult, PluginError, TrapKind},
    limits::Budget,
};

const DATA: &[u8] = b"0123456789";

fn enter<'a>(control: &'a CallControl, token: &CancelToken) -> CallScope<'a> {
    let minute = Duration::from_secs(60);
    control.enter(&Budget { guest: minute, wall: minute, boundary_bytes: 1 }, token)
}

/// Runs `test` inside a call.
fn in_call(test: impl FnOnce(&Arc<CallControl>)) {
    let control = Arc::new(CallControl::default());
    let _scope = enter(&control, &CancelToken::default());
    test(&control);
}

fn case<T>(result: CallResult<T>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(CallError::Plugin(error)) => error.case(),
        Err(CallError::Trap(trap)) => trap.kind.name(),
    }
}

fn temporary_file() -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(".FLAC").tempfile().unwrap();
    file.write_all(DATA).unwrap();
    file
}

fn seekable(test: impl Fn(Box<dyn HostStream>, &Arc<CallControl>)) {
    let file = temporary_file();
    let mut standing_elsewhere = Cursor::new(DATA);
    standing_elsewhere.set_position(7);
    for input in [Input::file(file.path()), Input::bytes(DATA), Input::reader(standing_elsewhere)] {
        in_call(|control| test(input.open().unwrap(), control));
    }
}

#[test]
fn reads_are_short_at_the_end_and_then_empty() {
    seekable(|mut stream, control| {
        assert_eq!(stream.read(4, control).unwrap(), b"0123");
        assert_eq!(stream.tell(control), Ok(4));
        assert_eq!(stream.read(1 << 20, control).unwrap(), b"456789");
        assert_eq!(stream.read(1, control).unwrap(), b"");
        assert_eq!(stream.read(1, control).unwrap(), b"");
        assert_eq!(stream.tell(control), Ok(10));
    });
}

#[test]
fn seeks_go_anywhere_but_before_the_start() {
    use SeekWhence::{Current, End, Start};
    seekable(|mut stream, control| {
        assert_eq!(stream.seek(0, Current, control), Ok(0));
        assert_eq!(stream.seek(0, Start, control), Ok(0));
        assert_eq!(stream.seek(3, Start, control), Ok(3));
        assert_eq!(stream.seek(2, Current, control), Ok(5));
        assert_eq!(stream.seek(-4, Current, control), Ok(1));
        assert_eq!(stream.read(2, control).unwrap(), b"12");
        assert_eq!(stream.seek(-2, End, control), Ok(8));
        assert_eq!(stream.read(9, control).unwrap(), b"89");
        for (offset, whence) in [(-1, Start), (-11, Current), (-11, End), (i64::MIN, Current), (i64::MIN, Start)] {
            assert_eq!(case(stream.seek(offset, whence, control)), "invalid-arg", "{offset} {whence:?}");
            assert_eq!(stream.tell(control), Ok(10));
        }
        assert_eq!(stream.seek(90, End, control), Ok(100));
        assert_eq!(stream.tell(control), Ok(100));
        assert_eq!(stream.read(1, control).unwrap(), b"");
        assert_eq!(stream.seek(0, Start, control), Ok(0));
        assert_eq!(stream.read(1, control).unwrap(), b"0");
    });
}

#[test]
fn the_size_is_known_and_asking_does_not_move() {
    seekable(|mut stream, control| {
        stream.read(3, control).unwrap();
        assert_eq!(stream.size(control), Ok(10));
        assert_eq!(stream.read(1, control).unwrap(), b"3");
    });
}

#[test]
fn each_open_starts_at_the_first_byte() {
    let file = temporary_file();
    for input in [Input::file(file.path()), Input::bytes(DATA), Input::reader(Cursor::new(DATA))] {
        for _ in 0..2 {
            in_call(|control| {
                let mut stream = input.open().unwrap();
                assert_eq!(stream.tell(control), Ok(0));
                assert_eq!(stream.read(9, control).unwrap(), b"012345678");
            });
        }
    }
}

#[test]
fn a_forward_stream_knows_how_far_it_is_and_nothing_else() {
    let input = Input::forward(DATA);
    in_call(|control| {
        let mut stream = input.open().unwrap();
        assert_eq!(stream.read(4, control).unwrap(), b"0123");
        assert_eq!(case(stream.seek(0, SeekWhence::Current, control)), "unsupported");
        assert_eq!(case(stream.seek(-1, SeekWhence::Start, control)), "invalid-arg");
        assert_eq!(case(stream.size(control)), "unsupported");
        assert_eq!(stream.tell(control), Ok(4));
        assert_eq!(stream.read(100, control).unwrap(), b"456789");
        assert_eq!(stream.read(100, control).unwrap(), b"");
    });
}

#[test]
fn a_forward_stream_is_opened_again_until_it_was_read() {
    let input = Input::forward(DATA);
    in_call(|control| {
        assert_eq!(case(input.open().unwrap().size(control)), "unsupported");
        let mut stream = input.open().unwrap();
        assert_eq!(input.open().err().unwrap().kind(), ErrorKind::Busy);
        stream.read(1, control).unwrap();
        drop(stream);
        for _ in 0..2 {
            assert_eq!(input.open().err().unwrap().kind(), ErrorKind::Unsupported);
        }
    });
}

#[test]
fn hints_are_normalised() {
    let hint = |input: Input| input.ext_hint();
    assert_eq!(hint(Input::file("a/b.tar.FLAC")).as_deref(), Some("flac"));
    assert_eq!(hint(Input::file("a.b/c")), None);
    assert_eq!(hint(Input::file("a.mp3").with_ext(" .Ogg ")).as_deref(), Some("ogg"));
    assert_eq!(hint(Input::file("a.mp3").with_ext(".")), None);
    assert_eq!(hint(Input::bytes(DATA)), None);
}

#[test]
fn what_is_no_file_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |path: &Path| Input::file(path).open().err().unwrap();
    assert_eq!(refusal(&directory.path().join("absent")).kind(), ErrorKind::NotFound);
    let error = refusal(directory.path());
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("it is a directory"), "{error}");
    #[cfg(unix)]
    assert_eq!(refusal(Path::new("/dev/zero")).kind(), ErrorKind::InvalidArgument);
}

/// Gives what the test sends, and blocks in between.
struct Fed(Receiver<io::Result<Vec<u8>>>);

impl Read for Fed {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Ok(next) = self.0.recv() else { return Ok(0) };
        let next = next?;
        bytes[..next.len()].copy_from_slice(&next);
        Ok(next.len())
    }
}

#[test]
fn a_reader_gives_what_it_has_and_its_errors_in_between() {
    let (feed, fed) = mpsc::channel();
    let mut stream = Input::forward(Fed(fed)).open().unwrap();
    feed.send(Ok(b"ab".to_vec())).unwrap();
    feed.send(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the peer went away"))).unwrap();
    feed.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
    feed.send(Ok(b"c".to_vec())).unwrap();
    drop(feed);
    in_call(|control| {
        assert_eq!(stream.read(100, control).unwrap(), b"ab");
        let refusal = PluginError::Io("the peer went away".to_owned());
        assert_eq!(stream.read(100, control), Err(refusal.into()));
        assert_eq!(stream.read(100, control).unwrap(), b"c");
        assert_eq!(stream.read(100, control).unwrap(), b"");
        assert_eq!(stream.tell(control), Ok(3));
    });
}

#[test]
fn a_blocked_read_is_cancelled_and_left_behind() {
    let (feed, fed) = mpsc::channel();
    let input = Input::forward(Fed(fed));
    let mut stream = input.open().unwrap();
    let (control, token) = (Arc::new(CallControl::default()), CancelToken::default());
    let scope = enter(&control, &token);
    let (other, cancelled) = (Arc::clone(&control), token.clone());
    let canceller = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        other.cancel(&cancelled);
    });
    assert_eq!(case(stream.read(1, &control)), TrapKind::Cancelled.name());
    canceller.join().unwrap();
    drop(scope);
    token.reset();
    let _scope = enter(&control, &token);
    feed.send(Ok(b"late".to_vec())).unwrap();
    assert_eq!(case(stream.read(1, &control)), "io");
    assert_eq!(case(stream.tell(&control)), "io");
    drop(stream);
    assert_eq!(input.open().err().unwrap().kind(), ErrorKind::Unsupported);
}

#[test]
fn the_reader_goes_with_the_input_and_its_stream() {
    struct Watched(mpsc::Sender<()>);
    impl Read for Watched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Ok(0)
        }
    }
    impl Drop for Watched {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }
    let (gone, dropped) = mpsc::channel();
    let input = Input::forward(Watched(gone));
    let mut stream = input.open().unwrap();
    drop(input);
    in_call(|control| assert_eq!(stream.read(1, control).unwrap(), b""));
    assert!(dropped.try_recv().is_err());
    drop(stream);
    dropped.recv_timeout(Duration::from_secs(10)).unwrap();
}

#[test]
fn a_reader_that_panics_is_an_error() {
    struct Panics;
    impl Read for Panics {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            panic!("as the test wants")
        }
    }
    in_call(|control| assert_eq!(case(Input::forward(Panics).open().unwrap().read(1, control)), "io"));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_forward_and_its_writer_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pipe.wav");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let input = Input::file(&path);
    let mut stream = input.open().unwrap();
    let writer = thread::spawn(move || fs::write(path, DATA).unwrap());
    in_call(|control| {
        let mut read = Vec::new();
        loop {
            let bytes = stream.read(4, control).unwrap();
            if bytes.is_empty() {
                break;
            }
            read.extend(bytes);
        }
        assert_eq!(read, DATA);
        assert_eq!(case(stream.seek(0, SeekWhence::Start, control)), "unsupported");
    });
    writer.join().unwrap();
    assert_eq!(input.ext_hint().as_deref(), Some("wav"));
}
