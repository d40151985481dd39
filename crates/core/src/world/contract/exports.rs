//! The interfaces that components export: `lifecycle` and the five abilities.
//!
//! Each session, catalog, provider and processor ends with the same five methods, which the contract calls the tail.

use super::{
    Answer::{Fallible, Nothing, Value},
    Function, Interface, Resource,
    Ty::{Bool, Enum, List, Named, Option as Opt, Own, Record, String as Text, U8, U16, U32, U64, Variant},
    Type,
    imports::HOST_STREAM_HANDLE,
    shared::{
        AUDIO_SPEC, CONFIG_UPDATE_PLAN, CORE_MODULE_SPEC, DECODER_INFO, ENCODED_CHUNK, MEDIA_METADATA, PCM_F32_CHUNK,
    },
};

/// `lifecycle`: hooks around the life of an instance.
pub static LIFECYCLE: Interface = Interface {
    name: "lifecycle",
    types: &[&DISABLE_REASON],
    resources: &[],
    functions: &[
        Function { name: "on-enable", params: &[], answer: Fallible(None) },
        Function { name: "on-disable", params: &[Named(&DISABLE_REASON)], answer: Fallible(None) },
    ],
};

/// `decoder`: encoded audio to samples.
pub static DECODER: Interface = Interface {
    name: "decoder",
    types: &[],
    resources: &[&DECODER_SESSION],
    functions: &[Function {
        name: "open",
        params: &[Own(&HOST_STREAM_HANDLE), Opt(&Text)],
        answer: Fallible(Some(Own(&DECODER_SESSION))),
    }],
};

/// `source`: tracks from somewhere else.
pub static SOURCE: Interface = Interface {
    name: "source",
    types: &[&OPENED_STREAM_HANDLE, &OPENED_STREAM],
    resources: &[&SOURCE_STREAM, &CATALOG],
    functions: &[Function { name: "create", params: &[], answer: Fallible(Some(Own(&CATALOG))) }],
};

/// `lyrics`: the words of a song.
pub static LYRICS: Interface = Interface {
    name: "lyrics",
    types: &[&LYRIC_CANDIDATE],
    resources: &[&PROVIDER],
    functions: &[Function { name: "create", params: &[], answer: Fallible(Some(Own(&PROVIDER))) }],
};

/// `output-sink`: audio to a device.
pub static OUTPUT_SINK: Interface = Interface {
    name: "output-sink",
    types: &[&NEGOTIATED_SPEC, &RUNTIME_STATUS],
    resources: &[&SINK_SESSION],
    functions: &[Function { name: "create", params: &[], answer: Fallible(Some(Own(&SINK_SESSION))) }],
};

/// `dsp`: audio to other audio.
pub static DSP: Interface = Interface {
    name: "dsp",
    types: &[],
    resources: &[&PROCESSOR],
    functions: &[Function { name: "create", params: &[Named(&AUDIO_SPEC)], answer: Fallible(Some(Own(&PROCESSOR))) }],
};

static DISABLE_REASON: Type = Type {
    interface: "lifecycle",
    name: "disable-reason",
    ty: Enum(&["host-disable", "unload", "shutdown", "reload"]),
};

const PLAN: Function =
    Function { name: "plan-config-update-json", params: &[Text], answer: Fallible(Some(Named(&CONFIG_UPDATE_PLAN))) };
const APPLY: Function = Function { name: "apply-config-update-json", params: &[Text], answer: Fallible(None) };
const EXPORT_STATE: Function = Function { name: "export-state-json", params: &[], answer: Fallible(Some(Opt(&Text))) };
const IMPORT_STATE: Function = Function { name: "import-state-json", params: &[Text], answer: Fallible(None) };
const CLOSE: Function = Function { name: "close", params: &[], answer: Nothing };
const DESCRIBE_HOT_PATH: Function = Function {
    name: "describe-hot-path",
    params: &[Named(&AUDIO_SPEC)],
    answer: Fallible(Some(Opt(&Named(&CORE_MODULE_SPEC)))),
};

static DECODER_SESSION: Resource = Resource {
    interface: "decoder",
    name: "session",
    methods: &[
        Function { name: "info", params: &[], answer: Fallible(Some(Named(&DECODER_INFO))) },
        Function { name: "metadata", params: &[], answer: Fallible(Some(Named(&MEDIA_METADATA))) },
        Function { name: "read-pcm-f32", params: &[U32], answer: Fallible(Some(Named(&PCM_F32_CHUNK))) },
        Function { name: "seek-ms", params: &[U64], answer: Fallible(None) },
        PLAN,
        APPLY,
        EXPORT_STATE,
        IMPORT_STATE,
        CLOSE,
    ],
};

static SOURCE_STREAM: Resource = Resource {
    interface: "source",
    name: "source-stream",
    methods: &[
        Function { name: "metadata", params: &[], answer: Fallible(Some(Named(&MEDIA_METADATA))) },
        Function { name: "read", params: &[U32], answer: Fallible(Some(Named(&ENCODED_CHUNK))) },
        CLOSE,
    ],
};

static OPENED_STREAM_HANDLE: Type = Type {
    interface: "source",
    name: "opened-stream-handle",
    ty: Variant(&[("passthrough", Some(Own(&HOST_STREAM_HANDLE))), ("processed", Some(Own(&SOURCE_STREAM)))]),
};

static OPENED_STREAM: Type = Type {
    interface: "source",
    name: "opened-stream",
    ty: Record(&[
        ("handle", Named(&OPENED_STREAM_HANDLE)),
        ("ext-hint", Opt(&Text)),
        ("metadata", Opt(&Named(&MEDIA_METADATA))),
    ]),
};

static CATALOG: Resource = Resource {
    interface: "source",
    name: "catalog",
    methods: &[
        Function { name: "list-items-json", params: &[Text], answer: Fallible(Some(Text)) },
        Function { name: "open-stream-json", params: &[Text], answer: Fallible(Some(Named(&OPENED_STREAM))) },
        Function { name: "open-uri", params: &[Text], answer: Fallible(Some(Named(&OPENED_STREAM))) },
        PLAN,
        APPLY,
        EXPORT_STATE,
        IMPORT_STATE,
        CLOSE,
    ],
};

static LYRIC_CANDIDATE: Type = Type {
    interface: "lyrics",
    name: "lyric-candidate",
    ty: Record(&[("id", Text), ("title", Text), ("artist", Text)]),
};

static PROVIDER: Resource = Resource {
    interface: "lyrics",
    name: "provider",
    methods: &[
        Function { name: "search", params: &[Text], answer: Fallible(Some(List(&Named(&LYRIC_CANDIDATE)))) },
        Function { name: "fetch", params: &[Text], answer: Fallible(Some(Text)) },
        PLAN,
        APPLY,
        EXPORT_STATE,
        IMPORT_STATE,
        CLOSE,
    ],
};

static NEGOTIATED_SPEC: Type = Type {
    interface: "output-sink",
    name: "negotiated-spec",
    ty: Record(&[("spec", Named(&AUDIO_SPEC)), ("preferred-chunk-frames", U32), ("prefer-track-rate", Bool)]),
};

static RUNTIME_STATUS: Type = Type {
    interface: "output-sink",
    name: "runtime-status",
    ty: Record(&[("queued-samples", U32), ("running", Bool)]),
};

static SINK_SESSION: Resource = Resource {
    interface: "output-sink",
    name: "session",
    methods: &[
        Function { name: "list-targets-json", params: &[], answer: Fallible(Some(Text)) },
        Function {
            name: "negotiate-spec-json",
            params: &[Text, Named(&AUDIO_SPEC)],
            answer: Fallible(Some(Named(&NEGOTIATED_SPEC))),
        },
        DESCRIBE_HOT_PATH,
        Function { name: "open-json", params: &[Text, Named(&AUDIO_SPEC)], answer: Fallible(None) },
        Function { name: "write-interleaved-f32", params: &[U16, List(&U8)], answer: Fallible(Some(U32)) },
        Function { name: "query-status", params: &[], answer: Fallible(Some(Named(&RUNTIME_STATUS))) },
        Function { name: "flush", params: &[], answer: Fallible(None) },
        Function { name: "reset", params: &[], answer: Fallible(None) },
        PLAN,
        APPLY,
        EXPORT_STATE,
        IMPORT_STATE,
        CLOSE,
    ],
};

static PROCESSOR: Resource = Resource {
    interface: "dsp",
    name: "processor",
    methods: &[
        DESCRIBE_HOT_PATH,
        Function { name: "process-interleaved-f32", params: &[U16, List(&U8)], answer: Fallible(Some(List(&U8))) },
        Function { name: "supported-layouts", params: &[], answer: Value(U32) },
        Function { name: "output-channels", params: &[], answer: Value(U16) },
        PLAN,
        APPLY,
        EXPORT_STATE,
        IMPORT_STATE,
        CLOSE,
    ],
};
