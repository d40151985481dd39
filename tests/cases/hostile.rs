//! Guests that break the canonical ABI on purpose, at every place and in every way: as answers, as arguments of
//! imports, when they allocate, clean up and destruct; and what is left afterwards.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stellatune_plugin_core::{
    control::{CallControl, CancelToken},
    error::{CallError, CallResult, PluginError, TrapKind},
    host::{Channel, Host, HostStream, Lock, Process, Services, Sidecars, Streams},
    limits::{Budget, Limits},
    table::ObjectId,
    types::{LaunchSpec, OpenRequest, SeekWhence, TransportKind, TransportOption},
    wasi::LogSink,
};

use super::zoo::{ANSWER, BYTES, call, calling, told};
use crate::support::{
    Case, Subject, fixture,
    guest::{GENEROUS, Guest, Options, SHORT, refusal, trap_kind},
    stream::Script,
    wat::StringEncoding,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("hostile/takes-too-many-locks", ["sidecar-flood"], |subject| flood(subject, 0)),
        Case::new("hostile/takes-too-many-processes", ["sidecar-flood"], |subject| flood(subject, 1)),
        Case::new("hostile/takes-too-many-control-channels", ["sidecar-flood"], |subject| flood(subject, 2)),
        Case::new("hostile/takes-too-many-data-channels", ["sidecar-flood"], |subject| flood(subject, 3)),
        Case::new("hostile/takes-too-many-pollables", ["pollable-flood"], pollables),
        Case::new("hostile/handle-of-another-instance", ["told-calls"], another_instance),
        Case::new("hostile/called-after-a-trap", ["told-calls"], called_after_a_trap),
    ];
    for Answer { name, of, kind, bytes } in answers() {
        let run = move |subject: &Subject| {
            let mut guest = Guest::new(subject, "told-answers");
            let session = guest.open(Script::new(bytes.clone()).boxed(), "x").expect("opens");
            let answer = of.ask(&mut guest, session);
            match kind {
                Some(kind) => assert_eq!(trap_kind(answer), kind),
                None => assert!(!matches!(answer, Err(CallError::Trap(_))), "{answer:?}"),
            }
        };
        cases.push(Case::new(format!("hostile/answers-{name}"), ["told-answers"], run));
    }
    for (name, kind, number, image) in arguments() {
        let run = move |subject: &Subject| argument(subject, kind, number, &image);
        cases.push(Case::new(format!("hostile/calls-with-{name}"), ["told-calls"], run));
    }
    for (name, number) in ENDS {
        let run = move |subject: &Subject| everything_is_let_go(subject, number);
        cases.push(Case::new(format!("hostile/holds-everything-and-{name}"), ["told-calls"], run));
    }
    for (name, encoding) in [("utf8", StringEncoding::UTF8), ("utf16", StringEncoding::UTF16)] {
        for (way, what, kinds) in ALLOCATIONS {
            let kind = if encoding == StringEncoding::UTF8 { kinds[0] } else { kinds[1] };
            let run = move |subject: &Subject| allocation(subject, name, encoding, way, kind);
            cases.push(Case::new(format!("hostile/allocates-{what}-{name}"), ["realloc-zoo"], run));
        }
    }
    for (way, what, kind) in CLEAN_UPS {
        cases.push(Case::new(format!("hostile/cleans-up-{what}"), ["realloc-zoo"], move |subject| {
            let (mut guest, session) = allocating(subject, "utf8", StringEncoding::UTF8, way);
            assert_eq!(trap_kind(guest.read(session, 1)), kind);
        }));
    }
    for (way, what, kind) in DESTRUCTORS {
        cases.push(Case::new(format!("hostile/destructs-{what}"), ["realloc-zoo"], move |subject| {
            let (mut guest, session) = allocating(subject, "utf8", StringEncoding::UTF8, way);
            match kind {
                Some(kind) => assert_eq!(trap_kind(guest.close(session)), kind),
                None => guest.close(session).expect("closes"),
            }
        }));
    }
    cases
}

/// What is asked of the guest.
#[derive(Clone, Copy)]
enum Of {
    Read,
    Info,
    Metadata,
    Plan,
    State,
}

impl Of {
    fn ask(self, guest: &mut Guest, session: ObjectId) -> CallResult<()> {
        match self {
            Self::Read => guest.read(session, 1).map(drop),
            Self::Info => guest.decoder(|decoder| decoder.info(session)).map(drop),
            Self::Metadata => guest.decoder(|decoder| decoder.metadata(session)).map(drop),
            Self::Plan => guest.call(|instance| instance.plan_config(session, "{}")).map(drop),
            Self::State => guest.call(|instance| instance.export_state(session)).map(drop),
        }
    }
}

/// What the fixture is told to answer, and how that must end.
struct Answer {
    name: String,
    of: Of,
    kind: Option<TrapKind>,
    bytes: Vec<u8>,
}

/// The fixture's memory ends here, and what it is told begins there.
const END: u32 = 0x2_0000;
const TOLD: u32 = 8192;
/// Where answers lie that are to be found.
const GOOD: u32 = TOLD + 8;

/// What the fixture is told: where its answer lies, and what lies there and behind.
fn image(at: u32, parts: &[(u32, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    bytes[..4].copy_from_slice(&at.to_le_bytes());
    for (offset, part) in parts {
        let from = 8 + *offset as usize;
        bytes[from..from + part.len()].copy_from_slice(part);
    }
    bytes
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

// G09 G10 G11
#[allow(clippy::too_many_lines, reason = "one table")]
fn answers() -> Vec<Answer> {
    use Of::{Info, Metadata, Plan, Read, State};
    let abi = Some(TrapKind::Abi);
    let mut all = Vec::new();
    let mut add = |name: &str, of: Of, kind: Option<TrapKind>, bytes: Vec<u8>| {
        all.push(Answer { name: name.to_owned(), of, kind, bytes });
    };

    // Where the answer itself lies.
    for (name, at) in [
        ("at-the-end", END),
        ("across-the-end", END - 4),
        ("outside", 0xffff_fff0),
        ("last", u32::MAX),
        ("odd", GOOD + 1),
        ("half-aligned", GOOD + 2),
    ] {
        add(&format!("pointer-{name}"), Read, abi, image(at, &[]));
    }
    add("pointer-aligned-to-four-not-eight", Info, abi, image(GOOD + 4, &[]));
    add("pointer-at-zero", Read, None, image(0, &[]));

    // Pointer and length of a list of bytes, of a text, of a list of records, of a list of texts.
    let pairs = [
        ("at-the-end-of-one", END, 1, abi),
        ("at-the-end-of-none", END, 0, None),
        ("outside-of-none", 0xffff_fff0, 0, abi),
        ("across-the-end", END - 8, 9, abi),
        ("to-the-end", END - 8, 8, None),
        ("minus-one", 0, u32::MAX, abi),
        ("minus-one-and-on", 8192, u32::MAX, abi),
        ("end-overflows", 0xffff_f000, 0x1_0000, abi),
        ("of-a-gibibyte", 0, 1 << 30, abi),
        ("of-two-gibibytes", 0, 1 << 31, abi),
    ];
    for (name, at, length, kind) in pairs {
        let pair = words(&[at, length]);
        add(&format!("bytes-{name}"), Read, kind, image(GOOD, &[(4, &pair)]));
        // An option of a text.
        add(&format!("text-{name}"), State, kind, image(GOOD, &[(4, &[1]), (8, &pair)]));
        // A refusal's.
        add(&format!("refusal-{name}"), Read, kind, image(GOOD, &[(0, &[1]), (8, &pair)]));
    }
    // A record is laid out from 8 on; the list of artists begins at 24 of it, the list of extras at 160.
    let lists = [
        ("at-the-end-of-one", END, 1, abi),
        ("outside-of-none", 0xffff_fff0, 0, abi),
        ("minus-one", 0, u32::MAX, abi),
        ("size-overflows", 0, 0x2000_0001, abi),
        ("size-overflows-to-zero", 0, 0x8000_0000, abi),
        ("of-a-gibibyte", 0, 1 << 27, abi),
        ("odd", GOOD + 513, 1, abi),
        ("odd-of-none", GOOD + 513, 0, abi),
        ("half-aligned", GOOD + 514, 1, abi),
    ];
    for (name, at, length, kind) in lists {
        let pair = words(&[at, length]);
        add(&format!("list-of-texts-{name}"), Metadata, kind, image(GOOD, &[(8 + 24, &pair)]));
        add(&format!("list-of-records-{name}"), Metadata, kind, image(GOOD, &[(8 + 160, &pair)]));
    }
    // Aligned to four, where records that hold 64-bit numbers want eight.
    let pair = words(&[GOOD + 516, 1]);
    add("list-of-records-aligned-to-four", Metadata, abi, image(GOOD, &[(8 + 160, &pair)]));

    // Texts that are none. Each is a title, behind the byte that says that there is one.
    let not_text: [(&str, &[u8]); 14] = [
        ("lone-continuation", b"\x80"),
        ("ff", b"ok\xff"),
        ("overlong-2", b"\xc0\x80"),
        ("overlong-slash", b"\xc0\xaf"),
        ("overlong-3", b"\xe0\x80\x80"),
        ("overlong-4", b"\xf0\x80\x80\x80"),
        ("cut-2", b"caf\xc3"),
        ("cut-3", b"\xe2\x82"),
        ("cut-4", b"\xf0\x9f\x8e"),
        ("high-surrogate", b"\xed\xa0\x80"),
        ("low-surrogate", b"\xed\xbf\xbf"),
        ("surrogate-pair", b"\xed\xa0\xbc\xed\xbe\xb5"),
        ("beyond-unicode", b"\xf4\x90\x80\x80"),
        ("five-bytes", b"\xf8\x88\x80\x80\x80"),
    ];
    for (name, text) in not_text {
        let pair = words(&[GOOD + 512, text.len() as u32]);
        add(&format!("text-{name}"), Metadata, abi, image(GOOD, &[(8, &[1]), (12, &pair), (512, text)]));
        add(&format!("refusal-{name}"), Read, abi, image(GOOD, &[(0, &[1]), (8, &pair), (512, text)]));
    }

    // Which case it is, where there is none such.
    for value in [2, 3, 127, 128, 255] {
        add(&format!("result-{value}"), Read, abi, image(GOOD, &[(0, &[value])]));
        add(&format!("option-{value}"), State, abi, image(GOOD, &[(4, &[value])]));
        add(&format!("option-of-a-number-{value}"), Info, abi, image(GOOD, &[(16, &[value])]));
    }
    for value in [3, 4, 255] {
        add(&format!("enum-{value}"), Plan, abi, image(GOOD, &[(4, &[value])]));
    }
    for value in [7, 8, 255] {
        add(&format!("error-{value}"), Read, abi, image(GOOD, &[(0, &[1]), (4, &[value])]));
        let extras = words(&[GOOD + 512, 1]);
        let parts: &[(u32, &[u8])] = &[(8 + 160, &extras), (512 + 8, &[value])];
        add(&format!("variant-{value}"), Metadata, abi, image(GOOD, parts));
    }
    // A bool is true for any other value than zero, and what lies between fields means nothing.
    for value in [1, 2, 128, 255] {
        add(&format!("bool-{value}"), Read, None, image(GOOD, &[(16, &[value])]));
        let extras = words(&[GOOD + 512, 1]);
        let parts: &[(u32, &[u8])] = &[(8 + 160, &extras), (512 + 8, &[1]), (512 + 16, &[value])];
        add(&format!("bool-in-a-variant-{value}"), Metadata, None, image(GOOD, parts));
    }
    add("rubbish-between-fields", Read, None, image(GOOD, &[(1, &[0xff; 3]), (17, &[0xff; 3])]));
    add("rubbish-behind-a-small-case", Plan, None, image(GOOD, &[(5, &[0xff; 3]), (9, &[0xff; 3])]));
    all
}

/// A call with a bad argument, whether it traps, which call and with what.
type Argument = (String, Option<TrapKind>, u32, Vec<u8>);

/// The handle of the stream that comes with `open`, the first that a guest ever has (component model, canonical ABI:
/// a table's first entry is left free).
const STREAM: u32 = 1;

// G09 G10 G11 G13
fn arguments() -> Vec<Argument> {
    let abi = Some(TrapKind::Abi);
    let mut all: Vec<Argument> = Vec::new();
    let mut add = |name: String, kind: Option<TrapKind>, number: u32, words: &[u32], bytes: &[u8]| {
        all.push((name, kind, number, told(words, bytes)));
    };
    let open = |at: usize, value: u32| {
        let mut words = [0, BYTES, 4, 0, 0, BYTES, 0, 0, BYTES, 0, 0, 0, 0, 0, ANSWER];
        words[at] = value;
        words
    };
    let pairs = [
        ("at-the-end", END, 1),
        ("outside", 0xffff_fff0, 0),
        ("across-the-end", END - 8, 9),
        ("minus-one", 0, u32::MAX),
        ("overflow", 0xffff_f000, 0x1_0000),
        ("a-gibibyte", 0, 1 << 30),
    ];
    for (name, at, length) in pairs {
        add(format!("a-text-{name}"), abi, call::LOCK, &[at, length, 0, 0, ANSWER], &[]);
        add(format!("bytes-{name}"), abi, call::WRITE, &[STREAM + 2, at, length, ANSWER], &[]);
        let mut words = open(0, 0);
        (words[5], words[6]) = (at & !3, length);
        add(format!("a-list-{name}"), abi, call::OPEN, &words, b"file");
    }
    add(
        "a-misaligned-list".into(),
        abi,
        call::OPEN,
        &{
            let mut words = open(5, BYTES + 1);
            words[6] = 1;
            words
        },
        b"file",
    );
    for (name, text) in [("no-text", &b"\xff\xfe"[..]), ("a-surrogate", b"\xed\xa0\x80")] {
        add(name.into(), abi, call::LOCK, &[BYTES, text.len() as u32, 0, 0, ANSWER], text);
    }
    // A flat case is compared whole, not only its low byte.
    for value in [4, 255, 256, u32::MAX] {
        add(format!("enum-{value:x}"), abi, call::OPEN, &open(0, value), b"file");
    }
    for value in [2, 256, u32::MAX] {
        add(format!("option-{value:x}"), abi, call::OPEN, &open(3, value), b"file");
        add(format!("option-of-a-number-{value:x}"), abi, call::LOCK, &[BYTES, 0, value, 0, ANSWER], &[]);
    }
    add("seek-from-nowhere".into(), abi, call::SEEK, &[STREAM, 0, 3, ANSWER], &[]);
    for (name, at) in [("at-the-end", END), ("across-the-end", END - 4), ("outside", 0xffff_fff0), ("odd", ANSWER + 1)]
    {
        add(format!("an-answer-{name}"), abi, call::LOCK, &[BYTES, 0, 0, 0, at], &[]);
    }
    add("an-answer-aligned-to-four-not-eight".into(), abi, call::SEEK, &[STREAM, 0, 0, ANSWER + 4], &[]);

    // Handles of each kind where another is due, and of none.
    let uses: [(&str, u32, &[u32]); 13] = [
        ("read", call::READ, &[1, ANSWER]),
        ("seek", call::SEEK, &[0, 0, ANSWER]),
        ("stream-drop", call::STREAM_DROP, &[]),
        ("unlock", call::UNLOCK, &[]),
        ("lock-drop", call::LOCK_DROP, &[]),
        ("open-control", call::OPEN_CONTROL, &[ANSWER]),
        ("open-data", call::OPEN_DATA, &[BYTES, 0, BYTES, 0, ANSWER]),
        ("wait-exit", call::WAIT_EXIT, &[1, 0, ANSWER]),
        ("terminate", call::TERMINATE, &[0, ANSWER]),
        ("process-drop", call::PROCESS_DROP, &[]),
        ("transport", call::TRANSPORT, &[]),
        ("write", call::WRITE, &[BYTES, 0, ANSWER]),
        ("channel-read", call::CHANNEL_READ, &[1, 1, 0, ANSWER]),
    ];
    for (name, number, rest) in uses {
        for handle in [0, 77, 0x7fff_ffff, 0x8000_0001, u32::MAX] {
            add(format!("handle-{handle:x}-to-{name}"), abi, number, &[&[handle], rest].concat(), &[]);
        }
        if ![call::READ, call::SEEK, call::STREAM_DROP].contains(&number) {
            add(format!("a-stream-to-{name}"), abi, number, &[&[STREAM], rest].concat(), &[]);
        }
    }
    add("a-stream-to-channel-drop".into(), abi, call::CHANNEL_DROP, &[STREAM], &[]);
    all
}

/// Sidecars and streams of which it is counted how many are held.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

struct Held(Arc<AtomicUsize>);

impl Counted {
    fn hold(&self) -> Held {
        self.0.fetch_add(1, Ordering::SeqCst);
        Held(Arc::clone(&self.0))
    }

    fn held(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn services(&self) -> Services {
        Services { streams: Arc::new(self.clone()), sidecars: Arc::new(self.clone()), ..Services::default() }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Streams for Counted {
    fn open(&self, _: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        Ok(Box::new(self.hold()))
    }
}

impl Sidecars for Counted {
    fn lock(&self, _: &str, _: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        Ok(Box::new(self.hold()))
    }

    fn launch(&self, _: &LaunchSpec, _: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        Ok(Box::new(self.hold()))
    }
}

impl HostStream for Held {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(Vec::new())
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0)
    }
}

impl Lock for Held {}

impl Process for Held {
    fn open_control(&mut self, _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }

    fn open_data(&mut self, _: &str, _: &[TransportOption], _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Self(Arc::clone(&self.0))))
    }

    fn wait_exit(&mut self, _: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Option<i32>> {
        Ok(None)
    }

    fn terminate(self: Box<Self>, _: u32, _: &Arc<CallControl>) -> CallResult<()> {
        Ok(())
    }
}

impl Channel for Held {
    fn transport(&self) -> TransportKind {
        TransportKind::Stdio
    }

    fn write(&mut self, data: &[u8], _: &Arc<CallControl>) -> CallResult<u32> {
        Ok(data.len() as u32)
    }

    fn read(&mut self, _: u32, _: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// Takes a lock, a process, its channels and a stream: handles from the second on, in this order.
fn take_everything() -> Vec<(u32, Vec<u8>)> {
    let open = [0, BYTES, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, ANSWER];
    let process = STREAM + 1;
    vec![
        (call::LAUNCH, told(&[0, BYTES, 4, 0, 0, 0, 0, 0, 0, 0, 0, ANSWER], b"file")),
        (call::OPEN_CONTROL, told(&[process, ANSWER], &[])),
        (call::OPEN_DATA, told(&[process, BYTES, 4, 0, 0, ANSWER], b"file")),
        (call::LOCK, told(&[BYTES, 4, 0, 0, ANSWER], b"file")),
        (call::OPEN, told(&open, b"file")),
    ]
}

/// A bad argument ends the guest that holds one of everything; what it held is let go, and nothing else was touched.
fn argument(subject: &Subject, kind: Option<TrapKind>, number: u32, image: &[u8]) {
    let counted = Counted::default();
    let mut calls = take_everything();
    let taken = calls.len();
    calls.push((number, image.to_vec()));
    let (mut guest, session) = calling(subject, counted.services(), &calls);
    for (number, _) in &calls[..taken] {
        guest.read(session, *number).expect("takes it");
    }
    assert_eq!(counted.held(), taken);
    let answer = guest.read(session, number);
    match kind {
        Some(kind) => assert_eq!(trap_kind(answer), kind),
        None => drop(answer.expect("is nothing to complain about")),
    }
    drop(guest);
    assert_eq!(counted.held(), 0, "all is let go");
}

/// In what ways a guest may end that holds one of everything. // G14
const ENDS: [(&str, u32); 5] = [
    ("gives-up", call::UNREACHABLE),
    ("divides-by-zero", call::DIVISION),
    ("runs-for-ever", call::LOOP),
    ("overflows-its-stack", call::RECURSION),
    ("goes-on", call::NOTHING),
];

fn everything_is_let_go(subject: &Subject, number: u32) {
    let counted = Counted::default();
    let mut calls = take_everything();
    calls.push((number, told(&[], &[])));
    let (mut guest, session) = calling(subject, counted.services(), &calls);
    for (number, _) in &calls[..calls.len() - 1] {
        guest.read(session, *number).expect("takes it");
    }
    assert_eq!(counted.held(), calls.len() - 1);
    guest.budget(SHORT);
    let answer = guest.read(session, number);
    if number == call::NOTHING {
        answer.expect("lives");
    } else {
        trap_kind(answer);
    }
    drop(guest);
    assert_eq!(counted.held(), 0);
}

/// More than a limit of one kind is refused, and the guest lives on. // G08
fn flood(subject: &Subject, kind: u32) {
    let counted = Counted::default();
    let options = Options { services: counted.services(), ..Options::default() };
    let mut guest = Guest::with(subject, "sidecar-flood", options).expect("starts");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    let error = refusal(guest.read(session, kind));
    assert!(matches!(error, PluginError::Denied(_)), "{error}");
    let got = guest.decoder(|decoder| decoder.info(session)).expect("tells").sample_rate as usize;
    assert_eq!(got, Limits::AUDIO.host_resources);
    drop(guest);
    assert_eq!(counted.held(), 0);
}

/// WASI has no answer for too many timers, so that this ends the guest. // G08
fn pollables(subject: &Subject) {
    let mut guest = Guest::new(subject, "pollable-flood");
    assert_eq!(trap_kind(guest.call(|instance| instance.enable())), TrapKind::Memory);
}

/// Handles are numbers that mean something to one instance only. // G13
fn another_instance(subject: &Subject) {
    let counted = Counted::default();
    let calls = take_everything();
    let (mut owner, session) = calling(subject, counted.services(), &calls);
    for (number, _) in &calls {
        owner.read(session, *number).expect("takes it");
    }
    for handle in STREAM + 1..STREAM + 6 {
        for number in [call::UNLOCK, call::LOCK_DROP, call::PROCESS_DROP, call::CHANNEL_DROP, call::TRANSPORT] {
            let (mut other, session) = calling(subject, Services::default(), &[(number, told(&[handle], &[]))]);
            assert_eq!(trap_kind(other.read(session, number)), TrapKind::Abi);
        }
    }
    assert_eq!(counted.held(), calls.len(), "the owner still has all of it");
    drop(owner);
    assert_eq!(counted.held(), 0);
}

/// The instance itself answers the same trap again, without running anything. // G15
fn called_after_a_trap(subject: &Subject) {
    struct Silent;

    impl LogSink for Silent {
        fn line(&mut self, _: bool, _: &str) {}
    }

    struct Counting(Arc<AtomicUsize>);

    impl HostStream for Counting {
        fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(told(&[], &[]))
        }

        fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }

        fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }

        fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
            Ok(0)
        }
    }

    let (control, token) = (Arc::<CallControl>::default(), CancelToken::default());
    let host = Host::new(Services::default(), &Limits::AUDIO, Arc::clone(&control), Box::new(Silent));
    let _scope = control.enter(&GENEROUS, &token);
    let program = subject.program("told-calls");
    let mut instance = program.start(host, &Limits::AUDIO, Arc::clone(&control)).expect("starts");
    let reads = Arc::new(AtomicUsize::new(0));
    let decoder = instance.decoder().expect("a decoder");
    let session = decoder.open(Box::new(Counting(Arc::clone(&reads))), None).expect("opens");
    let first = decoder.read_pcm_f32(session, call::UNREACHABLE).expect_err("gives up");
    assert_eq!(trap_kind::<()>(Err(first.clone())), TrapKind::Unreachable);
    let read = reads.load(Ordering::SeqCst);
    assert_eq!(decoder.read_pcm_f32(session, call::NOTHING).expect_err("is gone"), first);
    assert_eq!(decoder.info(session).expect_err("is gone"), first);
    assert_eq!(instance.export_state(session).expect_err("is gone"), first);
    assert_eq!(instance.enable().expect_err("is gone"), first);
    assert_eq!(reads.load(Ordering::SeqCst), read, "nothing was run");
}

/// How a fixture allocates, and what that leads to where texts are UTF-8 and where they are UTF-16.
type Allocation = (u64, &'static str, [Option<TrapKind>; 2]);

// G12
const ALLOCATIONS: [Allocation; 14] = {
    const ABI: Option<TrapKind> = Some(TrapKind::Abi);
    [
        (0, "the-same-place-twice", [None, None]),
        (1, "at-zero", [None, None]),
        (2, "outside", [ABI, ABI]),
        (3, "at-the-end", [ABI, ABI]),
        (4, "a-byte-before-the-end", [ABI, ABI]),
        (5, "at-minus-one", [ABI, ABI]),
        (6, "at-an-odd-place", [None, ABI]),
        (7, "by-giving-up", [Some(TrapKind::Unreachable); 2]),
        (8, "for-ever", [Some(TrapKind::Deadline); 2]),
        (9, "by-calling-the-host", [ABI, ABI]),
        (10, "by-dropping-a-handle", [ABI, ABI]),
        (11, "by-making-a-handle", [ABI, ABI]),
        (12, "without-end", [Some(TrapKind::Stack); 2]),
        (13, "in-memory-that-is-new", [None, None]),
    ]
};

fn allocating(subject: &Subject, name: &str, encoding: StringEncoding, way: u64) -> (Guest, ObjectId) {
    let title = format!("realloc-zoo, {name}");
    let make = || fixture::wasm_in("realloc-zoo", encoding);
    let mut guest = Guest::made(subject, &title, make, Options::default()).expect("starts");
    let session = guest.open(Script::new(&[0x5a; 64][..]).boxed(), "x").expect("opens");
    guest.decoder(|decoder| decoder.seek_ms(session, way)).expect("notes it");
    (guest, session)
}

/// A text that goes in as an argument, and bytes that an import answers.
fn allocation(subject: &Subject, name: &str, encoding: StringEncoding, way: u64, kind: Option<TrapKind>) {
    let budget = if way == 8 { SHORT } else { Budget { ..GENEROUS } };
    let (mut guest, session) = allocating(subject, name, encoding, way);
    guest.budget(budget);
    let answer = guest.call(|instance| instance.apply_config(session, "four"));
    match kind {
        Some(kind) => assert_eq!(trap_kind(answer), kind),
        None => {
            answer.expect("takes it");
            let state = guest.call(|instance| instance.export_state(session)).expect("gives it");
            assert_eq!(state.as_deref(), Some("four"));
        }
    }
    let (mut guest, session) = allocating(subject, name, encoding, way);
    guest.budget(budget);
    let answer = guest.read(session, 4);
    // Bytes may lie anywhere.
    match if way == 6 { None } else { kind } {
        Some(kind) => assert_eq!(trap_kind(answer), kind),
        None => assert_eq!(answer.expect("reads").interleaved_f32le, [0x5a; 4]),
    }
}

/// What a clean-up after a read does.
const CLEAN_UPS: [(u64, &str, TrapKind); 4] = [
    (20, "by-calling-the-host", TrapKind::Abi),
    (21, "by-dropping-a-handle", TrapKind::Abi),
    (22, "by-making-a-handle", TrapKind::Abi),
    (23, "outside", TrapKind::Bounds),
];

/// What the destructor of a session does. // G16
const DESTRUCTORS: [(u64, &str, Option<TrapKind>); 4] = [
    (30, "by-calling-the-host", None),
    (31, "by-dropping-a-handle", None),
    (32, "outside", Some(TrapKind::Bounds)),
    (33, "without-end", Some(TrapKind::Stack)),
];
