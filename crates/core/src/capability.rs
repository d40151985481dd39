//! What a guest can do, as small object-safe traits that engines implement: the exports of the contract, typed.
//!
//! Every method is one call of one export. Guest objects (sessions, catalogs, providers, processors, source
//! streams) are named by an [`ObjectId`] that the engine hands out and that is good until
//! `engine::Instance::close` or until the guest traps.
//!
//! *Requires*, for all: the caller has entered the instance's [`CallControl`](crate::control::CallControl), and no
//! earlier call trapped. *Behaviour*, for all: a refusal (`CallError::Plugin`) leaves the guest usable; a trap does
//! not, and the instance must be dropped. An id that names nothing, or an object of another kind, is `not-found`.
#![allow(clippy::missing_errors_doc, reason = "said once, for all of them, above")]

use crate::{
    error::CallResult,
    host::HostStream,
    table::ObjectId,
    types::{
        AudioSpec, CoreModuleSpec, DecoderInfo, EncodedChunk, LyricCandidate, MediaMetadata, NegotiatedSpec,
        PcmF32Chunk, RuntimeStatus,
    },
};

/// The exports of `decoder`.
pub trait Decoder {
    /// `open`. *Behaviour*: the stream is the guest's from here on, also when it refuses.
    fn open(&mut self, input: Box<dyn HostStream>, ext_hint: Option<&str>) -> CallResult<ObjectId>;
    /// `session.info`
    fn info(&mut self, session: ObjectId) -> CallResult<DecoderInfo>;
    /// `session.metadata`
    fn metadata(&mut self, session: ObjectId) -> CallResult<MediaMetadata>;
    /// `session.read-pcm-f32`. *Behaviour*: what the guest returned, unchecked.
    fn read_pcm_f32(&mut self, session: ObjectId, max_frames: u32) -> CallResult<PcmF32Chunk>;
    /// `session.seek-ms`
    fn seek_ms(&mut self, session: ObjectId, position_ms: u64) -> CallResult<()>;
}

/// What a source opened (`source.opened-stream`).
pub struct OpenedStream {
    /// Where its bytes come from.
    pub handle: OpenedHandle,
    /// The extension a decoder should be chosen by.
    pub ext_hint: Option<String>,
    /// What the source knows of the track.
    pub metadata: Option<MediaMetadata>,
}

/// `source.opened-stream-handle`
pub enum OpenedHandle {
    /// A stream of the host, which outlives the source. `None` when the guest had closed it.
    Passthrough(Option<Box<dyn HostStream>>),
    /// A stream the source itself reads; it lives in the source's instance.
    Processed(ObjectId),
}

/// The exports of `source`.
pub trait Source {
    /// `create`
    fn create(&mut self) -> CallResult<ObjectId>;
    /// `catalog.list-items-json`
    fn list_items_json(&mut self, catalog: ObjectId, request_json: &str) -> CallResult<String>;
    /// `catalog.open-stream-json`
    fn open_stream_json(&mut self, catalog: ObjectId, track_json: &str) -> CallResult<OpenedStream>;
    /// `catalog.open-uri`
    fn open_uri(&mut self, catalog: ObjectId, uri: &str) -> CallResult<OpenedStream>;
    /// `source-stream.metadata`
    fn stream_metadata(&mut self, stream: ObjectId) -> CallResult<MediaMetadata>;
    /// `source-stream.read`
    fn stream_read(&mut self, stream: ObjectId, max_bytes: u32) -> CallResult<EncodedChunk>;
}

/// The exports of `lyrics`.
pub trait Lyrics {
    /// `create`
    fn create(&mut self) -> CallResult<ObjectId>;
    /// `provider.search`
    fn search(&mut self, provider: ObjectId, keyword: &str) -> CallResult<Vec<LyricCandidate>>;
    /// `provider.fetch`
    fn fetch(&mut self, provider: ObjectId, id: &str) -> CallResult<String>;
}

/// The exports of `output-sink`.
pub trait OutputSink {
    /// `create`
    fn create(&mut self) -> CallResult<ObjectId>;
    /// `session.list-targets-json`
    fn list_targets_json(&mut self, session: ObjectId) -> CallResult<String>;
    /// `session.negotiate-spec-json`
    fn negotiate_spec_json(
        &mut self,
        session: ObjectId,
        target_json: &str,
        desired: AudioSpec,
    ) -> CallResult<NegotiatedSpec>;
    /// `session.describe-hot-path`
    fn describe_hot_path(&mut self, session: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>>;
    /// `session.open-json`
    fn open_json(&mut self, session: ObjectId, target_json: &str, spec: AudioSpec) -> CallResult<()>;
    /// `session.write-interleaved-f32`: 4 little-endian bytes a sample in; frames accepted out.
    fn write_interleaved_f32(&mut self, session: ObjectId, channels: u16, interleaved_f32le: &[u8]) -> CallResult<u32>;
    /// `session.query-status`
    fn query_status(&mut self, session: ObjectId) -> CallResult<RuntimeStatus>;
    /// `session.flush`
    fn flush(&mut self, session: ObjectId) -> CallResult<()>;
    /// `session.reset`
    fn reset(&mut self, session: ObjectId) -> CallResult<()>;
}

/// The exports of `dsp`.
pub trait Dsp {
    /// `create`
    fn create(&mut self, spec: AudioSpec) -> CallResult<ObjectId>;
    /// `processor.describe-hot-path`
    fn describe_hot_path(&mut self, processor: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>>;
    /// `processor.process-interleaved-f32`: 4 little-endian bytes a sample, in and out.
    fn process_interleaved_f32(
        &mut self,
        processor: ObjectId,
        channels: u16,
        interleaved_f32le: &[u8],
    ) -> CallResult<Vec<u8>>;
    /// `processor.supported-layouts`
    fn supported_layouts(&mut self, processor: ObjectId) -> CallResult<u32>;
    /// `processor.output-channels`
    fn output_channels(&mut self, processor: ObjectId) -> CallResult<u16>;
}
