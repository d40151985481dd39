//! The contract's records, enums and variants as plain Rust, without any logic.
//!
//! Names and order follow `wit/stellatune-plugin`; each type names its interface. What a field means is said there.
#![allow(missing_docs, reason = "fields and cases are documented once, in wit/stellatune-plugin")]

/// `common.seek-whence`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekWhence {
    Start,
    Current,
    End,
}

/// `common.encoded-audio-format`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EncodedAudioFormat {
    pub codec: String,
    pub sample_rate: Option<u32>,
    pub channels: Option<u16>,
    pub bitrate_kbps: Option<u32>,
    pub container: Option<String>,
}

/// `common.audio-tags`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioTags {
    pub title: Option<String>,
    pub album: Option<String>,
    pub artists: Vec<String>,
    pub album_artists: Vec<String>,
    pub genres: Vec<String>,
    pub track_number: Option<u32>,
    pub track_total: Option<u32>,
    pub disc_number: Option<u32>,
    pub disc_total: Option<u32>,
    pub year: Option<u32>,
    pub comment: Option<String>,
}

/// `common.metadata-value`
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    Text(String),
    Boolean(bool),
    Uint32(u32),
    Uint64(u64),
    Int64(i64),
    Float64(f64),
    Bytes(Vec<u8>),
}

/// `common.metadata-entry`
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataEntry {
    pub key: String,
    pub value: MetadataValue,
}

/// `common.media-metadata`
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaMetadata {
    pub tags: AudioTags,
    pub duration_ms: Option<u64>,
    pub format: EncodedAudioFormat,
    pub extras: Vec<MetadataEntry>,
}

/// `common.encoded-chunk`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedChunk {
    pub bytes: Vec<u8>,
    pub eof: bool,
}

/// `common.pcm-f32-chunk`: interleaved samples, 4 little-endian bytes each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcmF32Chunk {
    pub interleaved_f32le: Vec<u8>,
    pub frames: u32,
    pub eof: bool,
}

/// `common.decoder-info`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderInfo {
    pub sample_rate: u32,
    pub channels: u16,
    pub duration_ms: Option<u64>,
    pub seekable: bool,
    pub encoder_delay_frames: u32,
    pub encoder_padding_frames: u32,
}

/// `common.config-update-mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigUpdateMode {
    HotApply,
    Recreate,
    Reject,
}

/// `common.config-update-plan`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigUpdatePlan {
    pub mode: ConfigUpdateMode,
    pub reason: Option<String>,
}

/// `common.audio-spec`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioSpec {
    pub sample_rate: u32,
    pub channels: u16,
}

/// `hot-path.sample-format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleFormat {
    F32le,
    I16le,
    I32le,
}

/// `hot-path.role`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HotPathRole {
    DspTransform,
    OutputSink,
}

/// `hot-path.buffer-layout`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferLayout {
    pub in_offset: u32,
    pub out_offset: Option<u32>,
    pub max_frames: u32,
    pub channels: u16,
    pub sample_format: SampleFormat,
    pub interleaved: bool,
}

/// `hot-path.core-module-spec`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreModuleSpec {
    pub role: HotPathRole,
    pub wasm_rel_path: String,
    pub abi_version: u32,
    pub memory_export: String,
    pub init_export: String,
    pub process_export: String,
    pub reset_export: Option<String>,
    pub drop_export: Option<String>,
    pub buffer: BufferLayout,
}

/// `host-stream.stream-open-kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamOpenKind {
    File,
    Http,
    Tcp,
    Udp,
}

/// `host-stream.http-method`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    Get,
    Post,
    Put,
    Delete,
    Head,
    Patch,
}

/// `host-stream.header`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub name: String,
    pub value: String,
}

/// `host-stream.open-request`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    pub kind: StreamOpenKind,
    pub target: String,
    pub method: Option<HttpMethod>,
    pub headers: Vec<Header>,
    pub body: Option<Vec<u8>>,
    pub connect_timeout_ms: Option<u32>,
    pub read_timeout_ms: Option<u32>,
}

/// `sidecar.launch-scope`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaunchScope {
    Instance,
    PackageShared,
}

/// `sidecar.transport-kind`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    Stdio,
    NamedPipe,
    UnixSocket,
    LoopbackTcp,
    SharedMemoryRing,
}

/// `sidecar.transport-option`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportOption {
    pub kind: TransportKind,
    pub priority: u8,
    pub max_frame_bytes: Option<u32>,
}

/// `sidecar.launch-spec`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchSpec {
    pub scope: LaunchScope,
    pub executable: String,
    pub args: Vec<String>,
    pub preferred_control: Vec<TransportOption>,
    pub preferred_data: Vec<TransportOption>,
    pub env: Vec<(String, String)>,
}

/// `lifecycle.disable-reason`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisableReason {
    HostDisable,
    Unload,
    Shutdown,
    Reload,
}

/// `lyrics.lyric-candidate`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LyricCandidate {
    pub id: String,
    pub title: String,
    pub artist: String,
}

/// `output-sink.negotiated-spec`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedSpec {
    pub spec: AudioSpec,
    pub preferred_chunk_frames: u32,
    pub prefer_track_rate: bool,
}

/// `output-sink.runtime-status`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeStatus {
    pub queued_samples: u32,
    pub running: bool,
}
