//! A hot-path module that has run: made, initialised and measured off the audio thread.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::{
    HotParameters,
    line::HotFault,
    module, samples,
    spec::{ABI_VERSION, HotSpec, Layout, refused},
};
use crate::{
    engine::{Engine, HotModule},
    error::{Error, ErrorKind, Result, TrapKind},
    limits::Limits,
    meter,
    types::{HotPathRole, SampleFormat},
};

/// Bytes of a module at most, which bounds how long it takes to compile. Real ones have some kilobytes.
const MODULE_BYTES: usize = 1024 * 1024;

/// What `init`, `drop` and, before it is measured, `process` may use: some tenths of a second on any machine.
const UNMEASURED: i64 = 1 << 27;

/// Rounds the speed is taken from; the fastest counts, since what else runs only ever makes it slower.
const ROUNDS: usize = 12;

/// A round takes at least this long, many times what a clock resolves.
const ROUND: Duration = Duration::from_micros(200);

/// The whole measurement takes no longer than that, once there are three rounds.
const MEASURING: Duration = Duration::from_millis(50);

/// Units a nanosecond that a measurement is believed to show. Outside are clocks that jump and modules that do nothing.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.05..=8.0;

/// Blocks played into a module to measure it are this loud: above any gate, below any limiter.
const NOISE: f32 = 0.1;

/// Where the host's own page has what, from its start. The answer is frames, then flags.
const OUT_CTX: u32 = 64;
const ANSWER: u32 = 72;

/// Where parameters are.
const PARAMETERS: u32 = 128;

/// `flags` of init: there are parameters.
const HAS_PARAMETERS: u32 = 1;

/// `flags` of reset: there are new ones.
const RESET_PARAMETERS: u32 = 4;

const EOF: u32 = 1;
const DRAINED: u32 = 2;
const NEED_RESET: u32 = 4;
const SOFT_ERROR: u32 = 8;

/// A hot-path module that is ready for its first block.
///
/// Dropping it calls the guest's `drop`, so do it off the audio thread. It may be sent to another thread.
pub struct Primed {
    module: Box<dyn HotModule>,
    role: HotPathRole,
    layout: Layout,
    sample_rate: u32,
    ctx: u32,
    /// Where the host's page begins.
    page: u32,
    /// Whether it was told where parameters are.
    configurable: bool,
    /// What a block may use, for each of its frames.
    units_per_frame: i64,
    /// Set once the guest trapped; nothing in it is called again.
    gone: bool,
}

/// Role, channels, frames of a block at most, and sample rate.
pub(super) type Shape = (HotPathRole, u16, u32, u32);

/// What a block's call came to.
#[derive(Clone, Copy)]
pub(super) struct Answer {
    /// Frames made or consumed.
    pub(super) frames: u32,
    flags: u32,
}

impl Answer {
    pub(super) fn eof(self) -> bool {
        self.flags & EOF != 0
    }

    pub(super) fn drained(self) -> bool {
        self.flags & DRAINED != 0
    }

    pub(super) fn need_reset(self) -> bool {
        self.flags & NEED_RESET != 0
    }

    pub(super) fn soft_error(self) -> bool {
        self.flags & SOFT_ERROR != 0
    }

    /// Whether it says nothing that is of concern to anybody but the player.
    pub(super) fn is_plain(self) -> bool {
        self.flags & (NEED_RESET | SOFT_ERROR) == 0
    }
}

impl Primed {
    /// Checks, compiles, starts, initialises and measures the module `wasm`. Takes milliseconds: not for the audio thread.
    ///
    /// The guest may be given blocks of noise, followed by `reset`; where it has no `reset`, of silence.
    ///
    /// # Errors
    /// `rejected_package` for what is no valid core module, `incompatible` for one that breaks a rule of the ABI, `unsupported`
    /// on an engine without hot-path modules, `trap` or `timeout` where its code fails or takes more than half the time a
    /// block lasts, `plugin_error` where it refuses. In each case the plugin is used through component calls instead.
    pub fn new(engine: &dyn Engine, wasm: &[u8], spec: &HotSpec, limits: &Limits) -> Result<Self> {
        if wasm.len() > MODULE_BYTES {
            return Err(refused(format!("it has {} bytes; {MODULE_BYTES} is all", wasm.len())));
        }
        let metered = meter::meter_block(wasm, &spec.exports.process)?;
        module::check(wasm, spec, limits)?;
        let module = engine.hot(&metered, &spec.exports, limits).map_err(|error| refused(error.message.clone()))?;
        let mut primed = Self {
            module,
            role: spec.role,
            layout: spec.layout,
            sample_rate: spec.sample_rate,
            ctx: 0,
            page: 0,
            configurable: spec.parameters.is_some() && spec.exports.reset.is_some(),
            units_per_frame: 0,
            gone: false,
        };
        primed.init(spec.parameters.as_ref())?;
        primed.measure(spec.exports.reset.is_some())?;
        Ok(primed)
    }

    /// Does what the first call on this thread would do besides, which may take system calls.
    pub fn prepare_thread(&self) {
        self.module.prepare_thread();
    }

    /// Whether it can be told other parameters while it plays.
    pub(crate) fn is_configurable(&self) -> bool {
        self.configurable
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.layout
    }

    pub(super) fn role(&self) -> HotPathRole {
        self.role
    }

    /// What a module that takes its place has too.
    pub(super) fn shape(&self) -> Shape {
        (self.role, self.layout.channels, self.layout.max_frames, self.sample_rate)
    }

    /// Whether samples lie in the guest's memory as the host has them.
    #[inline]
    pub(super) fn has_floats(&self) -> bool {
        self.layout.format == SampleFormat::F32le
    }

    /// Reads the block that came; whether any sample of it had to be changed.
    #[inline]
    pub(super) fn read(&mut self, output: &mut [f32]) -> bool {
        let format = self.layout.format;
        samples::read(format, self.output_region(), output)
    }

    /// The samples of the block to come, in the guest's memory; `None` where they are no floats.
    #[inline]
    pub(super) fn input(&mut self, samples: usize) -> Option<&mut [f32]> {
        if !self.has_floats() {
            return None;
        }
        bytemuck::try_cast_slice_mut(self.input_region()).ok()?.get_mut(..samples)
    }

    /// The samples of the block that came, in the guest's memory; `None` where they are no floats.
    #[inline]
    pub(super) fn output(&mut self, samples: usize) -> Option<&mut [f32]> {
        if !self.has_floats() {
            return None;
        }
        bytemuck::try_cast_slice_mut(self.output_region()).ok()?.get_mut(..samples)
    }

    /// Writes `input`, unless the block is written already, and calls `process` for it. *Requires*: it has at most `max_frames`.
    ///
    /// # Errors
    /// What makes the module useless: it must not be called again.
    // Always, so that what it answers never leaves the registers: through memory it cost small blocks a tenth of their time.
    #[inline(always)]
    pub(super) fn process(&mut self, frames: u32, input: Option<&[f32]>) -> Result<Answer, HotFault> {
        if let Some(input) = input
            && let Some(region) = self.module.memory().get_mut(self.layout.input as usize..)
        {
            samples::write(self.layout.format, input, region);
        }
        let units = self.units_per_frame * i64::from(frames);
        let answer = self.module.process(units, self.ctx, frames, self.page + ANSWER);
        let (code, answer) = answer.map_err(|trap| self.trapped(trap))?;
        let answer = Answer { frames: answer as u32, flags: (answer >> 32) as u32 };
        match code {
            0 if answer.soft_error() => Ok(Answer { frames: 0, ..answer }),
            // A DSP gives as many frames as it gets (plugin contract 6), a sink takes as many as it can.
            0 if answer.frames == frames || (self.role == HotPathRole::OutputSink && answer.frames < frames) => {
                Ok(answer)
            }
            // X05
            0 => Err(HotFault::Frames { given: frames, answered: answer.frames }),
            // Not now: would-block and not-ready.
            5 | 6 => Ok(Answer { frames: 0, flags: answer.flags & !SOFT_ERROR }),
            code => Err(HotFault::Code(code)),
        }
    }

    /// Calls `reset`, which may take as long as the largest block.
    ///
    /// # Errors
    /// As [`process`](Self::process).
    pub(super) fn reset(&mut self, flags: u32) -> Result<(), HotFault> {
        self.module.set_counter(self.units_per_frame * i64::from(self.layout.max_frames));
        match self.module.reset(self.ctx, flags) {
            Ok(0) => Ok(()),
            Ok(code) => Err(HotFault::Code(code)),
            Err(trap) => Err(self.trapped(trap)),
        }
    }

    /// Gives it other parameters, if it ever had any. As [`reset`](Self::reset) in everything else.
    pub(super) fn configure(&mut self, parameters: &HotParameters) -> Result<(), HotFault> {
        if !self.configurable {
            return Ok(());
        }
        self.write_parameters(parameters);
        self.reset(RESET_PARAMETERS)
    }

    fn write_parameters(&mut self, parameters: &HotParameters) {
        let at = (self.page + PARAMETERS) as usize;
        if let Some(room) = self.module.memory().get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            parameters.write(room);
        }
    }

    #[cold]
    fn trapped(&mut self, trap: TrapKind) -> HotFault {
        self.gone = true;
        HotFault::Trap(trap)
    }

    /// Gives the host a page of its own, tells the guest about the stream and gets its context. // X09
    fn init(&mut self, parameters: Option<&HotParameters>) -> Result<()> {
        let before =
            self.module.grow(1).ok_or_else(|| refused("its memory did not grow by the page the host needs"))?;
        // 32 bits address no memory that would not fit.
        self.page = before as u32;
        if let Some(parameters) = parameters {
            self.write_parameters(parameters);
        }
        let args = self.arguments(parameters.is_some());
        let at = self.page as usize;
        match self.module.memory().get_mut(at..at + args.len()) {
            Some(bytes) => bytes.copy_from_slice(&args),
            None => return Err(Error::new(ErrorKind::Internal, "the engine grew a memory and did not")),
        }
        self.module.set_counter(UNMEASURED);
        match self.module.init(self.page, self.page + OUT_CTX) {
            Ok(0) => {
                self.ctx = self.fetch(self.page + OUT_CTX);
                Ok(())
            }
            Ok(code) => {
                // There is no context that `drop` could take.
                self.gone = true;
                let text = format!("the hot-path module's init answered {} ({code})", code_name(code));
                Err(Error::new(ErrorKind::PluginError, text).help("the plugin runs through component calls"))
            }
            Err(trap) => Err(failed("init", self.trapped(trap))),
        }
    }

    /// Plugin contract 5: 44 bytes, little-endian.
    fn arguments(&self, parameters: bool) -> [u8; 44] {
        let layout = &self.layout;
        let role = match self.role {
            HotPathRole::DspTransform => 1,
            HotPathRole::OutputSink => 2,
        };
        let format: u16 = match layout.format {
            SampleFormat::F32le => 1,
            SampleFormat::I16le => 2,
            SampleFormat::I32le => 3,
        };
        let words = [
            ABI_VERSION,
            role,
            self.sample_rate,
            u32::from(layout.channels) | u32::from(format) << 16,
            layout.max_frames,
            layout.input,
            layout.output.unwrap_or(0),
            layout.bytes() as u32,
            if parameters { HAS_PARAMETERS } else { 0 },
            if parameters { self.page + PARAMETERS } else { 0 },
            0,
        ];
        let mut bytes = [0; 44];
        for (place, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            *place = word.to_le_bytes();
        }
        bytes
    }

    /// Finds out what half the time of a block is in units, and whether a block fits.
    fn measure(&mut self, resets: bool) -> Result<()> {
        let frames = self.layout.max_frames;
        let half_a_frame = 0.5e9 / f64::from(self.sample_rate);
        let mut noise = Noise(0x2545_f491);
        let block: Vec<f32> =
            (0..self.layout.max_samples()).map(|_| if resets { NOISE * noise.next() } else { 0.0 }).collect();
        self.units_per_frame = (UNMEASURED / i64::from(frames)).max(1);
        let allowed = self.units_per_frame * i64::from(frames);
        let mut fastest = 0.0_f64;
        let mut most = 0;
        let began = Instant::now();
        for round in 0..=ROUNDS {
            let (mut used, mut took) = (0_i64, Duration::ZERO);
            while took < ROUND {
                let start = Instant::now();
                self.process(frames, Some(&block)).map_err(|fault| failed("process", fault))?;
                took += start.elapsed();
                let units = allowed - self.module.counter();
                (used, most) = (used + units, most.max(units));
            }
            // The first one also pays for memory that is touched for the first time.
            if round > 0 {
                fastest = fastest.max(used as f64 / took.as_nanos() as f64);
            }
            if round >= 3 && began.elapsed() > MEASURING {
                break;
            }
        }
        let speed = fastest.clamp(*SPEEDS.start(), *SPEEDS.end());
        self.units_per_frame = ((speed * half_a_frame) as i64).max(1);
        let budget = self.units_per_frame * i64::from(frames);
        if most > budget {
            let share = 50 * most / budget;
            let text = format!("the hot-path module takes {share} % of the time a block lasts; 50 % is all");
            return Err(Error::new(ErrorKind::Timeout, text).help("the plugin runs through component calls"));
        }
        if resets {
            self.reset(super::RESET_SEEK).map_err(|fault| failed("reset", fault))?;
        }
        Ok(())
    }

    #[inline]
    fn input_region(&mut self) -> &mut [u8] {
        let at = self.layout.input as usize;
        let bytes = self.layout.bytes();
        // It lies in the memory the module began with, and memories do not shrink.
        self.module.memory().get_mut(at..at + bytes).unwrap_or_default()
    }

    #[inline]
    fn output_region(&mut self) -> &mut [u8] {
        let at = self.layout.output.unwrap_or(self.layout.input) as usize;
        let bytes = self.layout.bytes();
        self.module.memory().get_mut(at..at + bytes).unwrap_or_default()
    }

    fn fetch(&mut self, at: u32) -> u32 {
        let bytes = self.module.memory().get(at as usize..).and_then(<[u8]>::first_chunk);
        bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

impl Drop for Primed {
    fn drop(&mut self) {
        if !self.gone {
            self.module.set_counter(UNMEASURED);
            if let Err(trap) = self.module.drop_context(self.ctx) {
                tracing::warn!("a hot-path module was dropped and trapped: {}", trap.name());
            }
        }
    }
}

impl fmt::Debug for Primed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, layout, units_per_frame, gone, .. } = self;
        write!(f, "Primed({role:?}, {layout:?}, {units_per_frame} units a frame, gone: {gone})")
    }
}

fn failed(what: &str, fault: HotFault) -> Error {
    let kind = match fault {
        HotFault::Trap(TrapKind::Deadline) => ErrorKind::Timeout,
        HotFault::Code(_) => ErrorKind::PluginError,
        _ => ErrorKind::Trap,
    };
    Error::new(kind, format!("the hot-path module failed in {what} before its first block: {fault}"))
        .help("the plugin runs through component calls")
}

/// Plugin contract 5.
pub(super) fn code_name(code: i32) -> &'static str {
    match code {
        1 => "invalid-arg",
        2 => "unsupported",
        3 => "io",
        4 => "internal",
        5 => "would-block",
        6 => "not-ready",
        _ => "a code the ABI does not have",
    }
}

/// Samples from -1 to 1 without a pattern.
struct Noise(u32);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as f32 / u32::MAX as f32 * 2.0 - 1.0
    }
}
