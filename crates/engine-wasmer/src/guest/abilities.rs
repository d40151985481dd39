//! The exports of the five abilities.

use stellatune_plugin_core::{
    capability::{self, Decoder, Dsp, Lyrics, OpenedHandle, OutputSink, Source},
    error::CallResult,
    host::HostStream,
    table::ObjectId,
    types::{
        AudioSpec, CoreModuleSpec, DecoderInfo, EncodedChunk, LyricCandidate, MediaMetadata, NegotiatedSpec,
        PcmF32Chunk, RuntimeStatus,
    },
};

use super::{Answer, Entry, Guest};
use crate::{
    canon::{
        Borrow, OpenedStream, OpenedStreamHandle, Own, Resource,
        kind::{Catalog, DecoderSession, Processor, Provider, SinkSession, SourceStream},
    },
    exports::Exports,
};

impl Guest {
    /// Calls a function that makes an object, and keeps the object.
    fn make<K: Resource>(
        &mut self,
        call: impl FnOnce(&Exports, &mut Entry<'_>) -> Answer<Own<K>>,
    ) -> CallResult<ObjectId> {
        let object = self.call(call)?;
        Ok(self.keep(&object)?)
    }

    /// Takes over what a source opened.
    fn take_over(&mut self, stream: OpenedStream) -> CallResult<capability::OpenedStream> {
        let handle = match stream.handle {
            OpenedStreamHandle::Passthrough(handle) => {
                let taken = self.env.as_mut(&mut self.store).host.stream_take(handle.id());
                OpenedHandle::Passthrough(taken.map_err(|trap| self.end(trap))?)
            }
            OpenedStreamHandle::Processed(object) => OpenedHandle::Processed(self.keep(&object)?),
        };
        Ok(capability::OpenedStream { handle, ext_hint: stream.ext_hint, metadata: stream.metadata })
    }
}

impl Decoder for Guest {
    fn open(&mut self, input: Box<dyn HostStream>, ext_hint: Option<&str>) -> CallResult<ObjectId> {
        let input = Own::of(self.env.as_mut(&mut self.store).host.stream_insert(input)?);
        self.make::<DecoderSession>(|exports, entry| entry.call(&exports.decoder()?.open, (input, ext_hint)))
    }

    fn info(&mut self, session: ObjectId) -> CallResult<DecoderInfo> {
        self.method(session, |exports, entry, it: Borrow<DecoderSession>| entry.call(&exports.decoder()?.info, (it,)))
    }

    fn metadata(&mut self, session: ObjectId) -> CallResult<MediaMetadata> {
        self.method(session, |exports, entry, it: Borrow<DecoderSession>| {
            entry.call(&exports.decoder()?.metadata, (it,))
        })
    }

    fn read_pcm_f32(&mut self, session: ObjectId, max_frames: u32) -> CallResult<PcmF32Chunk> {
        self.method(session, |exports, entry, it: Borrow<DecoderSession>| {
            entry.call(&exports.decoder()?.read_pcm_f32, (it, max_frames))
        })
    }

    fn seek_ms(&mut self, session: ObjectId, position_ms: u64) -> CallResult<()> {
        self.method(session, |exports, entry, it: Borrow<DecoderSession>| {
            entry.call(&exports.decoder()?.seek_ms, (it, position_ms))
        })
    }
}

impl Source for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make::<Catalog>(|exports, entry| entry.call(&exports.source()?.create, ()))
    }

    fn list_items_json(&mut self, catalog: ObjectId, request_json: &str) -> CallResult<String> {
        self.method(catalog, |exports, entry, it: Borrow<Catalog>| {
            entry.call(&exports.source()?.list_items_json, (it, request_json))
        })
    }

    fn open_stream_json(&mut self, catalog: ObjectId, track_json: &str) -> CallResult<capability::OpenedStream> {
        let stream = self.method(catalog, |exports, entry, it: Borrow<Catalog>| {
            entry.call(&exports.source()?.open_stream_json, (it, track_json))
        })?;
        self.take_over(stream)
    }

    fn open_uri(&mut self, catalog: ObjectId, uri: &str) -> CallResult<capability::OpenedStream> {
        let stream = self.method(catalog, |exports, entry, it: Borrow<Catalog>| {
            entry.call(&exports.source()?.open_uri, (it, uri))
        })?;
        self.take_over(stream)
    }

    fn stream_metadata(&mut self, stream: ObjectId) -> CallResult<MediaMetadata> {
        self.method(stream, |exports, entry, it: Borrow<SourceStream>| {
            entry.call(&exports.source()?.stream_metadata, (it,))
        })
    }

    fn stream_read(&mut self, stream: ObjectId, max_bytes: u32) -> CallResult<EncodedChunk> {
        self.method(stream, |exports, entry, it: Borrow<SourceStream>| {
            entry.call(&exports.source()?.stream_read, (it, max_bytes))
        })
    }
}

impl Lyrics for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make::<Provider>(|exports, entry| entry.call(&exports.lyrics()?.create, ()))
    }

    fn search(&mut self, provider: ObjectId, keyword: &str) -> CallResult<Vec<LyricCandidate>> {
        self.method(provider, |exports, entry, it: Borrow<Provider>| {
            entry.call(&exports.lyrics()?.search, (it, keyword))
        })
    }

    fn fetch(&mut self, provider: ObjectId, id: &str) -> CallResult<String> {
        self.method(provider, |exports, entry, it: Borrow<Provider>| entry.call(&exports.lyrics()?.fetch, (it, id)))
    }
}

impl OutputSink for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make::<SinkSession>(|exports, entry| entry.call(&exports.output_sink()?.create, ()))
    }

    fn list_targets_json(&mut self, session: ObjectId) -> CallResult<String> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.list_targets_json, (it,))
        })
    }

    fn negotiate_spec_json(
        &mut self,
        session: ObjectId,
        target_json: &str,
        desired: AudioSpec,
    ) -> CallResult<NegotiatedSpec> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.negotiate_spec_json, (it, target_json, desired))
        })
    }

    fn describe_hot_path(&mut self, session: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.describe_hot_path, (it, spec))
        })
    }

    fn open_json(&mut self, session: ObjectId, target_json: &str, spec: AudioSpec) -> CallResult<()> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.open_json, (it, target_json, spec))
        })
    }

    fn write_interleaved_f32(&mut self, session: ObjectId, channels: u16, interleaved_f32le: &[u8]) -> CallResult<u32> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.write_interleaved_f32, (it, channels, interleaved_f32le))
        })
    }

    fn query_status(&mut self, session: ObjectId) -> CallResult<RuntimeStatus> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| {
            entry.call(&exports.output_sink()?.query_status, (it,))
        })
    }

    fn flush(&mut self, session: ObjectId) -> CallResult<()> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| entry.call(&exports.output_sink()?.flush, (it,)))
    }

    fn reset(&mut self, session: ObjectId) -> CallResult<()> {
        self.method(session, |exports, entry, it: Borrow<SinkSession>| entry.call(&exports.output_sink()?.reset, (it,)))
    }
}

impl Dsp for Guest {
    fn create(&mut self, spec: AudioSpec) -> CallResult<ObjectId> {
        self.make::<Processor>(|exports, entry| entry.call(&exports.dsp()?.create, (spec,)))
    }

    fn describe_hot_path(&mut self, processor: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        self.method(processor, |exports, entry, it: Borrow<Processor>| {
            entry.call(&exports.dsp()?.describe_hot_path, (it, spec))
        })
    }

    fn process_interleaved_f32(
        &mut self,
        processor: ObjectId,
        channels: u16,
        interleaved_f32le: &[u8],
    ) -> CallResult<Vec<u8>> {
        self.method(processor, |exports, entry, it: Borrow<Processor>| {
            entry.call(&exports.dsp()?.process_interleaved_f32, (it, channels, interleaved_f32le))
        })
    }

    fn supported_layouts(&mut self, processor: ObjectId) -> CallResult<u32> {
        self.method(processor, |exports, entry, it: Borrow<Processor>| {
            entry.call(&exports.dsp()?.supported_layouts, (it,)).map(Ok)
        })
    }

    fn output_channels(&mut self, processor: ObjectId) -> CallResult<u16> {
        self.method(processor, |exports, entry, it: Borrow<Processor>| {
            entry.call(&exports.dsp()?.output_channels, (it,)).map(Ok)
        })
    }
}
