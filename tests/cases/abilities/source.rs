//! A source's own methods, and those of the streams it produces itself.

use std::sync::{Arc, Mutex};

use stellatune_plugin_core::{
    capability::{OpenedHandle, OpenedStream},
    control::CallControl,
    error::{CallResult, PluginError},
    host::{HostStream, Services, Streams},
    table::ObjectId,
    types::{
        AudioTags, EncodedAudioFormat, EncodedChunk, Header, HttpMethod, MediaMetadata, MetadataEntry, MetadataValue,
        OpenRequest, StreamOpenKind,
    },
};

use crate::support::{
    Case, Subject,
    ability::{Kind, source},
    guest::{Guest, Options, refusal},
    stream::Script,
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("abilities/source/list-items-json/values", ["echo-source"], list_items),
        Case::new("abilities/source/open-stream-json/processed", ["echo-source"], processed),
        Case::new("abilities/source/open-stream-json/passthrough", ["echo-source"], passthrough),
        Case::new("abilities/source/open-stream-json/requests", ["echo-source"], requests),
        Case::new(
            "abilities/source/open-stream-json/host-stream-read-by-the-guest",
            ["echo-source"],
            read_by_the_guest,
        ),
        Case::new("abilities/source/open-stream-json/memory", ["echo-source"], memory),
        Case::new("abilities/source/open-stream-json/every-field", ["echo-source"], opened_every_field),
        Case::new("abilities/source/open-uri/values", ["echo-source"], open_uri),
        Case::new("abilities/source-stream/metadata/values", ["echo-source"], stream_metadata),
        Case::new("abilities/source-stream/metadata/a-cover-of-several-mib", ["echo-source"], cover),
        Case::new("abilities/source-stream/read/ends", ["echo-source"], ends),
        Case::new("abilities/source-stream/outlives-its-catalog", ["echo-source"], outlives),
        Case::new("abilities/source-stream/side-by-side", ["echo-source"], side_by_side),
    ]
}

/// What a fixture tells of itself when it is asked for every field.
pub(crate) fn every_field() -> MediaMetadata {
    let text = |text: &str| Some(text.to_owned());
    let entry = |key: &str, value| MetadataEntry { key: key.to_owned(), value };
    MediaMetadata {
        tags: AudioTags {
            title: text("title"),
            album: text("album"),
            artists: vec!["one".into(), "two".into()],
            album_artists: vec![String::new()],
            genres: vec!["genre".into()],
            track_number: Some(1),
            track_total: Some(2),
            disc_number: Some(3),
            disc_total: Some(u32::MAX),
            year: Some(0),
            comment: text("caf\u{e9} \u{1f3b5}"),
        },
        duration_ms: Some(u64::MAX),
        format: EncodedAudioFormat {
            codec: "codec".into(),
            sample_rate: Some(96_000),
            channels: Some(u16::MAX),
            bitrate_kbps: Some(320),
            container: text("container"),
        },
        extras: vec![
            entry("text", MetadataValue::Text("t".into())),
            entry("boolean", MetadataValue::Boolean(true)),
            entry("uint32", MetadataValue::Uint32(u32::MAX)),
            entry("uint64", MetadataValue::Uint64(u64::MAX)),
            entry("int64", MetadataValue::Int64(i64::MIN)),
            entry("float64", MetadataValue::Float64(-0.5)),
            entry("bytes", MetadataValue::Bytes(vec![0, 255, 0])),
        ],
    }
}

fn catalog(guest: &mut Guest) -> ObjectId {
    guest.call(|it| source(it).create()).expect("creates")
}

fn open(guest: &mut Guest, catalog: ObjectId, track: &str) -> CallResult<OpenedStream> {
    guest.call(|it| source(it).open_stream_json(catalog, track))
}

#[track_caller]
fn its_own(opened: &OpenedStream) -> ObjectId {
    let OpenedHandle::Processed(stream) = opened.handle else { panic!("the source reads it itself") };
    stream
}

/// All bytes of a stream, and how many chunks they came in.
fn read_all(guest: &mut Guest, stream: ObjectId, max_bytes: u32) -> (Vec<u8>, usize) {
    let (mut bytes, mut chunks) = (Vec::new(), 0);
    loop {
        let chunk = guest.call(|it| source(it).stream_read(stream, max_bytes)).expect("reads");
        assert!(chunk.bytes.len() <= max_bytes as usize);
        chunks += 1;
        bytes.extend(chunk.bytes);
        if chunk.eof {
            return (bytes, chunks);
        }
        assert!(chunks < 10_000, "comes to an end");
    }
}

fn list_items(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    guest.call(|it| it.apply_config(catalog, "{\"a\":1}")).expect("applies");
    for request in ["{\"action\":\"search\"}", "\"caf\u{e9}\"", ""] {
        let items = guest.call(|it| source(it).list_items_json(catalog, request));
        let expected =
            format!("[{{\"kind\":\"track\",\"title\":\"echo\",\"config\":{{\"a\":1}},\"track\":{request}}}]");
        assert_eq!(items, Ok(expected));
    }
}

fn processed(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let opened = open(&mut guest, catalog, "the bytes").expect("opens");
    assert_eq!(opened.ext_hint.as_deref(), Some("echo"));
    let metadata = opened.metadata.clone();
    let stream = its_own(&opened);
    assert_eq!(Some(guest.call(|it| source(it).stream_metadata(stream)).expect("has metadata")), metadata);
    assert_eq!(read_all(&mut guest, stream, 4), (b"the bytes".to_vec(), 3));
    guest.close(stream).expect("closes");
    refusal(guest.call(|it| source(it).stream_read(stream, 4)));
}

/// Hands out a stream for every request, and remembers it.
#[derive(Default)]
struct Shelf(Mutex<Vec<OpenRequest>>);

impl Streams for Shelf {
    fn open(&self, request: &OpenRequest, _: &Arc<CallControl>) -> CallResult<Box<dyn HostStream>> {
        self.0.lock().expect("no panic").push(request.clone());
        match request.target.as_str() {
            "refused" => Err(PluginError::Denied("network:refused".into()).into()),
            _ => Ok(Script::new(&b"on the shelf"[..]).short(&[5]).boxed()),
        }
    }
}

fn with_shelf(subject: &Subject) -> (Guest, Arc<Shelf>) {
    let shelf = Arc::new(Shelf::default());
    let services = Services { streams: shelf.clone(), ..Services::default() };
    let guest = Guest::with(subject, Kind::Source.fixture(), Options { services, ..Options::default() });
    (guest.expect("starts"), shelf)
}

/// A stream of the host goes through the guest and comes back as itself, with what the guest says of it.
fn passthrough(subject: &Subject) {
    let (mut guest, shelf) = with_shelf(subject);
    let catalog = catalog(&mut guest);
    let opened = open(&mut guest, catalog, "{\"open\":\"/music/x\"}").expect("opens");
    assert_eq!((opened.ext_hint, opened.metadata), (None, None));
    let OpenedHandle::Passthrough(Some(mut stream)) = opened.handle else { panic!("the host reads it") };
    // Many of them, and one that the host refuses, leave no handle behind.
    for _ in 0..600 {
        drop(open(&mut guest, catalog, "{\"open\":\"/music/y\"}").expect("opens"));
    }
    let error = refusal(open(&mut guest, catalog, "{\"open\":\"refused\"}").map(drop));
    assert_eq!(error, PluginError::Denied("network:refused".into()));
    drop(guest);
    assert_eq!(stream.read(100, &Arc::default()), Ok(b"on th".to_vec()), "it outlives the guest");
    assert_eq!(shelf.0.lock().expect("no panic").len(), 602);
}

/// Every field of a request arrives, for each kind the SDK makes.
fn requests(subject: &Subject) {
    let (mut guest, shelf) = with_shelf(subject);
    let catalog = catalog(&mut guest);
    let plain = |kind, target: &str| OpenRequest {
        kind,
        target: target.into(),
        method: None,
        headers: Vec::new(),
        body: None,
        connect_timeout_ms: None,
        read_timeout_ms: None,
    };
    let header = |name: &str, value: &str| Header { name: name.into(), value: value.into() };
    let cases = [
        ("{\"open\":\"a\"}", plain(StreamOpenKind::File, "a")),
        ("{\"http\":{\"url\":\"b\"}}", plain(StreamOpenKind::Http, "b")),
        (
            "{\"http\":{\"url\":\"c\",\"method\":\"patch\",\"headers\":[[\"k\",\"v\"],[\"\",\"\"]],\"body\":\"text\",\
             \"connect_ms\":1500,\"read_ms\":0}}",
            OpenRequest {
                method: Some(HttpMethod::Patch),
                headers: vec![header("k", "v"), header("", "")],
                body: Some(b"text".to_vec()),
                connect_timeout_ms: Some(1500),
                read_timeout_ms: Some(0),
                ..plain(StreamOpenKind::Http, "c")
            },
        ),
        ("{\"tcp\":{\"address\":\"d:1\"}}", plain(StreamOpenKind::Tcp, "d:1")),
        (
            "{\"tcp\":{\"address\":\"e:2\",\"connect_ms\":1,\"read_ms\":99999999999}}",
            OpenRequest {
                connect_timeout_ms: Some(1),
                read_timeout_ms: Some(u32::MAX),
                ..plain(StreamOpenKind::Tcp, "e:2")
            },
        ),
    ];
    for (track, expected) in cases {
        drop(open(&mut guest, catalog, track).expect("opens"));
        assert_eq!(shelf.0.lock().expect("no panic").pop(), Some(expected), "{track}");
    }
}

/// The guest reads a stream of the host and gives its bytes out as its own.
fn read_by_the_guest(subject: &Subject) {
    let (mut guest, _shelf) = with_shelf(subject);
    let catalog = catalog(&mut guest);
    let stream = its_own(&open(&mut guest, catalog, "{\"read\":\"x\"}").expect("opens"));
    assert_eq!(read_all(&mut guest, stream, 4096), (b"on the shelf".to_vec(), 4));
}

/// Bytes of the guest that it hands on like a stream of the host are served by the guest.
fn memory(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let stream = its_own(&open(&mut guest, catalog, "{\"memory\":\"bytes\"}").expect("opens"));
    assert_eq!(read_all(&mut guest, stream, 3), (b"bytes".to_vec(), 3));
}

fn opened_every_field(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let opened = open(&mut guest, catalog, "{\"stream\":\"every-field\"}").expect("opens");
    assert_eq!(opened.metadata, Some(every_field()));
}

fn open_uri(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let error = refusal(guest.call(|it| source(it).open_uri(catalog, "x:y").map(drop)));
    assert_eq!(error, PluginError::Unsupported("no addresses here".into()));
    let opened = guest.call(|it| source(it).open_uri(catalog, "bytes:caf\u{e9}")).expect("opens");
    assert_eq!((opened.ext_hint.as_deref(), opened.metadata.as_ref()), (None, None));
    let stream = its_own(&opened);
    assert_eq!(read_all(&mut guest, stream, 100).0, "caf\u{e9}".as_bytes());
}

fn stream_metadata(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let stream = Kind::SourceStream.make(&mut guest, "every-field").expect("opens");
    assert_eq!(guest.call(|it| source(it).stream_metadata(stream)), Ok(every_field()));
}

fn cover(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let stream = Kind::SourceStream.make(&mut guest, "cover-12").expect("opens");
    let metadata = guest.call(|it| source(it).stream_metadata(stream)).expect("fits the boundary");
    let expected = MetadataEntry { key: "cover".into(), value: MetadataValue::Bytes(vec![0x5a; 12 << 20]) };
    assert!(metadata.extras == [expected]);
}

/// The end comes with the last bytes or behind them, can be asked for again, and an empty chunk need not be it.
fn ends(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let chunk = |bytes: &[u8], eof| Ok(EncodedChunk { bytes: bytes.to_vec(), eof });
    let read = |guest: &mut Guest, stream, max| guest.call(|it| source(it).stream_read(stream, max));
    let stream = Kind::SourceStream.make(&mut guest, "abcd").expect("opens");
    assert_eq!(read(&mut guest, stream, 0), chunk(b"a", false), "nothing asked for counts as one byte");
    assert_eq!(read(&mut guest, stream, u32::MAX), chunk(b"bcd", true));
    assert_eq!(read(&mut guest, stream, 4), chunk(b"", true));
    let stream = Kind::SourceStream.make(&mut guest, "late-end").expect("opens");
    assert_eq!(read(&mut guest, stream, 8), chunk(b"late-end", false));
    assert_eq!(read(&mut guest, stream, 8), chunk(b"", true));
    let stream = Kind::SourceStream.make(&mut guest, "no-end").expect("opens");
    assert_eq!(read(&mut guest, stream, 8), chunk(b"no-end", false));
    assert_eq!(read(&mut guest, stream, 8), chunk(b"", false));
}

fn outlives(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let stream = its_own(&open(&mut guest, catalog, "the bytes").expect("opens"));
    guest.close(catalog).expect("closes");
    assert_eq!(read_all(&mut guest, stream, 4).0, b"the bytes");
}

fn side_by_side(subject: &Subject) {
    let mut guest = Guest::new(subject, Kind::Source.fixture());
    let catalog = catalog(&mut guest);
    let texts: Vec<String> = (0..60).map(|n| format!("stream {n}")).collect();
    let streams: Vec<_> = texts.iter().map(|text| its_own(&open(&mut guest, catalog, text).expect("opens"))).collect();
    for (stream, text) in streams.iter().zip(&texts) {
        let chunk = guest.call(|it| source(it).stream_read(*stream, 3)).expect("reads");
        assert_eq!(chunk.bytes, text.as_bytes()[..3]);
    }
    for (n, stream) in streams.iter().enumerate().filter(|(n, _)| n % 2 == 0) {
        guest.close(*stream).unwrap_or_else(|error| panic!("{n}: {error}"));
    }
    for (stream, text) in streams.iter().zip(&texts).skip(1).step_by(2) {
        assert_eq!(read_all(&mut guest, *stream, 100).0, text.as_bytes()[3..]);
    }
}
