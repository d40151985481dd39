//! The interfaces that hold types only: `common` and `hot-path`.

use super::{
    Interface,
    Ty::{Bool, Enum, F64, List, Named, Option as Opt, Record, S64, String as Text, U8, U16, U32, U64, Variant},
    Type,
};

/// `common`: types that several interfaces share.
pub static COMMON: Interface = Interface {
    name: "common",
    types: &[
        &SEEK_WHENCE,
        &PLUGIN_ERROR,
        &ENCODED_AUDIO_FORMAT,
        &AUDIO_TAGS,
        &METADATA_VALUE,
        &METADATA_ENTRY,
        &MEDIA_METADATA,
        &ENCODED_CHUNK,
        &PCM_F32_CHUNK,
        &DECODER_INFO,
        &CONFIG_UPDATE_MODE,
        &CONFIG_UPDATE_PLAN,
        &AUDIO_SPEC,
    ],
    resources: &[],
    functions: &[],
};

/// `hot-path`: how a plugin describes its core module.
pub static HOT_PATH: Interface = Interface {
    name: "hot-path",
    types: &[&SAMPLE_FORMAT, &ROLE, &BUFFER_LAYOUT, &CORE_MODULE_SPEC],
    resources: &[],
    functions: &[],
};

const fn common(name: &'static str, ty: super::Ty) -> Type {
    Type { interface: "common", name, ty }
}

const fn hot_path(name: &'static str, ty: super::Ty) -> Type {
    Type { interface: "hot-path", name, ty }
}

pub(super) static SEEK_WHENCE: Type = common("seek-whence", Enum(&["start", "current", "end"]));

pub(super) static PLUGIN_ERROR: Type = common(
    "plugin-error",
    Variant(&[
        ("invalid-arg", Some(Text)),
        ("not-found", Some(Text)),
        ("io", Some(Text)),
        ("timeout", Some(Text)),
        ("unsupported", Some(Text)),
        ("denied", Some(Text)),
        ("internal", Some(Text)),
    ]),
);

static ENCODED_AUDIO_FORMAT: Type = common(
    "encoded-audio-format",
    Record(&[
        ("codec", Text),
        ("sample-rate", Opt(&U32)),
        ("channels", Opt(&U16)),
        ("bitrate-kbps", Opt(&U32)),
        ("container", Opt(&Text)),
    ]),
);

static AUDIO_TAGS: Type = common(
    "audio-tags",
    Record(&[
        ("title", Opt(&Text)),
        ("album", Opt(&Text)),
        ("artists", List(&Text)),
        ("album-artists", List(&Text)),
        ("genres", List(&Text)),
        ("track-number", Opt(&U32)),
        ("track-total", Opt(&U32)),
        ("disc-number", Opt(&U32)),
        ("disc-total", Opt(&U32)),
        ("year", Opt(&U32)),
        ("comment", Opt(&Text)),
    ]),
);

static METADATA_VALUE: Type = common(
    "metadata-value",
    Variant(&[
        ("text", Some(Text)),
        ("boolean", Some(Bool)),
        ("uint32", Some(U32)),
        ("uint64", Some(U64)),
        ("int64", Some(S64)),
        ("float64", Some(F64)),
        ("bytes", Some(List(&U8))),
    ]),
);

static METADATA_ENTRY: Type = common("metadata-entry", Record(&[("key", Text), ("value", Named(&METADATA_VALUE))]));

pub(super) static MEDIA_METADATA: Type = common(
    "media-metadata",
    Record(&[
        ("tags", Named(&AUDIO_TAGS)),
        ("duration-ms", Opt(&U64)),
        ("format", Named(&ENCODED_AUDIO_FORMAT)),
        ("extras", List(&Named(&METADATA_ENTRY))),
    ]),
);

pub(super) static ENCODED_CHUNK: Type = common("encoded-chunk", Record(&[("bytes", List(&U8)), ("eof", Bool)]));

pub(super) static PCM_F32_CHUNK: Type =
    common("pcm-f32-chunk", Record(&[("interleaved-f32le", List(&U8)), ("frames", U32), ("eof", Bool)]));

pub(super) static DECODER_INFO: Type = common(
    "decoder-info",
    Record(&[
        ("sample-rate", U32),
        ("channels", U16),
        ("duration-ms", Opt(&U64)),
        ("seekable", Bool),
        ("encoder-delay-frames", U32),
        ("encoder-padding-frames", U32),
    ]),
);

static CONFIG_UPDATE_MODE: Type = common("config-update-mode", Enum(&["hot-apply", "recreate", "reject"]));

pub(super) static CONFIG_UPDATE_PLAN: Type =
    common("config-update-plan", Record(&[("mode", Named(&CONFIG_UPDATE_MODE)), ("reason", Opt(&Text))]));

pub(super) static AUDIO_SPEC: Type = common("audio-spec", Record(&[("sample-rate", U32), ("channels", U16)]));

static SAMPLE_FORMAT: Type = hot_path("sample-format", Enum(&["f32le", "i16le", "i32le"]));

static ROLE: Type = hot_path("role", Enum(&["dsp-transform", "output-sink"]));

static BUFFER_LAYOUT: Type = hot_path(
    "buffer-layout",
    Record(&[
        ("in-offset", U32),
        ("out-offset", Opt(&U32)),
        ("max-frames", U32),
        ("channels", U16),
        ("sample-format", Named(&SAMPLE_FORMAT)),
        ("interleaved", Bool),
    ]),
);

pub(super) static CORE_MODULE_SPEC: Type = hot_path(
    "core-module-spec",
    Record(&[
        ("role", Named(&ROLE)),
        ("wasm-rel-path", Text),
        ("abi-version", U32),
        ("memory-export", Text),
        ("init-export", Text),
        ("process-export", Text),
        ("reset-export", Opt(&Text)),
        ("drop-export", Opt(&Text)),
        ("buffer", Named(&BUFFER_LAYOUT)),
    ]),
);
