//! The interfaces with functions that the host offers: `host-stream`, `sidecar` and `http-client`.

use super::{
    Answer::{Fallible, Nothing, Value},
    Function, Interface, Resource,
    Ty::{Enum, List, Named, Option as Opt, Own, Record, S32, S64, String as Text, Tuple, U8, U32, U64},
    Type,
    shared::SEEK_WHENCE,
};

/// `host-stream`: byte streams that the host opens for a plugin.
pub static HOST_STREAM: Interface = Interface {
    name: "host-stream",
    types: &[&STREAM_OPEN_KIND, &HTTP_METHOD, &HEADER, &OPEN_REQUEST],
    resources: &[&HOST_STREAM_HANDLE],
    functions: &[Function {
        name: "open",
        params: &[Named(&OPEN_REQUEST)],
        answer: Fallible(Some(Own(&HOST_STREAM_HANDLE))),
    }],
};

/// `sidecar`: helper processes.
pub static SIDECAR: Interface = Interface {
    name: "sidecar",
    types: &[&LAUNCH_SCOPE, &TRANSPORT_KIND, &TRANSPORT_OPTION, &LAUNCH_SPEC],
    resources: &[&PROCESS, &LOCK_GUARD, &CHANNEL],
    functions: &[
        Function { name: "lock", params: &[Text, Opt(&U32)], answer: Fallible(Some(Own(&LOCK_GUARD))) },
        Function { name: "launch", params: &[Named(&LAUNCH_SPEC)], answer: Fallible(Some(Own(&PROCESS))) },
    ],
};

/// `http-client`: small requests.
pub static HTTP_CLIENT: Interface = Interface {
    name: "http-client",
    types: &[],
    resources: &[],
    functions: &[Function { name: "fetch-json", params: &[Text], answer: Fallible(Some(Text)) }],
};

const fn host_stream(name: &'static str, ty: super::Ty) -> Type {
    Type { interface: "host-stream", name, ty }
}

const fn sidecar(name: &'static str, ty: super::Ty) -> Type {
    Type { interface: "sidecar", name, ty }
}

static STREAM_OPEN_KIND: Type = host_stream("stream-open-kind", Enum(&["file", "http", "tcp", "udp"]));

static HTTP_METHOD: Type = host_stream("http-method", Enum(&["get", "post", "put", "delete", "head", "patch"]));

static HEADER: Type = host_stream("header", Record(&[("name", Text), ("value", Text)]));

static OPEN_REQUEST: Type = host_stream(
    "open-request",
    Record(&[
        ("kind", Named(&STREAM_OPEN_KIND)),
        ("target", Text),
        ("method", Opt(&Named(&HTTP_METHOD))),
        ("headers", List(&Named(&HEADER))),
        ("body", Opt(&List(&U8))),
        ("connect-timeout-ms", Opt(&U32)),
        ("read-timeout-ms", Opt(&U32)),
    ]),
);

pub(super) static HOST_STREAM_HANDLE: Resource = Resource {
    interface: "host-stream",
    name: "host-stream-handle",
    methods: &[
        Function { name: "read", params: &[U32], answer: Fallible(Some(List(&U8))) },
        Function { name: "seek", params: &[S64, Named(&SEEK_WHENCE)], answer: Fallible(Some(U64)) },
        Function { name: "tell", params: &[], answer: Fallible(Some(U64)) },
        Function { name: "size", params: &[], answer: Fallible(Some(U64)) },
        Function { name: "close", params: &[], answer: Nothing },
    ],
};

static LAUNCH_SCOPE: Type = sidecar("launch-scope", Enum(&["instance", "package-shared"]));

static TRANSPORT_KIND: Type =
    sidecar("transport-kind", Enum(&["stdio", "named-pipe", "unix-socket", "loopback-tcp", "shared-memory-ring"]));

static TRANSPORT_OPTION: Type = sidecar(
    "transport-option",
    Record(&[("kind", Named(&TRANSPORT_KIND)), ("priority", U8), ("max-frame-bytes", Opt(&U32))]),
);

pub(crate) static LAUNCH_SPEC: Type = sidecar(
    "launch-spec",
    Record(&[
        ("scope", Named(&LAUNCH_SCOPE)),
        ("executable", Text),
        ("args", List(&Text)),
        ("preferred-control", List(&Named(&TRANSPORT_OPTION))),
        ("preferred-data", List(&Named(&TRANSPORT_OPTION))),
        ("env", List(&Tuple(&[Text, Text]))),
    ]),
);

static PROCESS: Resource = Resource {
    interface: "sidecar",
    name: "process",
    methods: &[
        Function { name: "open-control", params: &[], answer: Fallible(Some(Own(&CHANNEL))) },
        Function {
            name: "open-data",
            params: &[Text, List(&Named(&TRANSPORT_OPTION))],
            answer: Fallible(Some(Own(&CHANNEL))),
        },
        Function { name: "wait-exit", params: &[Opt(&U32)], answer: Fallible(Some(Opt(&S32))) },
        Function { name: "terminate", params: &[U32], answer: Fallible(None) },
    ],
};

static LOCK_GUARD: Resource = Resource {
    interface: "sidecar",
    name: "lock-guard",
    methods: &[Function { name: "unlock", params: &[], answer: Nothing }],
};

static CHANNEL: Resource = Resource {
    interface: "sidecar",
    name: "channel",
    methods: &[
        Function { name: "transport", params: &[], answer: Value(Named(&TRANSPORT_KIND)) },
        Function { name: "write", params: &[List(&U8)], answer: Fallible(Some(U32)) },
        Function { name: "read", params: &[U32, Opt(&U32)], answer: Fallible(Some(List(&U8))) },
        Function { name: "close", params: &[], answer: Nothing },
    ],
};
