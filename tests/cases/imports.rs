//! What a guest sees of the host's imports, before and after it gave something up, and what the host's services see of
//! the guest: every field of every request, and every end.

use stellatune_plugin_core::{
    engine::Instance,
    manifest::World,
    table::ObjectId,
    types::{LaunchScope, LaunchSpec, TransportKind, TransportOption},
    world,
};

use crate::support::{
    Case, Subject,
    ability::lyrics,
    desk::Desk,
    fixture,
    guest::{Guest, Options},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("imports/host-stream/every-method", ["host-calls"], streams),
        Case::new("imports/host-stream/open/every-field", ["host-calls"], requests),
        Case::new("imports/sidecar/lock", ["host-calls"], locks),
        Case::new("imports/sidecar/process-and-channel", ["host-calls"], processes),
        Case::new("imports/sidecar/given-back-by-dropping", ["host-calls"], dropped),
        Case::new("imports/sidecar/request-and-answer", ["host-calls"], talk),
        Case::new("imports/sidecar/a-ring", ["host-calls"], ring),
        Case::new("imports/http-client/fetch-json", ["host-calls"], fetch),
        Case::new("imports/without-services", ["host-calls"], unavailable),
        Case::new(
            "imports/only-what-is-used",
            ["echo-dsp", "echo-sink", "echo-lyrics", "echo-source", "edge-decoder", "many-abilities", "host-calls"],
            only_what_is_used,
        ),
    ]
}

/// Runs a scene: what the guest told, and what the services noted until then and at the end of the guest.
fn scene(subject: &Subject, name: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let desk = Desk::default();
    let options = Options { services: desk.services(), ..Options::default() };
    let mut guest = Guest::with(subject, "host-calls", options).expect("starts");
    let told = play(&mut guest, name);
    let during = desk.notes();
    guest.end();
    (told, during, desk.notes())
}

fn play(guest: &mut Guest, name: &str) -> Vec<String> {
    let provider: ObjectId = guest.call(|it: &mut dyn Instance| lyrics(it).create()).expect("creates");
    let told = guest.call(|it| lyrics(it).fetch(provider, name)).expect("there is such a scene");
    told.lines().map(str::to_owned).collect()
}

fn request(kind: &str, target: &str, rest: &str) -> String {
    format!("open OpenRequest {{ kind: {kind}, target: {target:?}, {rest} }}")
}

/// Every method, and `not-found` for each once the stream is closed; closing again is fine (plugin contract 3.1).
fn streams(subject: &Subject) {
    let (told, during, after) = scene(subject, "streams");
    let expected = [
        "size: 10",
        "read 0: 1",
        "read 4: 4",
        "tell: 5",
        "seek current -1: 4",
        "seek end -1: 9",
        "read 100: 1",
        "read at the end: 0",
        "seek start 20: 20",
        "read behind the end: 0",
        "seek start -1: invalid argument: before the start",
        "read closed: not found: the stream is closed",
        "seek closed: not found: the stream is closed",
        "tell closed: not found: the stream is closed",
        "size closed: not found: the stream is closed",
        "open again: ()",
    ];
    assert_eq!(told, expected);
    let none = "method: None, headers: [], body: None, connect_timeout_ms: None, read_timeout_ms: None";
    let open = |target| request("File", target, none);
    assert_eq!(during, [open("ten bytes"), "end of stream".into(), open("another"), "end of stream".into()]);
    assert_eq!(after, [""; 0]);
}

fn requests(subject: &Subject) {
    let (told, during, _) = scene(subject, "requests");
    assert_eq!(told, [["http: ()"; 6].as_slice(), &["other: ()"; 3]].concat());
    let full = |method: &str| {
        format!(
            "method: {method}, headers: [Header {{ name: \"one\", value: \"1\" }}, Header {{ name: \"\", value: \"\" }}], \
             body: Some([0, 255]), connect_timeout_ms: Some(0), read_timeout_ms: Some(4294967295)"
        )
    };
    let methods = ["Get", "Post", "Put", "Delete", "Head", "Patch"];
    let mut expected: Vec<String> =
        methods.iter().map(|method| request("Http", "target", &full(&format!("Some({method})")))).collect();
    expected.extend(["File", "Tcp", "Udp"].map(|kind| request(kind, "target", &full("None"))));
    let opened: Vec<_> = during.into_iter().filter(|note| note.starts_with("open")).collect();
    assert_eq!(opened, expected);
}

/// Held until it is unlocked or dropped; what a guest never gives back ends with it (plugin contract 3.3).
fn locks(subject: &Subject) {
    let (told, during, after) = scene(subject, "locks");
    let expected = ["lock held: timeout: one is held", "lock another: ()", "lock free: ()", "lock dropped: ()"];
    assert_eq!(told, expected);
    let expected = [
        "lock one for ever",
        "lock one bounded",
        "lock two bounded",
        "end of lock two",
        "end of lock one",
        "lock one bounded",
        "end of lock one",
        "lock one bounded",
    ];
    assert_eq!(during, expected);
    assert_eq!(after, ["end of lock one"]);
}

/// A closed channel reads nothing and is `stdio`; after `terminate` the process is `not-found` (plugin contract 3.3).
fn processes(subject: &Subject) {
    let (told, during, after) = scene(subject, "processes");
    let expected = [
        "transport: TransportKind::LoopbackTcp",
        "write: 4",
        "read 0: []",
        "read 3: [80, 73, 78]",
        "read the rest: [71]",
        "transport closed: TransportKind::Stdio",
        "read closed: []",
        "write closed: not found: the channel is closed",
        "open-data: TransportKind::UnixSocket",
        "wait-exit 5: None",
        "wait-exit: Some(-3)",
        "terminate: ()",
        "terminate again: ()",
        "wait-exit of none: not found: the process is closed",
        "open-control of none: not found: the process is closed",
        "open-data of none: not found: the process is closed",
        "write data: 4",
    ];
    assert_eq!(told, expected);
    let option = |kind, priority, max_frame_bytes| TransportOption { kind, priority, max_frame_bytes };
    let spec = LaunchSpec {
        scope: LaunchScope::PackageShared,
        executable: "bin/helper".into(),
        args: vec!["-a".into(), String::new()],
        preferred_control: vec![
            option(TransportKind::Stdio, 0, None),
            option(TransportKind::NamedPipe, 1, None),
            option(TransportKind::UnixSocket, 255, Some(1)),
        ],
        preferred_data: vec![option(TransportKind::SharedMemoryRing, 2, Some(u32::MAX))],
        env: vec![("K".into(), "v=1".into())],
    };
    let preferred = [option(TransportKind::LoopbackTcp, 7, None)];
    let expected = [
        format!("launch {spec:?}"),
        "open-control".into(),
        "write ping".into(),
        "read 3 bounded".into(),
        "read 1000 for ever".into(),
        "end of channel".into(),
        format!("open-data pcm {preferred:?}"),
        "wait-exit bounded".into(),
        "wait-exit for ever".into(),
        "terminate 200".into(),
        "end of process".into(),
        "write 1234".into(),
        "end of data channel".into(),
    ];
    assert_eq!(during, expected);
    assert_eq!(after, [""; 0]);
}

/// As the SDK gives things back: at once, channel before process.
fn dropped(subject: &Subject) {
    let (told, during, after) = scene(subject, "dropped");
    assert_eq!(told, ["file: ()", "lock: ()", "channel: ()", "terminate: ()"]);
    let during: Vec<_> =
        during.iter().map(|note| note.split([' ', '{']).take(3).collect::<Vec<_>>().join(" ")).collect();
    let expected = [
        "open OpenRequest ",
        "end of stream",
        "lock name bounded",
        "end of lock",
        "launch LaunchSpec ",
        "open-control",
        "end of channel",
        "end of process",
        "launch LaunchSpec ",
        "terminate 1000",
        "end of process",
    ];
    assert_eq!(during, expected);
    assert_eq!(after, [""; 0]);
}

fn talk(subject: &Subject) {
    let (told, during, _) = scene(subject, "talk");
    assert_eq!(told, ["answer: \"HELLO\""]);
    let option = |kind, priority| vec![TransportOption { kind, priority, max_frame_bytes: None }];
    let spec = LaunchSpec {
        scope: LaunchScope::PackageShared,
        executable: "helper".into(),
        args: vec!["-a".into()],
        preferred_control: option(TransportKind::LoopbackTcp, 3),
        preferred_data: option(TransportKind::UnixSocket, 4),
        env: vec![("K".into(), "v".into())],
    };
    let expected = [
        format!("launch {spec:?}"),
        "open-control".into(),
        "write hello".into(),
        "read 5 bounded".into(),
        "end of channel".into(),
        "end of process".into(),
    ];
    assert_eq!(during, expected);
}

/// A ring has no end, so an empty read is a wait that was too short, as is a write that takes nothing.
fn ring(subject: &Subject) {
    let (told, _, _) = scene(subject, "ring");
    assert_eq!(told, ["read: timeout: nothing came over the ring in time", "write: timeout: the ring is full"]);
}

/// The text is not checked to be JSON (plugin contract 3.2).
fn fetch(subject: &Subject) {
    let (told, during, _) = scene(subject, "fetch");
    assert_eq!(told[..2], ["text: \"caf\u{e9}\"", "json: [1, 2]"]);
    assert!(told[2].starts_with("not json: i/o: the answer of http://text is not as expected"), "{}", told[2]);
    assert_eq!(told[3], "refused: denied: network:http://refused");
    assert_eq!(during, ["fetch http://text", "fetch http://json", "fetch http://text", "fetch http://refused"]);
}

/// A host without a service answers `unsupported`.
fn unavailable(subject: &Subject) {
    let mut guest = Guest::new(subject, "host-calls");
    for (name, what) in [("streams", "host-stream.open"), ("locks", "sidecar.lock"), ("processes", "sidecar.launch")] {
        let told = play(&mut guest, name);
        assert_eq!(told.len(), 1);
        assert!(told[0].ends_with(&format!("unsupported: this host does not offer {what}")), "{told:?}");
    }
    assert!(play(&mut guest, "fetch").iter().all(|line| line.ends_with("this host does not offer http-client")));
}

/// A component made with the SDK imports what it calls and no more, whatever the worlds name.
fn only_what_is_used(_: &Subject) {
    for (name, world, expected) in [
        ("echo-dsp", World::Dsp, &["common", "hot-path"][..]),
        ("echo-sink", World::OutputSink, &["common", "hot-path", "sidecar"]),
        ("echo-lyrics", World::Lyrics, &["common", "http-client"]),
        ("echo-source", World::Source, &["common", "host-stream"]),
        ("edge-decoder", World::Decoder, &["common", "host-stream"]),
        ("many-abilities", World::Decoder, &["common", "host-stream", "hot-path"]),
        ("host-calls", World::Lyrics, &["common", "host-stream", "http-client", "sidecar"]),
    ] {
        let verified = world::verify(&fixture::wasm(name), world).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = verified.imports.iter().filter_map(|name| name.strip_prefix("stellatune:plugin/"));
        let mut ours: Vec<_> = ours.filter_map(|name| name.split('@').next()).collect();
        ours.sort_unstable();
        assert_eq!(ours, expected, "{name}");
    }
    let dangerous = |name, world| world::verify(&fixture::wasm(name), world).expect("fits").dangerous.len();
    assert_eq!((dangerous("echo-dsp", World::Dsp), dangerous("edge-decoder", World::Decoder)), (0, 0));
    assert_eq!(dangerous("many-abilities", World::Source), 0);
    assert_eq!(dangerous("host-calls", World::Lyrics), 3);
}
