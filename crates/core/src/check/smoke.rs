//! What is asked of a guest of each world: enough to meet every export, with answers compared with the contract.

use crate::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    engine::Instance,
    error::{CallError, CallResult, PluginError, Trap, TrapKind},
    limits::{CHANNELS, CallClass, SAMPLE_RATES},
    manifest::{AbilityKind, Component},
    services::stream::Input,
    table::ObjectId,
    types::{AudioSpec, DecoderInfo, HotPathRole},
};

use super::{module, rig::Rig};

/// One thing asked of a guest: what was found, or how the guest answered.
pub(super) type Case = fn(&mut Rig, &Component) -> CallResult<String>;

/// What is asked of a component of that world.
pub(super) fn cases(component: &Component) -> Vec<(&'static str, Case)> {
    let mut cases: Vec<(&'static str, Case)> = match component.world.kind() {
        AbilityKind::Decoder => vec![("empty stream", empty_stream), ("garbage", garbage)],
        AbilityKind::Source => vec![("list", list)],
        AbilityKind::Lyrics => vec![("search", search)],
        AbilityKind::OutputSink => vec![("targets", targets), ("status", status), ("hot path", hot_path)],
        AbilityKind::Dsp => vec![("silence", silence), ("no frames", no_frames), ("hot path", hot_path)],
    };
    cases
        .extend(SAMPLES.iter().filter(|sample| knows(component, sample.ext)).map(|sample| (sample.check, sample.case)));
    if default_configs(component).next().is_some() {
        cases.push(("configuration", configuration));
    }
    cases.push(("state", state));
    cases
}

/// A file so small that it can be part of the program, of a format that a decoder may say it knows.
struct Sample {
    ext: &'static str,
    check: &'static str,
    case: Case,
}

const SAMPLES: [Sample; 2] = [
    Sample { ext: "wav", check: "sample of wav", case: |rig, _| sample(rig, &wav(), "wav", WAV_FRAMES) },
    Sample { ext: "flac", check: "sample of flac", case: |rig, _| sample(rig, FLAC, "flac", FLAC_FRAMES) },
];

const WAV_FRAMES: u64 = 441;
const FLAC: &[u8] = include_bytes!("../../../../fixtures/audio/flac-1-frame.flac");
const FLAC_FRAMES: u64 = 1;

/// Silence: 44.1 kHz, stereo, 16 bits (RIFF, with the 16 bytes of a `fmt ` chunk of PCM).
fn wav() -> Vec<u8> {
    const BYTES: u32 = WAV_FRAMES as u32 * 4;
    let mut wav = [&b"RIFF"[..], &(36 + BYTES).to_le_bytes(), b"WAVEfmt \x10\0\0\0\x01\0\x02\0"].concat();
    wav.extend([44_100_u32.to_le_bytes(), (44_100_u32 * 4).to_le_bytes()].concat());
    wav.extend([b"\x04\0\x10\0data", &BYTES.to_le_bytes()[..]].concat());
    wav.resize(wav.len() + BYTES as usize, 0);
    wav
}

fn knows(component: &Component, ext: &str) -> bool {
    let scores = component.abilities.iter().filter_map(|ability| ability.decoder.as_ref());
    scores.flat_map(|decoder| &decoder.ext_scores).any(|listed| listed.ext == ext && listed.score > 0)
}

fn empty_stream(rig: &mut Rig, component: &Component) -> CallResult<String> {
    decode(rig, &[], hint(component)).map(|heard| heard.to_string())
}

fn garbage(rig: &mut Rig, component: &Component) -> CallResult<String> {
    // A linear congruential generator: the same bytes every time, and no format's first ones.
    let mut state = 0x5EED_u32;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(16 * 1024)
    .collect();
    decode(rig, &bytes, hint(component)).map(|heard| heard.to_string())
}

/// A stream that is sound has all of its frames.
fn sample(rig: &mut Rig, bytes: &[u8], ext: &'static str, frames: u64) -> CallResult<String> {
    let heard = decode(rig, bytes, Some(ext))?;
    if heard.frames != frames {
        return Err(lie(&format!("{} frames of a stream of {frames}", heard.frames)));
    }
    Ok(heard.to_string())
}

/// The extension the component knows best.
fn hint(component: &Component) -> Option<&str> {
    let scores = component.abilities.iter().filter_map(|ability| ability.decoder.as_ref());
    let listed = scores.flat_map(|decoder| &decoder.ext_scores).max_by_key(|listed| listed.score);
    listed.map(|listed| listed.ext.as_str())
}

/// What a decoder made of a stream.
struct Heard {
    info: DecoderInfo,
    frames: u64,
}

impl std::fmt::Display for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} Hz, {} channels, {} frames", self.info.sample_rate, self.info.channels, self.frames)
    }
}

/// Opens a stream and does with it all that a player does.
fn decode(rig: &mut Rig, bytes: &[u8], hint: Option<&str>) -> CallResult<Heard> {
    let (session, info) = open(rig, bytes, hint)?;
    let read = match read(rig, session, info.channels) {
        Err(CallError::Trap(trap)) => return Err(trap.into()),
        read => read,
    };
    // Metadata and seeks may be refused.
    may_refuse(rig.call(CallClass::Metadata, |instance| decoder(instance)?.metadata(session).map(drop)))?;
    may_refuse(rig.call(CallClass::Stream, |instance| decoder(instance)?.seek_ms(session, 0)))?;
    close(rig, session)?;
    Ok(Heard { info, frames: read? })
}

fn open(rig: &mut Rig, bytes: &[u8], hint: Option<&str>) -> CallResult<(ObjectId, DecoderInfo)> {
    let input = Input::bytes(bytes).open().map_err(|error| Trap::new(TrapKind::Host, error.to_string()))?;
    let session = rig.call(CallClass::Stream, |instance| decoder(instance)?.open(input, hint))?;
    let info = match rig.call(CallClass::Stream, |instance| decoder(instance)?.info(session)) {
        Err(CallError::Plugin(refusal)) => {
            close(rig, session)?;
            return Err(refusal.into());
        }
        info => info?,
    };
    if !SAMPLE_RATES.contains(&info.sample_rate) || !CHANNELS.contains(&info.channels) {
        return Err(lie(&format!("a stream of {} Hz and {} channels", info.sample_rate, info.channels)));
    }
    Ok((session, info))
}

/// Reads a minute at most: what is endless need not be listened to.
fn read(rig: &mut Rig, session: ObjectId, channels: u16) -> CallResult<u64> {
    const FRAMES: u32 = 4_096;
    const READS: u32 = 720;
    let mut frames = 0;
    for _ in 0..READS {
        let chunk = rig.call(CallClass::Stream, |instance| decoder(instance)?.read_pcm_f32(session, FRAMES))?;
        let (bytes, frame) = (chunk.interleaved_f32le.len(), 4 * usize::from(channels));
        if !bytes.is_multiple_of(frame) {
            return Err(lie(&format!("{bytes} bytes of PCM, which are no whole frames of {channels} channels")));
        }
        frames += (bytes / frame) as u64;
        if bytes == 0 && !chunk.eof {
            return Err(lie("no audio before the end of the stream"));
        }
        if bytes == 0 || chunk.eof {
            break;
        }
    }
    Ok(frames)
}

fn list(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let catalog = create(rig, component)?;
    let answer = rig.call(CallClass::Stream, |instance| source(instance)?.list_items_json(catalog, "{}"));
    finish(rig, catalog, answer.and_then(|json| Ok(format!("{} items", json_list(&json)?.len()))))
}

fn search(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let provider = create(rig, component)?;
    let found = rig.call(CallClass::Stream, |instance| lyrics(instance)?.search(provider, "test"));
    if let Ok(Some(first)) = found.as_ref().map(|found| found.first()) {
        may_refuse(rig.call(CallClass::Stream, |instance| lyrics(instance)?.fetch(provider, &first.id).map(drop)))?;
    }
    finish(rig, provider, found.map(|found| format!("{} candidates", found.len())))
}

fn targets(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let session = create(rig, component)?;
    let answer = rig.call(CallClass::SinkControl, |instance| sink(instance)?.list_targets_json(session));
    let negotiated = answer.and_then(|json| {
        let targets = json_list(&json)?;
        if let Some(target) = targets.first().map(ToString::to_string) {
            let negotiate = |instance: &mut dyn Instance| sink(instance)?.negotiate_spec_json(session, &target, SPEC);
            if let Some(negotiated) = may_refuse(rig.call(CallClass::SinkControl, negotiate))? {
                let AudioSpec { sample_rate, channels } = negotiated.spec;
                if !SAMPLE_RATES.contains(&sample_rate) || !CHANNELS.contains(&channels) {
                    return Err(lie(&format!("a negotiated {sample_rate} Hz and {channels} channels")));
                }
            }
        }
        Ok(format!("{} targets", targets.len()))
    });
    finish(rig, session, negotiated)
}

/// Of a session that is not open: whatever it answers, it lives on.
fn status(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let session = create(rig, component)?;
    let status = rig.call(CallClass::SinkControl, |instance| sink(instance)?.query_status(session));
    may_refuse(rig.call(CallClass::SinkControl, |instance| sink(instance)?.reset(session)))?;
    finish(rig, session, status.map(|status| format!("{} samples queued", status.queued_samples)))
}

fn silence(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let processor = create(rig, component)?;
    let processed = process(rig, processor, 512);
    rig.call(CallClass::Stream, |instance| dsp(instance)?.supported_layouts(processor))?;
    rig.call(CallClass::Stream, |instance| dsp(instance)?.output_channels(processor))?;
    finish(rig, processor, processed)
}

fn no_frames(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let processor = create(rig, component)?;
    let processed = process(rig, processor, 0);
    finish(rig, processor, processed)
}

/// As many samples come out as go in (plugin contract 6).
fn process(rig: &mut Rig, processor: ObjectId, frames: usize) -> CallResult<String> {
    let input = vec![0; frames * 4 * usize::from(SPEC.channels)];
    let block = |instance: &mut dyn Instance| dsp(instance)?.process_interleaved_f32(processor, SPEC.channels, &input);
    let output = rig.call(CallClass::Block, block)?;
    if output.len() != input.len() {
        return Err(lie(&format!("{} bytes for a block of {}", output.len(), input.len())));
    }
    Ok(format!("{frames} frames in, {frames} frames out"))
}

/// A module that is described is there, and works.
fn hot_path(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let object = create(rig, component)?;
    let role = match component.world.kind() {
        AbilityKind::OutputSink => HotPathRole::OutputSink,
        _ => HotPathRole::DspTransform,
    };
    let described = rig.call(CallClass::Stream, |instance| match role {
        HotPathRole::OutputSink => sink(instance)?.describe_hot_path(object, SPEC),
        HotPathRole::DspTransform => dsp(instance)?.describe_hot_path(object, SPEC),
    });
    let played = described.and_then(|described| {
        let Some(described) = described else { return Ok("none".to_owned()) };
        let state = rig.call(CallClass::Stream, |instance| instance.export_state(object))?;
        module::play(rig, role, described, state.as_deref())
    });
    finish(rig, object, played)
}

/// A plugin takes the configuration that its own manifest begins with.
fn configuration(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let object = create(rig, component)?;
    let applied = default_configs(component).try_for_each(|config| {
        may_refuse(rig.call(CallClass::Stream, |instance| instance.plan_config(object, config)))?;
        own(rig.call(CallClass::Stream, |instance| instance.apply_config(object, config)), "its default configuration")
    });
    finish(rig, object, applied.map(|()| "takes its defaults".to_owned()))
}

/// What one object exports, another of the same kind imports.
fn state(rig: &mut Rig, component: &Component) -> CallResult<String> {
    let object = create(rig, component)?;
    let exported = rig.call(CallClass::Stream, |instance| instance.export_state(object));
    let moved = exported.and_then(|exported| {
        let Some(state) = exported else { return Ok("none".to_owned()) };
        if serde_json::from_str::<serde::de::IgnoredAny>(&state).is_err() {
            return Err(lie("a state that is not JSON"));
        }
        let other = create(rig, component)?;
        own(rig.call(CallClass::Stream, |instance| instance.import_state(other, &state)), "its own state")?;
        close(rig, other)?;
        Ok(format!("{} bytes, taken back", state.len()))
    });
    finish(rig, object, moved)
}

/// What a plugin is asked about.
pub(super) const SPEC: AudioSpec = AudioSpec { sample_rate: 48_000, channels: 2 };

/// An object of the component's kind; of a decoder a session of the best stream there is.
fn create(rig: &mut Rig, component: &Component) -> CallResult<ObjectId> {
    if component.world.kind() == AbilityKind::Decoder {
        return if knows(component, "wav") {
            open(rig, &wav(), Some("wav")).map(|(session, _)| session)
        } else {
            open(rig, &[], hint(component)).map(|(session, _)| session)
        };
    }
    rig.call(CallClass::Stream, |instance| match component.world.kind() {
        AbilityKind::Decoder => Err(missing("decoder")),
        AbilityKind::Source => source(instance)?.create(),
        AbilityKind::Lyrics => lyrics(instance)?.create(),
        AbilityKind::OutputSink => sink(instance)?.create(),
        AbilityKind::Dsp => dsp(instance)?.create(SPEC),
    })
}

/// Closes an object after what was done with it, unless it is gone.
fn finish(rig: &mut Rig, object: ObjectId, answer: CallResult<String>) -> CallResult<String> {
    if !matches!(answer, Err(CallError::Trap(_))) {
        close(rig, object)?;
    }
    answer
}

fn close(rig: &mut Rig, object: ObjectId) -> CallResult<()> {
    rig.call(CallClass::Stream, |instance| Ok(instance.close(object)?))
}

/// A refusal is an answer; a trap is not.
fn may_refuse<T>(result: CallResult<T>) -> CallResult<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(CallError::Plugin(_)) => Ok(None),
        Err(trap) => Err(trap),
    }
}

/// What is a plugin's own it must not refuse.
fn own<T>(result: CallResult<T>, what: &str) -> CallResult<T> {
    result.map_err(|error| match error {
        CallError::Plugin(refusal) => lie(&format!("a refusal of {what}: {refusal}")),
        trap => trap,
    })
}

fn default_configs(component: &Component) -> impl Iterator<Item = &str> {
    component.abilities.iter().filter_map(|ability| ability.default_config_json.as_deref())
}

fn json_list(json: &str) -> CallResult<Vec<serde_json::Value>> {
    serde_json::from_str(json).map_err(|error| lie(&format!("what is no JSON list: {error}")))
}

/// A guest that returns what the contract forbids is broken, whatever it believes.
fn lie(what: &str) -> CallError {
    Trap::new(TrapKind::Abi, format!("the plugin returned {what}")).into()
}

fn missing(what: &str) -> CallError {
    PluginError::Unsupported(format!("the component has no {what}")).into()
}

fn decoder(instance: &mut dyn Instance) -> CallResult<&mut dyn Decoder> {
    instance.decoder().ok_or_else(|| missing("decoder"))
}

fn source(instance: &mut dyn Instance) -> CallResult<&mut dyn Source> {
    instance.source().ok_or_else(|| missing("source"))
}

fn lyrics(instance: &mut dyn Instance) -> CallResult<&mut dyn Lyrics> {
    instance.lyrics().ok_or_else(|| missing("lyrics"))
}

fn sink(instance: &mut dyn Instance) -> CallResult<&mut dyn OutputSink> {
    instance.output_sink().ok_or_else(|| missing("output sink"))
}

fn dsp(instance: &mut dyn Instance) -> CallResult<&mut dyn Dsp> {
    instance.dsp().ok_or_else(|| missing("dsp"))
}
