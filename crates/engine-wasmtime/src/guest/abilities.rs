//! The exports of the five abilities.

use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OpenedHandle, OpenedStream, OutputSink, Source},
    error::CallResult,
    host::HostStream,
    table::ObjectId,
    types::{
        AudioSpec, CoreModuleSpec, DecoderInfo, EncodedChunk, LyricCandidate, MediaMetadata, NegotiatedSpec,
        PcmF32Chunk, RuntimeStatus,
    },
};
use wasmtime::{Store, component::ResourceAny};

use super::{Answer, Guest, Kind};
use crate::{
    bindings::exports::stellatune::plugin::source,
    convert::{id, list, opened, own},
    program::{Exports, State},
};

impl Guest {
    /// Calls a function that makes an object of `kind`, and keeps the object.
    fn make(
        &mut self,
        kind: Kind,
        call: impl FnOnce(&Exports, &mut Store<State>) -> Answer<ResourceAny>,
    ) -> CallResult<ObjectId> {
        let handle: ResourceAny = self.call(call)?;
        Ok(self.keep(kind, handle)?)
    }

    /// Takes over what a source opened.
    fn take_over(&mut self, stream: source::OpenedStream) -> CallResult<OpenedStream> {
        let handle = match stream.handle {
            source::OpenedStreamHandle::Passthrough(handle) => {
                let taken = self.store.data_mut().host.stream_take(id(&handle));
                OpenedHandle::Passthrough(taken.map_err(|trap| self.end(trap))?)
            }
            source::OpenedStreamHandle::Processed(handle) => {
                OpenedHandle::Processed(self.keep(Kind::SourceStream, handle)?)
            }
        };
        Ok(opened(handle, stream.ext_hint, stream.metadata))
    }
}

impl Decoder for Guest {
    fn open(&mut self, input: Box<dyn HostStream>, ext_hint: Option<&str>) -> CallResult<ObjectId> {
        let input = own(self.store.data_mut().host.stream_insert(input)?);
        self.make(Kind::DecoderSession, |exports, store| exports.decoder()?.call_open(store, input, ext_hint))
    }

    fn info(&mut self, session: ObjectId) -> CallResult<DecoderInfo> {
        self.method(Kind::DecoderSession, session, |exports, store, it| {
            exports.decoder()?.session().call_info(store, it)
        })
    }

    fn metadata(&mut self, session: ObjectId) -> CallResult<MediaMetadata> {
        self.method(Kind::DecoderSession, session, |exports, store, it| {
            exports.decoder()?.session().call_metadata(store, it)
        })
    }

    fn read_pcm_f32(&mut self, session: ObjectId, max_frames: u32) -> CallResult<PcmF32Chunk> {
        self.method(Kind::DecoderSession, session, |exports, store, it| {
            exports.decoder()?.session().call_read_pcm_f32(store, it, max_frames)
        })
    }

    fn seek_ms(&mut self, session: ObjectId, position_ms: u64) -> CallResult<()> {
        self.method(Kind::DecoderSession, session, |exports, store, it| {
            exports.decoder()?.session().call_seek_ms(store, it, position_ms)
        })
    }
}

impl Source for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make(Kind::Catalog, |exports, store| exports.source()?.call_create(store))
    }

    fn list_items_json(&mut self, catalog: ObjectId, request_json: &str) -> CallResult<String> {
        self.method(Kind::Catalog, catalog, |exports, store, it| {
            exports.source()?.catalog().call_list_items_json(store, it, request_json)
        })
    }

    fn open_stream_json(&mut self, catalog: ObjectId, track_json: &str) -> CallResult<OpenedStream> {
        let stream: source::OpenedStream = self.method(Kind::Catalog, catalog, |exports, store, it| {
            exports.source()?.catalog().call_open_stream_json(store, it, track_json)
        })?;
        self.take_over(stream)
    }

    fn open_uri(&mut self, catalog: ObjectId, uri: &str) -> CallResult<OpenedStream> {
        let stream: source::OpenedStream = self.method(Kind::Catalog, catalog, |exports, store, it| {
            exports.source()?.catalog().call_open_uri(store, it, uri)
        })?;
        self.take_over(stream)
    }

    fn stream_metadata(&mut self, stream: ObjectId) -> CallResult<MediaMetadata> {
        self.method(Kind::SourceStream, stream, |exports, store, it| {
            exports.source()?.source_stream().call_metadata(store, it)
        })
    }

    fn stream_read(&mut self, stream: ObjectId, max_bytes: u32) -> CallResult<EncodedChunk> {
        self.method(Kind::SourceStream, stream, |exports, store, it| {
            exports.source()?.source_stream().call_read(store, it, max_bytes)
        })
    }
}

impl Lyrics for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make(Kind::Provider, |exports, store| exports.lyrics()?.call_create(store))
    }

    fn search(&mut self, provider: ObjectId, keyword: &str) -> CallResult<Vec<LyricCandidate>> {
        self.method(Kind::Provider, provider, |exports, store, it| {
            Ok(exports.lyrics()?.provider().call_search(store, it, keyword)?.map(list))
        })
    }

    fn fetch(&mut self, provider: ObjectId, id: &str) -> CallResult<String> {
        self.method(Kind::Provider, provider, |exports, store, it| {
            exports.lyrics()?.provider().call_fetch(store, it, id)
        })
    }
}

impl OutputSink for Guest {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.make(Kind::SinkSession, |exports, store| exports.output_sink()?.call_create(store))
    }

    fn list_targets_json(&mut self, session: ObjectId) -> CallResult<String> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_list_targets_json(store, it)
        })
    }

    fn negotiate_spec_json(
        &mut self,
        session: ObjectId,
        target_json: &str,
        desired: AudioSpec,
    ) -> CallResult<NegotiatedSpec> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_negotiate_spec_json(store, it, target_json, desired.into())
        })
    }

    fn describe_hot_path(&mut self, session: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            let spec = exports.output_sink()?.session().call_describe_hot_path(store, it, spec.into())?;
            Ok(spec.map(|spec| spec.map(CoreModuleSpec::from)))
        })
    }

    fn open_json(&mut self, session: ObjectId, target_json: &str, spec: AudioSpec) -> CallResult<()> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_open_json(store, it, target_json, spec.into())
        })
    }

    fn write_interleaved_f32(&mut self, session: ObjectId, channels: u16, interleaved_f32le: &[u8]) -> CallResult<u32> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_write_interleaved_f32(store, it, channels, interleaved_f32le)
        })
    }

    fn query_status(&mut self, session: ObjectId) -> CallResult<RuntimeStatus> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_query_status(store, it)
        })
    }

    fn flush(&mut self, session: ObjectId) -> CallResult<()> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_flush(store, it)
        })
    }

    fn reset(&mut self, session: ObjectId) -> CallResult<()> {
        self.method(Kind::SinkSession, session, |exports, store, it| {
            exports.output_sink()?.session().call_reset(store, it)
        })
    }
}

impl Dsp for Guest {
    fn create(&mut self, spec: AudioSpec) -> CallResult<ObjectId> {
        self.make(Kind::Processor, |exports, store| exports.dsp()?.call_create(store, spec.into()))
    }

    fn describe_hot_path(&mut self, processor: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        self.method(Kind::Processor, processor, |exports, store, it| {
            let spec = exports.dsp()?.processor().call_describe_hot_path(store, it, spec.into())?;
            Ok(spec.map(|spec| spec.map(CoreModuleSpec::from)))
        })
    }

    fn process_interleaved_f32(
        &mut self,
        processor: ObjectId,
        channels: u16,
        interleaved_f32le: &[u8],
    ) -> CallResult<Vec<u8>> {
        self.method(Kind::Processor, processor, |exports, store, it| {
            exports.dsp()?.processor().call_process_interleaved_f32(store, it, channels, interleaved_f32le)
        })
    }

    fn supported_layouts(&mut self, processor: ObjectId) -> CallResult<u32> {
        self.method(Kind::Processor, processor, |exports, store, it| {
            exports.dsp()?.processor().call_supported_layouts(store, it).map(Ok)
        })
    }

    fn output_channels(&mut self, processor: ObjectId) -> CallResult<u16> {
        self.method(Kind::Processor, processor, |exports, store, it| {
            exports.dsp()?.processor().call_output_channels(store, it).map(Ok)
        })
    }
}
