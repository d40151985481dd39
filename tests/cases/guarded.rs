//! Limits hold from the first instruction: memory, tables, handles, time, host resources.

use std::sync::Arc;

use stellatune_plugin_core::{
    control::CallControl,
    engine::Phase,
    error::{CallResult, PluginError, TrapKind},
    host::{HostStream, Services, Streams},
    limits::Limits,
    table::ObjectId,
    types::{OpenRequest, PcmF32Chunk},
};

use crate::support::{
    Case, Subject,
    guest::{Guest, Options, SHORT, refusal, trap_kind},
    stream::Script,
};

const MIB: usize = 1024 * 1024;

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("limits/memory-at-start", ["memory-initial"], |subject| {
            assert_eq!(start(subject, "memory-initial", Options::default()), Some(TrapKind::Memory));
            let limits = Limits { memory_bytes: 128 * MIB, ..Limits::AUDIO };
            assert_eq!(
                start(subject, "memory-initial", Options { limits, ..Options::default() }),
                None,
                "the host may raise it"
            );
        }),
        Case::new("limits/memory-growth", ["memory-grow"], memory_growth),
        Case::new("limits/memory-of-a-real-guest", ["edge-decoder"], memory_of_a_real_guest),
        Case::new("limits/table-at-start", ["table-initial"], |subject| {
            assert_eq!(start(subject, "table-initial", Options::default()), Some(TrapKind::Memory));
        }),
        Case::new("limits/table-growth", ["table-grow"], table_growth),
        Case::new("limits/handles", ["handles"], |subject| {
            assert_eq!(trap_kind(first_read(subject, "handles")), TrapKind::Memory);
        }),
        Case::new("limits/host-resources", ["stream-flood"], host_resources),
        Case::new("limits/bulk-memory", ["bulk-memory"], |subject| {
            let (mut guest, session) = opened(subject, "bulk-memory");
            guest.budget(SHORT);
            assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Deadline);
        }),
        Case::new("start/loop", ["start-loop"], |subject| {
            let options = Options { start: SHORT, ..Options::default() };
            assert_eq!(start(subject, "start-loop", options), Some(TrapKind::Deadline));
        }),
        Case::new("start/trap", ["start-trap"], |subject| {
            assert_eq!(start(subject, "start-trap", Options::default()), Some(TrapKind::Unreachable));
        }),
        Case::new("start/data-outside", ["start-data-outside"], |subject| {
            assert_eq!(start(subject, "start-data-outside", Options::default()), Some(TrapKind::Bounds));
        }),
        Case::new("compile/not-a-component", [], not_a_component),
    ]
}

/// How starting ended, if it did not succeed.
fn start(subject: &Subject, fixture: &str, options: Options) -> Option<TrapKind> {
    Guest::with(subject, fixture, options).err().map(|trap| trap.kind)
}

fn opened(subject: &Subject, fixture: &str) -> (Guest, ObjectId) {
    let mut guest = Guest::new(subject, fixture);
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    (guest, session)
}

fn first_read(subject: &Subject, fixture: &str) -> CallResult<PcmF32Chunk> {
    let (mut guest, session) = opened(subject, fixture);
    guest.read(session, 1)
}

/// The guest grows by a page at a time until it may not, and tells how far it came. // G05
fn memory_growth(subject: &Subject) {
    for bytes in [16 * MIB, 64 * MIB] {
        let limits = Limits { memory_bytes: bytes, ..Limits::AUDIO };
        let options = Options { limits, ..Options::default() };
        let mut guest = Guest::with(subject, "memory-grow", options).expect("starts");
        let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
        for _ in 0..2 {
            let pages =
                guest.decoder(|decoder| decoder.info(session)).expect("growth fails without a trap").sample_rate;
            assert_eq!(pages as usize, bytes / 65_536, "as many pages as allowed, and not one more");
        }
    }
}

/// A guest that takes all memory it can get aborts by itself, and the host lives.
fn memory_of_a_real_guest(subject: &Subject) {
    let mut guest = Guest::new(subject, "edge-decoder");
    let session = guest.open(Script::new(Vec::new()).boxed(), "grow").expect("opens");
    assert_eq!(trap_kind(guest.read(session, 1)), TrapKind::Unreachable);
    super::cancel::works(subject);
}

/// As for memory. // G06
fn table_growth(subject: &Subject) {
    let (mut guest, session) = opened(subject, "table-grow");
    let elements = guest.decoder(|decoder| decoder.info(session)).expect("growth fails without a trap").sample_rate;
    let most = Limits::AUDIO.table_elements;
    // The component has tables besides, of an element or two.
    assert!((most - 1000..=most).contains(&(elements as usize)), "{elements} of {most}");
}

/// Streams a guest opens are counted; too many are refused, and the guest lives on. // G08
fn host_resources(subject: &Subject) {
    struct Endless;

    impl Streams for Endless {
        fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
            assert_eq!(request.target, "anything");
            Ok(Script::new(Vec::new()).boxed())
        }
    }

    let services = Services { streams: Arc::new(Endless), ..Services::default() };
    let options = Options { services, ..Options::default() };
    let mut guest = Guest::with(subject, "stream-flood", options).expect("starts");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    for _ in 0..2 {
        let error = refusal(guest.read(session, 1));
        assert!(matches!(error, PluginError::Denied(_)), "{error}");
    }
    let opened = guest.decoder(|decoder| decoder.info(session)).expect("has an info").sample_rate;
    // One more is the stream that came with `open`.
    assert_eq!(opened as usize + 1, Limits::AUDIO.host_resources);
}

/// Text, a core module, and bytes that are nothing are refused, as errors. // P28 P29
fn not_a_component(subject: &Subject) {
    for bytes in
        [&b""[..], b"(component)", b"\0asm\x01\0\0\0", b"\0asm\x0d\0\x01", b"\x7fELF\x02\x01\x01\0", &[0xff; 4096]]
    {
        let error = subject.load(bytes).err().unwrap_or_else(|| panic!("loads {bytes:?}"));
        assert_eq!(error.phase, Phase::Compile, "{error}");
    }
}
