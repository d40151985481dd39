//! A fake engine: its guests are Rust closures instead of WebAssembly, so that what is above the seam is tested
//! without an engine, and exact about who called what and when.
//!
//! Every component is a decoder. A [`Script`] answers its calls; [`FakeEngine::calls`] tells which were made.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Artifact, Engine, EngineError, EngineId, Guarantee, Instance, Phase, Program};
use crate::{
    capability::{Decoder, Dsp, Lyrics, OutputSink, Source},
    control::CallControl,
    error::{CallError, CallResult, PluginError, Trap},
    host::{Host, HostStream},
    limits::Limits,
    table::{ObjectId, Table},
    types::{ConfigUpdateMode, ConfigUpdatePlan, DecoderInfo, DisableReason, MediaMetadata, PcmF32Chunk},
};

/// One call of a decoder guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Instantiation.
    Start,
    /// `on-enable`
    Enable,
    /// `on-disable`
    Disable(DisableReason),
    /// `open`, with the extension hint.
    Open(Option<String>),
    /// `info`
    Info,
    /// `metadata`
    Metadata,
    /// `read-pcm-f32`, with the frames asked for.
    Read(u32),
    /// `seek-ms`
    Seek(u64),
    /// `close`
    Close,
}

/// What a script did with a call.
pub type Verdict = CallResult<()>;

/// Answers calls: `Ok` lets the fake decoder go on with its default behaviour (a stereo 48 kHz stream of silence,
/// 4,800 frames long), an error is what the guest answers. It may block in the control's waits, as a host import.
pub type Script = dyn Fn(&Call, &Arc<CallControl>) -> Verdict + Send + Sync;

/// An engine without WebAssembly.
pub struct FakeEngine {
    id: EngineId,
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl FakeEngine {
    /// An engine whose guests all follow `script`.
    pub fn new(script: impl Fn(&Call, &Arc<CallControl>) -> Verdict + Send + Sync + 'static) -> Self {
        let id = EngineId { name: "fake", version: "1".into(), configuration: String::new() };
        Self { id, script: Arc::new(script), calls: Arc::default() }
    }

    /// The calls made so far, over all instances, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().clone()
    }
}

impl Engine for FakeEngine {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn compile(&self, wasm: &[u8]) -> Result<Artifact, EngineError> {
        if wasm.is_empty() {
            return Err(EngineError::new(Phase::Compile, "an empty component"));
        }
        // SAFETY: the fake engine never runs these bytes.
        Ok(unsafe { Artifact::trusted(wasm.to_vec()) })
    }

    fn load(&self, _: &Artifact) -> Result<Arc<dyn Program>, EngineError> {
        Ok(Arc::new(FakeProgram { script: Arc::clone(&self.script), calls: Arc::clone(&self.calls) }))
    }

    fn guarantees(&self) -> &'static [Guarantee] {
        &[]
    }
}

struct FakeProgram {
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Program for FakeProgram {
    fn start(&self, host: Host, limits: &Limits, control: Arc<CallControl>) -> Result<Box<dyn Instance>, Trap> {
        let mut instance = FakeInstance {
            host,
            control,
            script: Arc::clone(&self.script),
            calls: Arc::clone(&self.calls),
            sessions: Table::new(limits.handles),
        };
        match instance.call(Call::Start) {
            Err(CallError::Trap(trap)) => Err(trap),
            _ => Ok(Box::new(instance)),
        }
    }
}

/// Frames that every fake session plays.
const FRAMES: u32 = 4_800;

/// Bytes that every fake instance says it holds: a page.
pub const MEMORY: usize = 65_536;

struct FakeInstance {
    host: Host,
    control: Arc<CallControl>,
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Frames played so far.
    sessions: Table<u32>,
}

impl FakeInstance {
    fn call(&mut self, call: Call) -> CallResult<()> {
        let verdict = (self.script)(&call, &self.control);
        self.calls.lock().push(call);
        self.control.check()?;
        verdict
    }

    fn session(&mut self, id: ObjectId) -> CallResult<&mut u32> {
        self.sessions.get_mut(id).map_err(|trap| PluginError::NotFound(trap.message).into())
    }
}

impl Instance for FakeInstance {
    fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    fn memory_bytes(&self) -> usize {
        MEMORY
    }

    fn enable(&mut self) -> CallResult<()> {
        self.call(Call::Enable)
    }

    fn disable(&mut self, reason: DisableReason) -> CallResult<()> {
        self.call(Call::Disable(reason))
    }

    fn plan_config(&mut self, object: ObjectId, _: &str) -> CallResult<ConfigUpdatePlan> {
        self.session(object)?;
        Ok(ConfigUpdatePlan { mode: ConfigUpdateMode::HotApply, reason: None })
    }

    fn apply_config(&mut self, object: ObjectId, _: &str) -> CallResult<()> {
        self.session(object).map(drop)
    }

    fn export_state(&mut self, object: ObjectId) -> CallResult<Option<String>> {
        self.session(object).map(|frames| Some(frames.to_string()))
    }

    fn import_state(&mut self, object: ObjectId, state_json: &str) -> CallResult<()> {
        *self.session(object)? = state_json.parse().map_err(|_| PluginError::InvalidArg("not a state".into()))?;
        Ok(())
    }

    fn close(&mut self, object: ObjectId) -> Result<(), Trap> {
        if self.sessions.remove(object).is_err() {
            return Ok(());
        }
        match self.call(Call::Close) {
            Err(CallError::Trap(trap)) => Err(trap),
            _ => Ok(()),
        }
    }

    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        Some(self)
    }

    fn source(&mut self) -> Option<&mut dyn Source> {
        None
    }

    fn lyrics(&mut self) -> Option<&mut dyn Lyrics> {
        None
    }

    fn output_sink(&mut self) -> Option<&mut dyn OutputSink> {
        None
    }

    fn dsp(&mut self) -> Option<&mut dyn Dsp> {
        None
    }
}

impl Decoder for FakeInstance {
    fn open(&mut self, _: Box<dyn HostStream>, ext_hint: Option<&str>) -> CallResult<ObjectId> {
        self.call(Call::Open(ext_hint.map(str::to_owned)))?;
        self.sessions.push(0).map_err(|_| PluginError::Denied("too many sessions".into()).into())
    }

    fn info(&mut self, session: ObjectId) -> CallResult<DecoderInfo> {
        self.session(session)?;
        self.call(Call::Info)?;
        Ok(DecoderInfo {
            sample_rate: 48_000,
            channels: 2,
            duration_ms: Some(100),
            seekable: true,
            encoder_delay_frames: 0,
            encoder_padding_frames: 0,
        })
    }

    fn metadata(&mut self, session: ObjectId) -> CallResult<MediaMetadata> {
        self.session(session)?;
        self.call(Call::Metadata)?;
        Ok(MediaMetadata::default())
    }

    fn read_pcm_f32(&mut self, session: ObjectId, max_frames: u32) -> CallResult<PcmF32Chunk> {
        self.session(session)?;
        self.call(Call::Read(max_frames))?;
        let played = self.session(session)?;
        let frames = max_frames.min(FRAMES - *played);
        *played += frames;
        let eof = *played == FRAMES;
        Ok(PcmF32Chunk { interleaved_f32le: vec![0; frames as usize * 8], frames, eof })
    }

    fn seek_ms(&mut self, session: ObjectId, position_ms: u64) -> CallResult<()> {
        self.session(session)?;
        self.call(Call::Seek(position_ms))?;
        *self.session(session)? = u32::try_from(position_ms * 48).unwrap_or(FRAMES).min(FRAMES);
        Ok(())
    }
}
