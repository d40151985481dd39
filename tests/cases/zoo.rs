//! Every shape of value that the contract has, both ways, in every encoding and size: what goes in comes out.

use std::sync::{Arc, Mutex};

use stellatune_plugin_core::{
    capability::{Dsp, Lyrics, OpenedHandle, Source},
    control::CallControl,
    engine::Instance,
    error::{CallResult, PluginError},
    host::{Channel, HostStream, Http, Lock, Process, Services, Sidecars, Streams},
    limits::ERROR_TEXT_BYTES,
    table::ObjectId,
    types::{
        AudioSpec, ConfigUpdateMode, DisableReason, Header, HttpMethod, LaunchScope, LaunchSpec, OpenRequest,
        SeekWhence, StreamOpenKind, TransportKind, TransportOption,
    },
};

use crate::support::{
    Case, Subject, fixture,
    guest::{Guest, Options, refusal, trap_kind},
    stream::Script,
    wat::StringEncoding,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("zoo/bytes", ["zoo-bytes"], byte_lists),
        Case::new("zoo/stream-bytes", ["zoo-stream"], stream_bytes),
        Case::new("zoo/seek-numbers", ["zoo-stream"], seek_numbers),
        Case::new("zoo/refusals-of-the-host", ["zoo-stream"], refusals_of_the_host),
        Case::new("zoo/enums", ["zoo-text"], enums),
        Case::new("zoo/opened-streams", ["zoo-opened"], opened_streams),
        Case::new("zoo/streams-given-twice", ["zoo-opened"], given_twice),
        Case::new("zoo/open-requests", ["told-calls"], open_requests),
        Case::new("zoo/sidecar-calls", ["told-calls"], sidecar_calls),
    ];
    for (name, encoding) in ENCODINGS {
        cases.push(Case::new(format!("zoo/text-{name}"), ["zoo-text"], move |subject| texts(subject, name, encoding)));
        let records = move |subject: &Subject| records(subject, name, encoding);
        cases.push(Case::new(format!("zoo/records-{name}"), ["zoo-records"], records));
    }
    cases
}

const ENCODINGS: [(&str, StringEncoding); 3] =
    [("utf8", StringEncoding::UTF8), ("utf16", StringEncoding::UTF16), ("latin1-utf16", StringEncoding::CompactUTF16)];

/// Nothing, a byte, an odd number, a page, a mebibyte and one more.
const SIZES: [usize; 7] = [0, 1, 7, 4095, 4096, 1 << 20, (1 << 20) + 1];

/// A fixture whose strings are encoded so.
fn encoded(subject: &Subject, fixture: &str, name: &str, encoding: StringEncoding, options: Options) -> Guest {
    let title = format!("{fixture}, {name}");
    Guest::made(subject, &title, || fixture::wasm_in(fixture, encoding), options).expect("starts")
}

/// Texts of every kind of character, at every place.
fn some_texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        "a",
        "\0",
        "ab\u{7f}",
        "\u{80}",
        "caf\u{e9}",
        "\u{ff}",
        "\u{100}",
        "\u{7ff}\u{800}",
        "\u{d7ff}\u{e000}\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "e\u{301}",
        "\u{1f3b5} first",
        "caf\u{e9}, then \u{1f3b5}",
        "\u{65e5}\u{672c}\u{8a9e}",
    ]
    .map(str::to_owned)
    .to_vec();
    for size in [4095, 4096, 1 << 20] {
        texts.push("a".repeat(size));
        texts.push("\u{e9}".repeat(size));
    }
    texts.push("\u{1f3b5}".repeat(1 << 18));
    // One encoding is given up for another where it no longer does: in the middle, and at the very end.
    texts.push("\u{e9}".repeat(4096) + "\u{20ac}" + &"\u{e9}".repeat(4096));
    texts.push("a".repeat(1 << 20) + "\u{1f3b5}");
    texts
}

fn texts(subject: &Subject, name: &str, encoding: StringEncoding) {
    let mut guest = encoded(subject, "zoo-text", name, encoding, Options::default());
    let session = guest.open(Script::new(Vec::new()).boxed(), "caf\u{e9} \u{1f3b5}").expect("opens");
    for text in some_texts() {
        guest.call(|instance| instance.apply_config(session, &text)).expect("takes it");
        let state = guest.call(|instance| instance.export_state(session)).expect("gives it").expect("there is one");
        assert_eq!(state, text);
        let error = refusal(guest.call(|instance| instance.import_state(session, &text)));
        assert_eq!(error.case(), "io");
        let shortened = &text[..text.floor_char_boundary(ERROR_TEXT_BYTES)];
        assert_eq!(error.message(), shortened);
    }
}

fn as_dsp(instance: &mut dyn Instance) -> &mut dyn Dsp {
    instance.dsp().expect("a dsp")
}

fn some_bytes(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Lists of bytes, 16-bit numbers with rubbish above them, and a clean-up after each answer that has something to clean.
fn byte_lists(subject: &Subject) {
    let mut guest = Guest::new(subject, "zoo-bytes");
    let spec = AudioSpec { sample_rate: u32::MAX, channels: u16::MAX };
    let processor = guest.call(|instance| as_dsp(instance).create(spec)).expect("creates");
    for (calls, (size, channels)) in (1..).zip(SIZES.into_iter().zip([0, 1, 2, 255, 256, 0x7fff, u16::MAX])) {
        let bytes = some_bytes(size);
        let got = guest.call(|instance| as_dsp(instance).process_interleaved_f32(processor, channels, &bytes));
        assert!(got.expect("processes") == bytes, "{size} bytes");
        assert_eq!(guest.call(|instance| as_dsp(instance).output_channels(processor)), Ok(channels));
        assert_eq!(guest.call(|instance| as_dsp(instance).supported_layouts(processor)), Ok(calls), "clean-ups");
    }
    // More than fits the memory together: it was given back each time.
    let bytes = some_bytes(1 << 20);
    for _ in 0..80 {
        guest.call(|instance| as_dsp(instance).process_interleaved_f32(processor, 2, &bytes)).expect("processes");
    }
}

/// What the host hands over in an import arrives, and comes back as an answer.
fn stream_bytes(subject: &Subject) {
    let mut guest = Guest::new(subject, "zoo-stream");
    let bytes = some_bytes(4 << 20);
    let session = guest.open(Script::new(bytes.clone()).boxed(), "x").expect("opens");
    let mut at = 0;
    for size in SIZES.into_iter().chain([SIZES[6]]) {
        let chunk = guest.read(session, size as u32).expect("reads");
        // A read of nothing is one of a byte, and none is of more than a mebibyte.
        let expected = size.clamp(1, 1 << 20);
        assert!(chunk.interleaved_f32le == bytes[at..at + expected], "{size} bytes");
        assert_eq!((chunk.frames as usize, chunk.eof), (expected / 4, false));
        at += expected;
        let info = guest.decoder(|decoder| decoder.info(session)).expect("tells");
        assert_eq!(info.encoder_delay_frames as usize, at);
        assert_eq!(info.encoder_padding_frames, 4 << 20);
    }
    guest.close(session).expect("closes");
}

/// A stream that answers what it is asked.
struct Ruler(Arc<Mutex<Vec<(i64, SeekWhence)>>>, fn(i64) -> u64);

impl HostStream for Ruler {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Err(PluginError::Unsupported("this one is only measured".into()).into())
    }

    fn seek(&mut self, offset: i64, whence: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        self.0.lock().expect("no panic").push((offset, whence));
        Ok((self.1)(offset))
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(0xffff_ffff_0000_0007)
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Ok(9)
    }
}

/// 64-bit numbers with and without a sign, and an enum, in each direction.
fn seek_numbers(subject: &Subject) {
    let sought = Arc::new(Mutex::default());
    let mut guest = Guest::new(subject, "zoo-stream");
    let session = guest.open(Box::new(Ruler(Arc::clone(&sought), |offset| offset as u64)), "x").expect("opens");
    let positions =
        [0, 1, 2, 4, 1 << 32, u64::MAX, u64::MAX - 1, u64::MAX - 3, 1 << 63, (1 << 63) - 4, 0xffff_ffff_fffe];
    for position in positions {
        if position & 3 == 3 {
            continue;
        }
        guest.decoder(|decoder| decoder.seek_ms(session, position)).expect("seeks");
        let info = guest.decoder(|decoder| decoder.info(session)).expect("tells");
        let offset = position as i64 >> 2;
        assert_eq!((info.duration_ms, info.encoder_delay_frames), (Some(offset as u64), 7));
        let whence = [SeekWhence::Start, SeekWhence::Current, SeekWhence::End][(position & 3) as usize];
        assert_eq!(sought.lock().expect("no panic").last(), Some(&(offset, whence)));
    }
    // The fourth of three. // G11
    let outcome = guest.decoder(|decoder| decoder.seek_ms(session, 3));
    assert_eq!(trap_kind(outcome), stellatune_plugin_core::error::TrapKind::Abi);
}

/// A stream that refuses to be read.
struct Refusing(PluginError);

impl HostStream for Refusing {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Err(self.0.clone().into())
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(self.0.clone().into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(self.0.clone().into())
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(self.0.clone().into())
    }
}

/// Each case of the error arrives with its text, from results whose payload lies at 4 and at 8.
fn refusals_of_the_host(subject: &Subject) {
    use PluginError::{Denied, Internal, InvalidArg, Io, NotFound, Timeout, Unsupported};
    let long = "\u{e9}".repeat(1000);
    for case in [InvalidArg, NotFound, Io, Timeout, Unsupported, Denied, Internal] {
        for text in ["", "no", "caf\u{e9} \u{1f3b5}", &long] {
            let expected = case(text.to_owned());
            let mut guest = Guest::new(subject, "zoo-stream");
            let session = guest.open(Box::new(Refusing(expected.clone())), "x").expect("opens");
            assert_eq!(refusal(guest.read(session, 1)), expected);
            assert_eq!(refusal(guest.decoder(|decoder| decoder.seek_ms(session, 0))), expected);
        }
    }
}

/// A list of records, which is made in the guest, and texts through an import.
fn records(subject: &Subject, name: &str, encoding: StringEncoding) {
    struct Mirror;

    impl Http for Mirror {
        fn fetch_json(&self, url: &str, _: &Arc<CallControl>) -> CallResult<String> {
            if url == "refuse" { Err(PluginError::Io("as asked".into()).into()) } else { Ok(url.to_owned()) }
        }
    }

    fn lyrics(instance: &mut dyn Instance) -> &mut dyn Lyrics {
        instance.lyrics().expect("lyrics")
    }

    let services = Services { http: Arc::new(Mirror), ..Services::default() };
    let mut guest = encoded(subject, "zoo-records", name, encoding, Options { services, ..Options::default() });
    let provider = guest.call(|instance| lyrics(instance).create()).expect("creates");
    for size in [0, 1, 7, 300] {
        let keyword = "k".repeat(size);
        let found = guest.call(|instance| lyrics(instance).search(provider, &keyword)).expect("searches");
        assert_eq!(found.len(), size);
        for (n, candidate) in found.iter().enumerate() {
            assert_eq!((candidate.id.len(), &candidate.title, &*candidate.artist), (n, &keyword, ""));
        }
    }
    for text in some_texts() {
        assert!(guest.call(|instance| lyrics(instance).fetch(provider, &text)) == Ok(text));
    }
    let error = refusal(guest.call(|instance| lyrics(instance).fetch(provider, "refuse")));
    assert_eq!(error, PluginError::Io("as asked".into()));
}

/// As an answer and as an argument.
fn enums(subject: &Subject) {
    let mut guest = Guest::new(subject, "zoo-text");
    let session = guest.open(Script::new(Vec::new()).boxed(), "x").expect("opens");
    let modes = [ConfigUpdateMode::HotApply, ConfigUpdateMode::Recreate, ConfigUpdateMode::Reject];
    for (mode, text) in modes.into_iter().zip(["", "1", "22"]) {
        let plan = guest.call(|instance| instance.plan_config(session, text)).expect("plans");
        assert_eq!((plan.mode, plan.reason.as_deref()), (mode, Some(text)));
    }
    let reasons = [
        (DisableReason::HostDisable, "invalid-arg"),
        (DisableReason::Unload, "not-found"),
        (DisableReason::Shutdown, "io"),
        (DisableReason::Reload, "timeout"),
    ];
    for (reason, case) in reasons {
        assert_eq!(refusal(guest.call(|instance| instance.disable(reason))).case(), case);
    }
}

/// Opens streams of eight bytes.
struct Shelf;

impl Streams for Shelf {
    fn open(&self, _: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        Ok(Script::new(&b"on shelf"[..]).boxed())
    }
}

fn source(instance: &mut dyn Instance) -> &mut dyn Source {
    instance.source().expect("a source")
}

/// A guest that opens streams, and its catalog.
fn opening(subject: &Subject) -> (Guest, ObjectId) {
    let services = Services { streams: Arc::new(Shelf), ..Services::default() };
    let mut guest = Guest::with(subject, "zoo-opened", Options { services, ..Options::default() }).expect("starts");
    let catalog = guest.call(|instance| source(instance).create()).expect("creates");
    (guest, catalog)
}

/// A variant that holds a handle of the host or one of the guest, options of a text and of a record.
fn opened_streams(subject: &Subject) {
    let (mut guest, catalog) = opening(subject);
    let mut open = |track: &str| guest.call(|it| source(it).open_stream_json(catalog, track)).expect("opens");
    let opened = open("");
    assert_eq!((opened.ext_hint.as_deref(), opened.metadata), (Some("flac"), Some(Default::default())));
    let OpenedHandle::Passthrough(Some(mut stream)) = opened.handle else { panic!("the host reads it") };
    assert_eq!(stream.read(100, &Arc::default()), Ok(b"on shelf".to_vec()));
    let opened = open("1");
    assert_eq!((opened.ext_hint, opened.metadata), (None, None));
    let OpenedHandle::Processed(own) = opened.handle else { panic!("the guest reads it") };
    let opened = open("22");
    assert!(matches!(opened.handle, OpenedHandle::Passthrough(None)), "the guest closed it");
    let chunk = guest.call(|instance| source(instance).stream_read(own, 1)).expect("reads");
    assert!(chunk.bytes.is_empty() && !chunk.eof);
    guest.close(own).expect("closes");
    guest.close(catalog).expect("closes");
}

/// What was given away is no longer the guest's to give, and nobody who got it loses it. // G13
fn given_twice(subject: &Subject) {
    for (first, second) in [("", "333"), ("1", "4444"), ("", "55555"), ("", "666666")] {
        let (mut guest, catalog) = opening(subject);
        let opened = guest.call(|it| source(it).open_stream_json(catalog, first)).expect("opens");
        let again = guest.call(|it| source(it).open_stream_json(catalog, second).map(drop));
        assert_eq!(trap_kind(again), stellatune_plugin_core::error::TrapKind::Abi, "{second}");
        drop(guest);
        if let OpenedHandle::Passthrough(stream) = opened.handle {
            let mut stream = stream.expect("is open");
            assert_eq!(stream.read(100, &Arc::default()), Ok(b"on shelf".to_vec()));
        }
    }
}

/// What the fixture calls by number.
pub(super) mod call {
    pub(crate) const READ: u32 = 0;
    pub(crate) const SEEK: u32 = 1;
    pub(crate) const STREAM_DROP: u32 = 2;
    pub(crate) const OPEN: u32 = 3;
    pub(crate) const LOCK: u32 = 4;
    pub(crate) const UNLOCK: u32 = 5;
    pub(crate) const LOCK_DROP: u32 = 6;
    pub(crate) const LAUNCH: u32 = 7;
    pub(crate) const OPEN_CONTROL: u32 = 8;
    pub(crate) const OPEN_DATA: u32 = 9;
    pub(crate) const WAIT_EXIT: u32 = 10;
    pub(crate) const TERMINATE: u32 = 11;
    pub(crate) const PROCESS_DROP: u32 = 12;
    pub(crate) const TRANSPORT: u32 = 13;
    pub(crate) const WRITE: u32 = 14;
    pub(crate) const CHANNEL_READ: u32 = 15;
    pub(crate) const CHANNEL_DROP: u32 = 16;
    pub(crate) const UNREACHABLE: u32 = 17;
    pub(crate) const DIVISION: u32 = 18;
    pub(crate) const LOOP: u32 = 19;
    pub(crate) const RECURSION: u32 = 20;
    pub(crate) const NOTHING: u32 = 21;
}

/// Where the fixture's words lie, and where it wants answers.
const WORDS: u32 = 8192;
pub(super) const ANSWER: u32 = 16384;

/// Words to call with, and bytes that lie 1024 behind them.
pub(super) fn told(words: &[u32], bytes: &[u8]) -> Vec<u8> {
    let mut image: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    image.resize(1024, 0);
    image.extend(bytes);
    image.resize(4096, 0);
    image
}

/// Where the bytes of [`told`] lie.
pub(super) const BYTES: u32 = WORDS + 1024;

/// A guest that makes the calls it is told, one after the other, and what each answered.
pub(super) fn calling(subject: &Subject, services: Services, calls: &[(u32, Vec<u8>)]) -> (Guest, ObjectId) {
    let script: Vec<u8> = calls.iter().flat_map(|(_, image)| image.clone()).collect();
    let mut guest = Guest::with(subject, "told-calls", Options { services, ..Options::default() }).expect("starts");
    let session = guest.open(Script::new(script).boxed(), "x").expect("opens");
    (guest, session)
}

/// A word of what a call answered.
fn word(answer: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(answer[at..at + 4].try_into().expect("four bytes"))
}

#[derive(Default)]
struct Asked {
    opened: Mutex<Vec<OpenRequest>>,
    launched: Mutex<Vec<LaunchSpec>>,
    told: Mutex<Vec<String>>,
}

impl Asked {
    fn note(&self, what: impl Into<String>) {
        self.told.lock().expect("no panic").push(what.into());
    }
}

impl Streams for Asked {
    fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        self.opened.lock().expect("no panic").push(request.clone());
        Ok(Script::new(Vec::new()).boxed())
    }
}

/// Records, options, enums, lists of records and of bytes, flattened into fourteen numbers.
fn open_requests(subject: &Subject) {
    let text = b"http://x/\xc3\xa9";
    let headers = [("a", ""), ("caf\u{e9}", "\u{1f3b5}")];
    // Behind the target the headers, whose texts come behind them.
    let mut bytes = text.to_vec();
    bytes.resize(32, 0);
    let mut at = BYTES + 32 + 32;
    let mut tail: Vec<u8> = Vec::new();
    for (name, value) in headers {
        for part in [name, value] {
            bytes.extend(at.to_le_bytes());
            bytes.extend((part.len() as u32).to_le_bytes());
            tail.extend(part.as_bytes());
            at += part.len() as u32;
        }
    }
    bytes.extend(tail);

    let (mut calls, mut expected) = (Vec::new(), Vec::new());
    let kinds = [StreamOpenKind::File, StreamOpenKind::Http, StreamOpenKind::Tcp, StreamOpenKind::Udp];
    let methods =
        [HttpMethod::Get, HttpMethod::Post, HttpMethod::Put, HttpMethod::Delete, HttpMethod::Head, HttpMethod::Patch];
    for n in 0..24u32 {
        let (kind, method, some) = (n % 4, n % 6, n / 4 % 2);
        let (count, body, timeout) = (n % 3, n % 9, [0, 1, u32::MAX][n as usize % 3]);
        let words = [
            kind,
            BYTES,
            text.len() as u32,
            some,
            method,
            BYTES + 32,
            count,
            some,
            BYTES,
            body,
            some,
            timeout,
            1 - some,
            timeout,
            ANSWER,
        ];
        calls.push((call::OPEN, told(&words, &bytes)));
        let option = |some: u32, value: u32| (some == 1).then_some(value);
        let headers = headers.map(|(name, value)| Header { name: name.into(), value: value.into() });
        expected.push(OpenRequest {
            kind: kinds[kind as usize],
            target: String::from_utf8(text.to_vec()).expect("is text"),
            method: (some == 1).then_some(methods[method as usize]),
            headers: headers.into_iter().take(count as usize).collect(),
            body: (some == 1).then(|| text[..body as usize].to_vec()),
            connect_timeout_ms: option(some, timeout),
            read_timeout_ms: option(1 - some, timeout),
        });
    }
    let asked = Arc::new(Asked::default());
    let services = Services { streams: asked.clone(), ..Services::default() };
    let (mut guest, session) = calling(subject, services, &calls);
    for (number, _) in &calls {
        guest.read(session, *number).expect("opens");
    }
    assert_eq!(*asked.opened.lock().expect("no panic"), expected);
}

/// A process, a lock and a channel that tell what they are asked.
struct Noting(u32);

impl Sidecars for Asked {
    fn lock(&self, name: &str, until: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Box<dyn Lock>> {
        self.note(format!("lock {name} {}", until.is_some()));
        Ok(Box::new(Noting(0)))
    }

    fn launch(&self, spec: &LaunchSpec, _: &Arc<CallControl>) -> CallResult<Box<dyn Process>> {
        self.launched.lock().expect("no panic").push(spec.clone());
        Ok(Box::new(Noting(0)))
    }
}

impl Lock for Noting {}

impl Process for Noting {
    fn open_control(&mut self, _: &Arc<CallControl>) -> CallResult<Box<dyn Channel>> {
        Ok(Box::new(Noting(1)))
    }

    fn open_data(
        &mut self,
        role: &str,
        preferred: &[TransportOption],
        _: &Arc<CallControl>,
    ) -> CallResult<Box<dyn Channel>> {
        assert_eq!(role, "music");
        let expected = [(TransportKind::SharedMemoryRing, 255, Some(u32::MAX)), (TransportKind::NamedPipe, 0, None)];
        let expected =
            expected.map(|(kind, priority, max_frame_bytes)| TransportOption { kind, priority, max_frame_bytes });
        assert_eq!(preferred, expected);
        Ok(Box::new(Noting(4)))
    }

    fn wait_exit(&mut self, until: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Option<i32>> {
        self.0 += 1;
        Ok(until.map(|_| [i32::MIN, -1, 0, i32::MAX][self.0 as usize - 1]))
    }

    fn terminate(self: Box<Self>, grace_ms: u32, _: &Arc<CallControl>) -> CallResult<()> {
        assert_eq!(grace_ms, u32::MAX);
        Ok(())
    }
}

impl Channel for Noting {
    fn transport(&self) -> TransportKind {
        [
            TransportKind::Stdio,
            TransportKind::NamedPipe,
            TransportKind::UnixSocket,
            TransportKind::LoopbackTcp,
            TransportKind::SharedMemoryRing,
        ][self.0 as usize]
    }

    fn write(&mut self, data: &[u8], _: &Arc<CallControl>) -> CallResult<u32> {
        Ok(u32::MAX - data.len() as u32)
    }

    fn read(&mut self, max: u32, _: Option<std::time::Instant>, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        Ok(vec![0x5a; max as usize])
    }
}

/// Signed numbers, 8-bit ones, lists of texts and of pairs of texts, and an enum that is answered directly.
fn sidecar_calls(subject: &Subject) {
    // Two transports of 12 bytes, a text, and lists of one text and of one pair.
    let mut bytes = Vec::new();
    bytes.extend([4, 255, 0, 0, 1, 0, 0, 0, 255, 255, 255, 255]);
    bytes.extend([1, 0, 0xaa, 0xbb, 0, 0xcc, 0xdd, 0xee, 7, 7, 7, 7]);
    bytes.extend(b"music");
    bytes.resize(32, 0);
    let text = BYTES + 24;
    for word in [text, 5, text, 1, text, 0] {
        bytes.extend(word.to_le_bytes());
    }
    let (args, env) = (BYTES + 32, BYTES + 40);

    let asked = Arc::new(Asked::default());
    let services = Services { sidecars: asked.clone(), ..Services::default() };
    // The handles count up from the first: the stream, the session that was given away, and then what is taken.
    let launch = [1, text, 5, args, 1, BYTES, 2, BYTES, 1, env, 1, ANSWER];
    let calls = |process: u32, control: u32, data: u32| {
        vec![
            (call::LAUNCH, told(&launch, &bytes)),
            (call::OPEN_CONTROL, told(&[process, ANSWER], &[])),
            (call::OPEN_DATA, told(&[process, text, 5, BYTES, 2, ANSWER], &bytes)),
            (call::TRANSPORT, told(&[control], &[])),
            (call::TRANSPORT, told(&[data], &[])),
            (call::WAIT_EXIT, told(&[process, 1, 5, ANSWER], &[])),
            (call::WAIT_EXIT, told(&[process, 1, u32::MAX, ANSWER], &[])),
            (call::WAIT_EXIT, told(&[process, 0, 5, ANSWER], &[])),
            (call::WAIT_EXIT, told(&[process, 1, 0, ANSWER], &[])),
            (call::WRITE, told(&[data, text, 5, ANSWER], &bytes)),
            (call::CHANNEL_READ, told(&[data, 3, 1, 5, ANSWER], &[])),
            (call::CHANNEL_READ, told(&[data, 0, 0, 5, ANSWER], &[])),
            (call::LOCK, told(&[text, 5, 1, 9, ANSWER], &bytes)),
            (call::LOCK, told(&[text, 1, 0, 9, ANSWER], &bytes)),
            (call::TERMINATE, told(&[process, u32::MAX, ANSWER], &[])),
        ]
    };
    // A first guest tells which handles it gets; they are the same in the second.
    let handles = {
        let calls = calls(0, 0, 0);
        let (mut guest, session) = calling(subject, services.clone(), &calls[..1]);
        let launched = guest.read(session, call::LAUNCH).expect("launches").interleaved_f32le;
        word(&launched, 4)
    };
    asked.launched.lock().expect("no panic").clear();
    let calls = calls(handles, handles + 1, handles + 2);
    let (mut guest, session) = calling(subject, services, &calls);
    let answers: Vec<_> = calls.iter().map(|(number, _)| guest.read(session, *number).expect("calls")).collect();
    let result = |n: usize, at: usize| word(&answers[n].interleaved_f32le, at);
    assert_eq!((answers[3].frames, answers[4].frames), (1, 4), "the transports");
    for (n, exit) in [(5, Some(i32::MIN)), (6, Some(-1)), (7, None), (8, Some(i32::MAX))] {
        let got = (result(n, 4) & 0xff == 1).then(|| result(n, 8) as i32);
        assert_eq!((result(n, 0) & 0xff, got), (0, exit), "answer {n}");
    }
    assert_eq!((result(9, 0) & 0xff, result(9, 4)), (0, u32::MAX - 5), "bytes taken");
    assert_eq!((result(10, 0) & 0xff, result(10, 8)), (0, 3), "bytes read");
    assert_eq!((result(11, 0) & 0xff, result(11, 8)), (0, 0));
    assert_eq!(*asked.told.lock().expect("no panic"), ["lock music true", "lock m false"]);
    let option = |kind, priority, max_frame_bytes| TransportOption { kind, priority, max_frame_bytes };
    let ring = option(TransportKind::SharedMemoryRing, 255, Some(u32::MAX));
    let expected = LaunchSpec {
        scope: LaunchScope::PackageShared,
        executable: "music".into(),
        args: vec!["music".into()],
        preferred_control: vec![ring, option(TransportKind::NamedPipe, 0, None)],
        preferred_data: vec![ring],
        env: vec![("m".into(), String::new())],
    };
    assert_eq!(*asked.launched.lock().expect("no panic"), [expected]);
}
