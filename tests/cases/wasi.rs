//! What a guest sees of WASI: clocks, sleep, randomness, output as log lines, and nothing of this machine.

use stellatune_plugin_core::{error::TrapKind, limits::Limits, types::MetadataValue, wasi::LINE_BYTES};

use crate::support::{
    Case, Subject,
    guest::{Guest, SHORT, trap_kind},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("wasi/environment", ["edge-decoder"], environment)
            .varies("the fixture tells the time and how long it slept"),
        Case::new("wasi/output-becomes-lines", ["edge-decoder"], lines),
        Case::new("wasi/a-flood-is-dropped", ["edge-decoder"], flood)
            .calls_alone("how much a guest prints before it is cut depends on the clock"),
        Case::new("wasi/stream-facts", ["edge-decoder"], stream_facts),
        Case::new("wasi/stream-facts-unseekable", ["edge-decoder"], stream_facts_unseekable),
    ]
}

/// What the fixture tells through the extras of its metadata.
fn facts(subject: &Subject, stream: Script, hint: &str) -> impl Fn(&str) -> String {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(stream.boxed(), hint).expect("opens");
    let metadata = guest.decoder(|decoder| decoder.metadata(session)).expect("has metadata");
    move |key| match metadata.extras.iter().find(|entry| entry.key == key).map(|entry| &entry.value) {
        Some(MetadataValue::Text(text)) => text.clone(),
        other => panic!("the fixture tells {key}: {other:?}"),
    }
}

fn environment(subject: &Subject) {
    let fact = facts(subject, Script::new(Vec::new()), "env");
    assert_eq!((fact("vars"), fact("args")), (String::new(), String::new()));
    assert_eq!(fact("map"), "value");
    assert_eq!(fact("stdin"), "0 bytes");
    assert!(fact("folder").starts_with("error"), "no folder: {}", fact("folder"));
    assert!(fact("file").starts_with("Err"), "no file: {}", fact("file"));
    assert!(fact("slept_ms").parse::<u64>().expect("a number") >= 5, "slept {} ms", fact("slept_ms"));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let told = fact("unix_seconds").parse::<u64>().expect("a number");
    assert!(now.abs_diff(told) < 600, "{told} is not {now}");
}

fn lines(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(Script::new(Vec::new()).boxed(), "stdio").expect("opens");
    guest.close(session).expect("closes");
    let log = guest.log();
    let from =
        |error_output: bool| log.iter().filter(move |(error, _)| *error == error_output).map(|(_, text)| text.as_str());
    let out: Vec<_> = from(false).collect();
    assert_eq!(out[0], "plain line");
    assert_eq!(out[1], "in two parts");
    assert_eq!(out[2], "escape \\u{1b}[31mred\\u{1b}[0m bell \\u{7} return \\r back");
    assert_eq!(out[3..].concat().trim_end(), "long ".repeat(4000).trim_end(), "a long line is split, not lost");
    assert!(out[3..].iter().all(|text| text.len() <= LINE_BYTES));
    assert_eq!(from(true).collect::<Vec<_>>(), ["line on stderr"]);
}

/// However much a guest prints, the log gets a burst and then a line that says so. // G17
fn flood(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(Script::new(Vec::new()).boxed(), "flood").expect("opens");
    guest.budget(SHORT);
    assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Deadline);
    let lines = guest.end();
    let most = 3 * Limits::AUDIO.log_lines_per_second as usize;
    assert!((2..most).contains(&lines.len()), "{} lines", lines.len());
    assert!(lines.iter().any(|(_, text)| text.starts_with("warn: dropped")), "says what it dropped");
}

/// Every call of `host-stream-handle`, as a guest sees it.
fn stream_facts(subject: &Subject) {
    let fact = facts(subject, Script::new(&[9; 8][..]), "stream-facts");
    let expected = [
        ("size", "Some(8)"),
        ("tell", "0"),
        ("seekable", "true"),
        ("read-zero", "1"),
        ("read-four", "4"),
        ("tell-after", "5"),
        ("seek-back", "4"),
        ("seek-end", "7"),
        ("read-last", "1"),
        ("read-end", "0"),
        ("read-end-again", "0"),
        ("seek-behind", "18"),
        ("read-behind", "0"),
        ("seek-start", "0"),
    ];
    for (key, value) in expected {
        assert_eq!(fact(key), value, "{key}");
    }
    assert!(fact("seek-before").starts_with("InvalidArg"), "{}", fact("seek-before"));
}

fn stream_facts_unseekable(subject: &Subject) {
    let fact = facts(subject, Script::new(&[9; 8][..]).unseekable(), "stream-facts");
    assert_eq!((fact("size"), fact("seekable"), fact("tell")), ("None".into(), "false".into(), "0".into()));
    for key in ["seek-back", "seek-end", "seek-start"] {
        assert!(fact(key).starts_with("Unsupported"), "{key}: {}", fact(key));
    }
    assert_eq!((fact("read-four"), fact("read-last")), ("4".into(), "3".into()));
}
