//! The six kinds of object a guest makes, and every method of each, as data: so that what holds for all of them is tested
//! on all of them.
//!
//! The fixtures do what a `PLACE:WORD` in a text tells them to (`fixtures/rs/shared`); a [`Method`] knows where its text
//! goes.

use stellatune_plugin_core::{
    capability::{Decoder, Dsp, Lyrics, OpenedHandle, OutputSink, Source},
    engine::Instance,
    error::CallResult,
    table::ObjectId,
    types::AudioSpec,
};

use super::{guest::Guest, stream::Script};

pub(crate) const CD: AudioSpec = AudioSpec { sample_rate: 44_100, channels: 2 };

/// What a guest's object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Decoder,
    Source,
    SourceStream,
    Lyrics,
    OutputSink,
    Dsp,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] =
        [Self::Decoder, Self::Source, Self::SourceStream, Self::Lyrics, Self::OutputSink, Self::Dsp];

    /// Those that can be configured and have a state.
    pub(crate) const WITH_TAIL: [Self; 5] = [Self::Decoder, Self::Source, Self::Lyrics, Self::OutputSink, Self::Dsp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder",
            Self::Source => "source",
            Self::SourceStream => "source-stream",
            Self::Lyrics => "lyrics",
            Self::OutputSink => "output-sink",
            Self::Dsp => "dsp",
        }
    }

    /// The fixture that makes such objects.
    pub(crate) fn fixture(self) -> &'static str {
        match self {
            Self::Decoder => "edge-decoder",
            Self::Source | Self::SourceStream => "echo-source",
            Self::Lyrics => "echo-lyrics",
            Self::OutputSink => "echo-sink",
            Self::Dsp => "echo-dsp",
        }
    }

    /// Makes one: `open` or `create`. A sink is opened, a stream's text is what it is made with.
    pub(crate) fn make(self, guest: &mut Guest, text: &str) -> CallResult<ObjectId> {
        match self {
            Self::Decoder => guest.call(|it| decoder(it).open(Script::new(&[0; 64][..]).boxed(), Some("echo"))),
            Self::Source => guest.call(|it| source(it).create()),
            Self::SourceStream => {
                let catalog = guest.call(|it| source(it).create())?;
                let track = format!("{{\"stream\":\"{text}\"}}");
                let opened = guest.call(|it| source(it).open_stream_json(catalog, &track))?;
                let OpenedHandle::Processed(stream) = opened.handle else { panic!("the fixture reads it itself") };
                Ok(stream)
            }
            Self::Lyrics => guest.call(|it| lyrics(it).create()),
            Self::OutputSink => {
                let session = guest.call(|it| sink(it).create())?;
                guest.call(|it| sink(it).open_json(session, "{\"id\":\"echo\"}", CD))?;
                Ok(session)
            }
            Self::Dsp => guest.call(|it| dsp(it).create(CD)),
        }
    }

    /// A state of the `n`th of several, which it exports as it was imported.
    pub(crate) fn state(self, n: usize) -> String {
        match self {
            Self::Decoder => format!("{{\"position\":{},\"config\":null}}", n % 64),
            Self::OutputSink => format!("{{\"written_frames\":{n}}}"),
            Self::Dsp => format!("{{\"gain\":{n}.0}}"),
            Self::Source | Self::SourceStream | Self::Lyrics => format!("{{\"n\":{n}}}"),
        }
    }

    /// Every method but `close`.
    pub(crate) fn methods(self) -> Vec<Method> {
        let mut methods = self.own_methods();
        if self != Self::SourceStream {
            methods.extend(tail());
        }
        methods
    }

    #[rustfmt::skip]
    fn own_methods(self) -> Vec<Method> {
        use Text::{Argument, Configuration, Making};
        match self {
            Self::Decoder => vec![
                Method::new("info", Configuration("info"), |it, id, _| decoder(it).info(id).map(drop)),
                Method::new("metadata", Configuration("metadata"), |it, id, _| decoder(it).metadata(id).map(drop)),
                Method::new("read-pcm-f32", Configuration("read_pcm"), |it, id, _| decoder(it).read_pcm_f32(id, 2).map(drop)),
                Method::new("seek-ms", Configuration("seek"), |it, id, _| decoder(it).seek_ms(id, 0)),
            ],
            Self::Source => vec![
                Method::new("list-items-json", Argument("do"), |it, id, text| source(it).list_items_json(id, &json(text)).map(drop)),
                Method::new("open-stream-json", Argument("do"), |it, id, text| source(it).open_stream_json(id, &json(text)).map(drop)),
                Method::new("open-uri", Argument("do"), |it, id, text| source(it).open_uri(id, &format!("bytes:{text}")).map(drop)),
            ],
            Self::SourceStream => vec![
                Method::new("metadata", Making("metadata"), |it, id, _| source(it).stream_metadata(id).map(drop)),
                Method::new("read", Making("read"), |it, id, _| source(it).stream_read(id, 4).map(drop)),
            ],
            Self::Lyrics => vec![
                Method::new("search", Argument("do"), |it, id, text| lyrics(it).search(id, text).map(drop)),
                Method::new("fetch", Argument("do"), |it, id, text| lyrics(it).fetch(id, &format!("echo:{text}")).map(drop)),
            ],
            Self::OutputSink => vec![
                Method::new("list-targets-json", Configuration("list_targets"), |it, id, _| sink(it).list_targets_json(id).map(drop)),
                Method::new("negotiate-spec-json", Argument("do"), |it, id, text| sink(it).negotiate_spec_json(id, &json(text), CD).map(drop)),
                Method::new("describe-hot-path", Configuration("describe_hot_path"), |it, id, _| sink(it).describe_hot_path(id, CD).map(drop)),
                Method::new("open-json", Argument("do"), |it, id, text| sink(it).open_json(id, &json(text), CD)),
                Method::new("write-interleaved-f32", Configuration("write"), |it, id, _| sink(it).write_interleaved_f32(id, 2, &[0; 16]).map(drop)),
                Method::new("query-status", Configuration("status"), |it, id, _| sink(it).query_status(id).map(drop)),
                Method::new("flush", Configuration("flush"), |it, id, _| sink(it).flush(id)),
                Method::new("reset", Configuration("reset"), |it, id, _| sink(it).reset(id)),
            ],
            Self::Dsp => vec![
                Method::new("describe-hot-path", Configuration("describe_hot_path"), |it, id, _| dsp(it).describe_hot_path(id, CD).map(drop)),
                Method::new("process-interleaved-f32", Configuration("process"), |it, id, _| dsp(it).process_interleaved_f32(id, 2, &[0; 16]).map(drop)),
                Method::new("supported-layouts", Text::Nowhere, |it, id, _| dsp(it).supported_layouts(id).map(drop)),
                Method::new("output-channels", Text::Nowhere, |it, id, _| dsp(it).output_channels(id).map(drop)),
            ],
        }
    }
}

fn tail() -> Vec<Method> {
    vec![
        Method::new("plan-config-update-json", Text::Argument("plan_config"), |it, id, text| {
            it.plan_config(id, &json(text)).map(drop)
        }),
        Method::new("apply-config-update-json", Text::Argument("apply_config"), |it, id, text| {
            it.apply_config(id, &json(text))
        }),
        Method::new("export-state-json", Text::Configuration("export_state"), |it, id, _| {
            it.export_state(id).map(drop)
        }),
        Method::new("import-state-json", Text::Argument("import_state"), |it, id, text| {
            it.import_state(id, &json(text))
        }),
    ]
}

/// A document that every fixture takes for a request, a track, a target, a configuration and a state.
pub(crate) fn json(text: &str) -> String {
    format!("{{\"id\":\"echo\",\"position\":0,\"at\":\"{text}\"}}")
}

/// One method of an object.
pub(crate) struct Method {
    /// As in the contract.
    pub(crate) name: &'static str,
    pub(crate) text: Text,
    /// Calls it, with a text if that is where it goes.
    pub(crate) call: fn(&mut dyn Instance, ObjectId, &str) -> CallResult<()>,
}

/// Where a fixture is told what a method shall do, and under which place.
#[derive(Clone, Copy)]
pub(crate) enum Text {
    /// In the argument of the call.
    Argument(&'static str),
    /// In the configuration applied before.
    Configuration(&'static str),
    /// When the object is made.
    Making(&'static str),
    /// It cannot be told.
    Nowhere,
}

impl Method {
    fn new(name: &'static str, text: Text, call: fn(&mut dyn Instance, ObjectId, &str) -> CallResult<()>) -> Self {
        Self { name, text, call }
    }

    /// Whether every kind that can be configured has it.
    pub(crate) fn is_of_the_tail(&self) -> bool {
        tail().iter().any(|method| method.name == self.name)
    }

    /// Whether it can refuse, trap and hang.
    pub(crate) fn can_be_told(&self) -> bool {
        !matches!(self.text, Text::Nowhere)
    }

    /// Calls it on an object of `kind` made for the purpose, telling it to do what `word` says.
    pub(crate) fn told(&self, guest: &mut Guest, kind: Kind, word: &str) -> CallResult<()> {
        let (making, configuration, argument) = match self.text {
            Text::Argument(place) => (String::new(), None, format!("{place}:{word}")),
            Text::Configuration(place) => (String::new(), Some(format!("{place}:{word}")), String::new()),
            Text::Making(place) => (format!("{place}:{word}"), None, String::new()),
            Text::Nowhere => panic!("{} cannot be told", self.name),
        };
        let id = kind.make(guest, &making).expect("makes an object");
        if let Some(text) = configuration {
            guest.call(|it| it.apply_config(id, &json(&text))).expect("applies");
        }
        guest.call(|it| (self.call)(it, id, &argument))
    }
}

pub(crate) fn decoder(instance: &mut dyn Instance) -> &mut dyn Decoder {
    instance.decoder().expect("a decoder")
}

pub(crate) fn source(instance: &mut dyn Instance) -> &mut dyn Source {
    instance.source().expect("a source")
}

pub(crate) fn lyrics(instance: &mut dyn Instance) -> &mut dyn Lyrics {
    instance.lyrics().expect("lyrics")
}

pub(crate) fn sink(instance: &mut dyn Instance) -> &mut dyn OutputSink {
    instance.output_sink().expect("a sink")
}

pub(crate) fn dsp(instance: &mut dyn Instance) -> &mut dyn Dsp {
    instance.dsp().expect("a dsp")
}
