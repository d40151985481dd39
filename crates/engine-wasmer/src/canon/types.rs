//! The contract's and WASI's types, as core's own: one line each.

use stellatune_plugin_core::{
    error::{PluginError, Trap},
    types::{
        AudioSpec, AudioTags, BufferLayout, ConfigUpdateMode, ConfigUpdatePlan, CoreModuleSpec, DecoderInfo,
        DisableReason, EncodedAudioFormat, EncodedChunk, Header, HotPathRole, HttpMethod, LaunchScope, LaunchSpec,
        LyricCandidate, MediaMetadata, MetadataEntry, MetadataValue, NegotiatedSpec, OpenRequest, PcmF32Chunk,
        RuntimeStatus, SampleFormat, SeekWhence, StreamOpenKind, TransportKind, TransportOption,
    },
    wasi::StreamError,
};

use super::{
    Check, Lift, Lower, Own, Shape, Transfer,
    compound::{flat, lift_payload, lower_payload, no_case},
    define::{enumeration, load_case, over, record, same_name, store_case, variant},
    flat::{Flat, Values},
    handle::kind::IoError,
    kind::{HostStream, SourceStream},
    layout::{align_to, discriminant, larger, payload},
    scalar::expect,
};
use crate::component::plan::Type;

enumeration!(SeekWhence { Start, Current, End });
enumeration!(ConfigUpdateMode { HotApply, Recreate, Reject });
enumeration!(SampleFormat { F32le, I16le, I32le });
enumeration!(HotPathRole { DspTransform, OutputSink });
enumeration!(StreamOpenKind { File, Http, Tcp, Udp });
enumeration!(HttpMethod { Get, Post, Put, Delete, Head, Patch });
enumeration!(LaunchScope { Instance, PackageShared });
enumeration!(TransportKind { Stdio, NamedPipe, UnixSocket, LoopbackTcp, SharedMemoryRing });
enumeration!(DisableReason { HostDisable, Unload, Shutdown, Reload });

variant!(PluginError {
    InvalidArg(String),
    NotFound(String),
    Io(String),
    Timeout(String),
    Unsupported(String),
    Denied(String),
    Internal(String),
});
variant!(MetadataValue {
    Text(String),
    Boolean(bool),
    Uint32(u32),
    Uint64(u64),
    Int64(i64),
    Float64(f64),
    Bytes(Vec<u8>),
});

record!(EncodedAudioFormat {
    codec: String,
    sample_rate: Option<u32>,
    channels: Option<u16>,
    bitrate_kbps: Option<u32>,
    container: Option<String>,
});
record!(AudioTags {
    title: Option<String>,
    album: Option<String>,
    artists: Vec<String>,
    album_artists: Vec<String>,
    genres: Vec<String>,
    track_number: Option<u32>,
    track_total: Option<u32>,
    disc_number: Option<u32>,
    disc_total: Option<u32>,
    year: Option<u32>,
    comment: Option<String>,
});
record!(MetadataEntry { key: String, value: MetadataValue });
record!(MediaMetadata {
    tags: AudioTags,
    duration_ms: Option<u64>,
    format: EncodedAudioFormat,
    extras: Vec<MetadataEntry>,
});
record!(EncodedChunk { bytes: Vec<u8>, eof: bool });
record!(PcmF32Chunk { interleaved_f32le: Vec<u8>, frames: u32, eof: bool });
record!(DecoderInfo {
    sample_rate: u32,
    channels: u16,
    duration_ms: Option<u64>,
    seekable: bool,
    encoder_delay_frames: u32,
    encoder_padding_frames: u32,
});
record!(ConfigUpdatePlan { mode: ConfigUpdateMode, reason: Option<String> });
record!(AudioSpec { sample_rate: u32, channels: u16 });
record!(BufferLayout {
    in_offset: u32,
    out_offset: Option<u32>,
    max_frames: u32,
    channels: u16,
    sample_format: SampleFormat,
    interleaved: bool,
});
record!(CoreModuleSpec {
    role: HotPathRole,
    wasm_rel_path: String,
    abi_version: u32,
    memory_export: String,
    init_export: String,
    process_export: String,
    reset_export: Option<String>,
    drop_export: Option<String>,
    buffer: BufferLayout,
});
record!(Header { name: String, value: String });
record!(OpenRequest {
    kind: StreamOpenKind,
    target: String,
    method: Option<HttpMethod>,
    headers: Vec<Header>,
    body: Option<Vec<u8>>,
    connect_timeout_ms: Option<u32>,
    read_timeout_ms: Option<u32>,
});
record!(TransportOption { kind: TransportKind, priority: u8, max_frame_bytes: Option<u32> });
record!(LaunchSpec {
    scope: LaunchScope,
    executable: String,
    args: Vec<String>,
    preferred_control: Vec<TransportOption>,
    preferred_data: Vec<TransportOption>,
    env: Vec<(String, String)>,
});
record!(LyricCandidate { id: String, title: String, artist: String });
record!(NegotiatedSpec { spec: AudioSpec, preferred_chunk_frames: u32, prefer_track_rate: bool });
record!(RuntimeStatus { queued_samples: u32, running: bool });

/// `source.opened-stream`, before its handle is looked up.
pub(crate) struct OpenedStream {
    pub(crate) handle: OpenedStreamHandle,
    pub(crate) ext_hint: Option<String>,
    pub(crate) metadata: Option<MediaMetadata>,
}

record!(OpenedStream { handle: OpenedStreamHandle, ext_hint: Option<String>, metadata: Option<MediaMetadata> });

/// `source.opened-stream-handle`
pub(crate) enum OpenedStreamHandle {
    Passthrough(Own<HostStream>),
    Processed(Own<SourceStream>),
}

variant!(OpenedStreamHandle { Passthrough(Own<HostStream>), Processed(Own<SourceStream>) });

/// `wasi:io/streams stream-error`
pub(crate) enum StreamFault {
    LastOperationFailed(Own<IoError>),
    Closed(()),
}

variant!(StreamFault { LastOperationFailed(Own<IoError>), Closed(()) });

impl From<StreamError> for StreamFault {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::LastOperationFailed(error) => Self::LastOperationFailed(Own::of(error)),
            StreamError::Closed => Self::Closed(()),
        }
    }
}

/// `wasi:clocks/wall-clock datetime`
pub(crate) struct Datetime {
    pub(crate) seconds: u64,
    pub(crate) nanoseconds: u32,
}

record!(Datetime { seconds: u64, nanoseconds: u32 });
