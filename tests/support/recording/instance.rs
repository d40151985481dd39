//! Calls in: every export, with its arguments and its answer.

use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OpenedStream, OutputSink, Source},
    engine::Instance,
    error::{CallResult, Trap},
    host::{Host, HostStream},
    table::ObjectId,
    types::{
        AudioSpec, ConfigUpdatePlan, CoreModuleSpec, DecoderInfo, DisableReason, EncodedChunk, LyricCandidate,
        MediaMetadata, NegotiatedSpec, PcmF32Chunk, RuntimeStatus,
    },
};

use super::{super::transcript::Record, host::stream};
use crate::support::show::{Show, answer, bytes, text, trapped};

/// Records the calls of an instance.
pub(crate) fn instance(instance: Box<dyn Instance>, record: Record) -> Box<dyn Instance> {
    Box::new(Recorded { instance, record })
}

struct Recorded {
    instance: Box<dyn Instance>,
    record: Record,
}

impl Recorded {
    fn call<T: Show>(
        &mut self,
        call: impl Into<String>,
        through: impl FnOnce(&mut dyn Instance) -> CallResult<T>,
    ) -> CallResult<T> {
        self.record.call(call);
        let answered = through(&mut *self.instance);
        self.record.call(format!("= {}", answer(&answered)));
        answered
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.record.call("instance dropped");
    }
}

/// Generates a call of each ability, which exists since it was asked for.
macro_rules! ability {
    ($name:ident, $face:ident) => {
        fn $name(instance: &mut dyn Instance) -> &mut dyn $face {
            instance.$name().expect("an ability that was there a moment ago")
        }
    };
}

ability!(decoder, Decoder);
ability!(source, Source);
ability!(lyrics, Lyrics);
ability!(output_sink, OutputSink);
ability!(dsp, Dsp);

impl Instance for Recorded {
    fn host(&mut self) -> &mut Host {
        self.instance.host()
    }

    fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }

    fn enable(&mut self) -> CallResult<()> {
        self.call("enable", |it| it.enable())
    }

    fn disable(&mut self, reason: DisableReason) -> CallResult<()> {
        self.call(format!("disable {reason:?}"), |it| it.disable(reason))
    }

    fn plan_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<ConfigUpdatePlan> {
        let call = format!("plan-config {object:?} {}", text(new_config_json));
        self.call(call, |it| it.plan_config(object, new_config_json))
    }

    fn apply_config(&mut self, object: ObjectId, new_config_json: &str) -> CallResult<()> {
        let call = format!("apply-config {object:?} {}", text(new_config_json));
        self.call(call, |it| it.apply_config(object, new_config_json))
    }

    fn export_state(&mut self, object: ObjectId) -> CallResult<Option<String>> {
        self.call(format!("export-state {object:?}"), |it| it.export_state(object))
    }

    fn import_state(&mut self, object: ObjectId, state_json: &str) -> CallResult<()> {
        let call = format!("import-state {object:?} {}", text(state_json));
        self.call(call, |it| it.import_state(object, state_json))
    }

    fn close(&mut self, object: ObjectId) -> Result<(), Trap> {
        self.record.call(format!("close {object:?}"));
        let answered = self.instance.close(object);
        self.record.call(format!("= {}", answered.as_ref().map_or_else(trapped, Show::show)));
        answered
    }

    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        self.instance.decoder().is_some().then_some(self)
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        self.instance.source().is_some().then_some(self)
    }

    fn lyrics(&mut self) -> Option<&mut dyn Lyrics> {
        self.instance.lyrics().is_some().then_some(self)
    }

    fn output_sink(&mut self) -> Option<&mut dyn OutputSink> {
        self.instance.output_sink().is_some().then_some(self)
    }

    fn dsp(&mut self) -> Option<&mut dyn Dsp> {
        self.instance.dsp().is_some().then_some(self)
    }
}

impl Decoder for Recorded {
    fn open(&mut self, input: Box<dyn HostStream>, ext_hint: Option<&str>) -> CallResult<ObjectId> {
        let input = stream(input, &self.record, "the stream passed in");
        self.call(format!("decoder.open {:?}", ext_hint.map(text)), |it| decoder(it).open(input, ext_hint))
    }

    fn info(&mut self, session: ObjectId) -> CallResult<DecoderInfo> {
        self.call(format!("decoder.info {session:?}"), |it| decoder(it).info(session))
    }

    fn metadata(&mut self, session: ObjectId) -> CallResult<MediaMetadata> {
        self.call(format!("decoder.metadata {session:?}"), |it| decoder(it).metadata(session))
    }

    fn read_pcm_f32(&mut self, session: ObjectId, max_frames: u32) -> CallResult<PcmF32Chunk> {
        let call = format!("decoder.read-pcm-f32 {session:?} {max_frames}");
        self.call(call, |it| decoder(it).read_pcm_f32(session, max_frames))
    }

    fn seek_ms(&mut self, session: ObjectId, position_ms: u64) -> CallResult<()> {
        let call = format!("decoder.seek-ms {session:?} {position_ms}");
        self.call(call, |it| decoder(it).seek_ms(session, position_ms))
    }
}

impl Source for Recorded {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.call("source.create", |it| source(it).create())
    }

    fn list_items_json(&mut self, catalog: ObjectId, request_json: &str) -> CallResult<String> {
        let call = format!("source.list-items-json {catalog:?} {}", text(request_json));
        self.call(call, |it| source(it).list_items_json(catalog, request_json))
    }

    fn open_stream_json(&mut self, catalog: ObjectId, track_json: &str) -> CallResult<OpenedStream> {
        let call = format!("source.open-stream-json {catalog:?} {}", text(track_json));
        self.call(call, |it| source(it).open_stream_json(catalog, track_json))
    }

    fn open_uri(&mut self, catalog: ObjectId, uri: &str) -> CallResult<OpenedStream> {
        let call = format!("source.open-uri {catalog:?} {}", text(uri));
        self.call(call, |it| source(it).open_uri(catalog, uri))
    }

    fn stream_metadata(&mut self, stream: ObjectId) -> CallResult<MediaMetadata> {
        self.call(format!("source.metadata {stream:?}"), |it| source(it).stream_metadata(stream))
    }

    fn stream_read(&mut self, stream: ObjectId, max_bytes: u32) -> CallResult<EncodedChunk> {
        let call = format!("source.read {stream:?} {max_bytes}");
        self.call(call, |it| source(it).stream_read(stream, max_bytes))
    }
}

impl Lyrics for Recorded {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.call("lyrics.create", |it| lyrics(it).create())
    }

    fn search(&mut self, provider: ObjectId, keyword: &str) -> CallResult<Vec<LyricCandidate>> {
        let call = format!("lyrics.search {provider:?} {}", text(keyword));
        self.call(call, |it| lyrics(it).search(provider, keyword))
    }

    fn fetch(&mut self, provider: ObjectId, id: &str) -> CallResult<String> {
        self.call(format!("lyrics.fetch {provider:?} {}", text(id)), |it| lyrics(it).fetch(provider, id))
    }
}

impl OutputSink for Recorded {
    fn create(&mut self) -> CallResult<ObjectId> {
        self.call("sink.create", |it| output_sink(it).create())
    }

    fn list_targets_json(&mut self, session: ObjectId) -> CallResult<String> {
        self.call(format!("sink.list-targets-json {session:?}"), |it| output_sink(it).list_targets_json(session))
    }

    fn negotiate_spec_json(
        &mut self,
        session: ObjectId,
        target_json: &str,
        desired: AudioSpec,
    ) -> CallResult<NegotiatedSpec> {
        let call = format!("sink.negotiate-spec-json {session:?} {} {desired:?}", text(target_json));
        self.call(call, |it| output_sink(it).negotiate_spec_json(session, target_json, desired))
    }

    fn describe_hot_path(&mut self, session: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        let call = format!("sink.describe-hot-path {session:?} {spec:?}");
        self.call(call, |it| output_sink(it).describe_hot_path(session, spec))
    }

    fn open_json(&mut self, session: ObjectId, target_json: &str, spec: AudioSpec) -> CallResult<()> {
        let call = format!("sink.open-json {session:?} {} {spec:?}", text(target_json));
        self.call(call, |it| output_sink(it).open_json(session, target_json, spec))
    }

    fn write_interleaved_f32(&mut self, session: ObjectId, channels: u16, interleaved_f32le: &[u8]) -> CallResult<u32> {
        let call = format!("sink.write-interleaved-f32 {session:?} {channels} {}", bytes(interleaved_f32le));
        self.call(call, |it| output_sink(it).write_interleaved_f32(session, channels, interleaved_f32le))
    }

    fn query_status(&mut self, session: ObjectId) -> CallResult<RuntimeStatus> {
        self.call(format!("sink.query-status {session:?}"), |it| output_sink(it).query_status(session))
    }

    fn flush(&mut self, session: ObjectId) -> CallResult<()> {
        self.call(format!("sink.flush {session:?}"), |it| output_sink(it).flush(session))
    }

    fn reset(&mut self, session: ObjectId) -> CallResult<()> {
        self.call(format!("sink.reset {session:?}"), |it| output_sink(it).reset(session))
    }
}

impl Dsp for Recorded {
    fn create(&mut self, spec: AudioSpec) -> CallResult<ObjectId> {
        self.call(format!("dsp.create {spec:?}"), |it| dsp(it).create(spec))
    }

    fn describe_hot_path(&mut self, processor: ObjectId, spec: AudioSpec) -> CallResult<Option<CoreModuleSpec>> {
        let call = format!("dsp.describe-hot-path {processor:?} {spec:?}");
        self.call(call, |it| dsp(it).describe_hot_path(processor, spec))
    }

    fn process_interleaved_f32(
        &mut self,
        processor: ObjectId,
        channels: u16,
        interleaved_f32le: &[u8],
    ) -> CallResult<Vec<u8>> {
        let call = format!("dsp.process-interleaved-f32 {processor:?} {channels} {}", bytes(interleaved_f32le));
        self.call(call, |it| dsp(it).process_interleaved_f32(processor, channels, interleaved_f32le))
    }

    fn supported_layouts(&mut self, processor: ObjectId) -> CallResult<u32> {
        self.call(format!("dsp.supported-layouts {processor:?}"), |it| dsp(it).supported_layouts(processor))
    }

    fn output_channels(&mut self, processor: ObjectId) -> CallResult<u16> {
        self.call(format!("dsp.output-channels {processor:?}"), |it| dsp(it).output_channels(processor))
    }
}
