//! Each ability's generated trait, from the trait an author implements.

use std::time::Duration;

use super::{Answer, Export, Open, whole_frames};
use crate::bindings::decoder::exports::stellatune::plugin::decoder;
use crate::bindings::dsp::exports::stellatune::plugin::dsp;
use crate::bindings::host::stellatune::plugin::host_stream::HostStreamHandle;
use crate::bindings::lyrics::exports::stellatune::plugin::lyrics;
use crate::bindings::output_sink::exports::stellatune::plugin::output_sink;
use crate::bindings::source::exports::stellatune::plugin::source;
use crate::error::Error;
use crate::samples;
use crate::source::{OpenedHandle, OpenedStream, SourceStream};
use crate::tail;
use crate::{
    AudioSpec, ConfigUpdatePlan, CoreModuleSpec, Decoder, DecoderInfo, Dsp, EncodedChunk, HostStream, JsonText,
    LyricCandidate, Lyrics, MediaMetadata, NegotiatedSpec, OutputSink, PcmChunk, Result, RuntimeStatus, Source,
};

impl<D: Decoder> decoder::Guest for Export<D> {
    type Session = Open<D>;

    fn open(input: HostStreamHandle, ext_hint: Option<String>) -> Answer<decoder::Session> {
        let decoder = D::open(HostStream::from_handle(input), ext_hint.as_deref())?;
        Ok(decoder::Session::new(Open::new(decoder)))
    }
}

impl<D: Decoder> decoder::GuestSession for Open<D> {
    fn info(&self) -> Answer<DecoderInfo> {
        self.with(D::info)
    }

    fn metadata(&self) -> Answer<MediaMetadata> {
        self.with(D::metadata)
    }

    fn read_pcm_f32(&self, max_frames: u32) -> Answer<PcmChunk> {
        self.with(|decoder| match max_frames {
            0 => Ok(PcmChunk { eof: false, ..PcmChunk::end() }),
            _ => decoder.read_pcm(max_frames),
        })
    }

    fn seek_ms(&self, position_ms: u64) -> Answer<()> {
        self.with(|decoder| decoder.seek(Duration::from_millis(position_ms)))
    }

    tail::exports!(|decoder: &mut D| decoder);
}

impl<S: Source> source::Guest for Export<S> {
    type SourceStream = Open<Box<dyn SourceStream>>;
    type Catalog = Open<S>;

    fn create() -> Answer<source::Catalog> {
        Ok(source::Catalog::new(Open::new(S::create()?)))
    }
}

impl<S: Source> source::GuestCatalog for Open<S> {
    fn list_items_json(&self, request_json: String) -> Answer<String> {
        self.with(|source| source.list_items(JsonText::new(&request_json)))
    }

    fn open_stream_json(&self, track_json: String) -> Answer<source::OpenedStream> {
        self.with(|source| source.open_stream(JsonText::new(&track_json)).map(opened))
    }

    fn open_uri(&self, uri: String) -> Answer<source::OpenedStream> {
        self.with(|source| source.open_uri(&uri).map(opened))
    }

    tail::exports!(|source: &mut S| source);
}

fn opened(stream: OpenedStream) -> source::OpenedStream {
    let processed = |stream| source::OpenedStreamHandle::Processed(source::SourceStream::new(Open::new(stream)));
    let handle = match stream.handle {
        OpenedHandle::Processed(stream) => processed(stream),
        OpenedHandle::Passthrough(stream) => match stream.into_handle() {
            Ok(handle) => source::OpenedStreamHandle::Passthrough(handle),
            // Bytes in the plugin's own memory, which only the plugin can serve.
            Err(stream) => processed(Box::new(stream)),
        },
    };
    source::OpenedStream { handle, ext_hint: stream.ext_hint, metadata: stream.metadata }
}

impl source::GuestSourceStream for Open<Box<dyn SourceStream>> {
    fn metadata(&self) -> Answer<MediaMetadata> {
        self.with(|stream| stream.metadata())
    }

    fn read(&self, max_bytes: u32) -> Answer<EncodedChunk> {
        self.with(|stream| stream.read(max_bytes.max(1)))
    }

    fn close(&self) {
        self.shut();
    }
}

impl<L: Lyrics> lyrics::Guest for Export<L> {
    type Provider = Open<L>;

    fn create() -> Answer<lyrics::Provider> {
        Ok(lyrics::Provider::new(Open::new(L::create()?)))
    }
}

impl<L: Lyrics> lyrics::GuestProvider for Open<L> {
    fn search(&self, keyword: String) -> Answer<Vec<LyricCandidate>> {
        self.with(|provider| provider.search(&keyword))
    }

    fn fetch(&self, id: String) -> Answer<String> {
        self.with(|provider| provider.fetch(&id))
    }

    tail::exports!(|provider: &mut L| provider);
}

/// A sink, and the shape it is open for.
#[derive(Debug)]
pub struct Sink<O> {
    sink: O,
    spec: Option<AudioSpec>,
}

impl<O: OutputSink> output_sink::Guest for Export<O> {
    type Session = Open<Sink<O>>;

    fn create() -> Answer<output_sink::Session> {
        Ok(output_sink::Session::new(Open::new(Sink { sink: O::create()?, spec: None })))
    }
}

impl<O: OutputSink> output_sink::GuestSession for Open<Sink<O>> {
    fn list_targets_json(&self) -> Answer<String> {
        self.with(|open| open.sink.list_targets())
    }

    fn negotiate_spec_json(&self, target_json: String, desired: AudioSpec) -> Answer<NegotiatedSpec> {
        self.with(|open| open.sink.negotiate(JsonText::new(&target_json), desired))
    }

    fn describe_hot_path(&self, spec: AudioSpec) -> Answer<Option<CoreModuleSpec>> {
        self.with(|open| open.sink.describe_hot_path(spec))
    }

    fn open_json(&self, target_json: String, spec: AudioSpec) -> Answer<()> {
        self.with(|open| {
            open.spec = None;
            open.sink.open(JsonText::new(&target_json), spec)?;
            open.spec = Some(spec);
            Ok(())
        })
    }

    fn write_interleaved_f32(&self, channels: u16, interleaved_f32le: Vec<u8>) -> Answer<u32> {
        self.with(|open| {
            let spec = open.spec.ok_or_else(|| Error::invalid_arg("the sink is not open"))?;
            whole_frames(interleaved_f32le.len(), channels, spec.channels)?;
            samples::with(&interleaved_f32le, |samples| open.sink.write(samples))
        })
    }

    fn query_status(&self) -> Answer<RuntimeStatus> {
        self.with(|open| open.sink.status())
    }

    fn flush(&self) -> Answer<()> {
        self.with(|open| open.sink.flush())
    }

    fn reset(&self) -> Answer<()> {
        self.with(|open| open.sink.reset())
    }

    tail::exports!(|open: &mut Sink<O>| open.sink);
}

/// An effect, and the channels it was made for.
#[derive(Debug)]
pub struct Effect<E> {
    effect: E,
    channels: u16,
}

impl<E: Dsp> dsp::Guest for Export<E> {
    type Processor = Open<Effect<E>>;

    fn create(spec: AudioSpec) -> Answer<dsp::Processor> {
        if spec.sample_rate == 0 || spec.channels == 0 {
            return Err(Error::invalid_arg("neither the sample rate nor the channels may be 0").into());
        }
        Ok(dsp::Processor::new(Open::new(Effect { effect: E::create(spec)?, channels: spec.channels })))
    }
}

impl<E: Dsp> dsp::GuestProcessor for Open<Effect<E>> {
    fn describe_hot_path(&self, spec: AudioSpec) -> Answer<Option<CoreModuleSpec>> {
        self.with(|open| open.effect.describe_hot_path(spec))
    }

    fn process_interleaved_f32(&self, channels: u16, interleaved_f32le: Vec<u8>) -> Answer<Vec<u8>> {
        let mut bytes = interleaved_f32le;
        self.with(|open| {
            whole_frames(bytes.len(), channels, open.channels)?;
            samples::change(&mut bytes, |samples| open.effect.process(samples))
        })?;
        Ok(bytes)
    }

    fn supported_layouts(&self) -> u32 {
        self.with(|open| Ok(open.effect.supported_layouts())).unwrap_or_default()
    }

    fn output_channels(&self) -> u16 {
        self.with(|open| Ok(open.effect.output_channels(open.channels))).unwrap_or_default()
    }

    tail::exports!(|open: &mut Effect<E>| open.effect);
}

/// Bytes in memory that a source passed on.
impl SourceStream for HostStream {
    fn read(&mut self, max_bytes: u32) -> Result<EncodedChunk> {
        let bytes = self.read_chunk(max_bytes)?;
        Ok(EncodedChunk { eof: bytes.is_empty(), bytes })
    }
}
