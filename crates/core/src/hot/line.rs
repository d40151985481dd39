//! The place of a module in a chain: where a new one arrives, a failed one leaves, and strikes are counted.
//!
//! A [`Line`] belongs to the audio thread, a [`HotControl`] to any other. Between them are two queues of fixed length, on which
//! neither side ever waits, and a few atomics.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
};

use rtrb::{Consumer, Producer, RingBuffer};

use super::{
    HotParameters, Primed,
    primed::{Answer, Shape, code_name},
};
use crate::error::{Error, ErrorKind, Result, TrapKind};

/// Failures after which a module is given up.
const STRIKES: u8 = 3;

/// Blocks in a row with `SOFT_ERROR` that count as a failure.
const SOFT_ERRORS: u8 = 3;

/// Modules under way to the audio thread, and back.
const QUEUE: usize = 4;

/// Why a module was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HotFault {
    /// It trapped; `deadline` is a block, or a reset, that took more than half the time the block lasts.
    Trap(TrapKind),
    /// It said it made, or took, another number of frames than it may.
    Frames {
        /// The frames it was given.
        given: u32,
        /// Its answer; the largest number where it gave none.
        answered: u32,
    },
    /// It answered with an error.
    Code(i32),
    /// It set `SOFT_ERROR` in three blocks in a row.
    SoftErrors,
}

impl fmt::Display for HotFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap(TrapKind::Deadline) => f.write_str("it took more than half the time the block lasts"),
            Self::Trap(kind) => write!(f, "it trapped ({})", kind.name()),
            Self::Frames { given, answered: u32::MAX } => write!(f, "it did not say what it did with {given} frames"),
            Self::Frames { given, answered } => write!(f, "it was given {given} frames and answered {answered}"),
            Self::Code(code) => write!(f, "it answered {} ({code})", code_name(*code)),
            Self::SoftErrors => f.write_str("it reported an error in three blocks in a row"),
        }
    }
}

/// A module that was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HotReport {
    /// Why; `None` where a new one took its place.
    pub fault: Option<HotFault>,
    /// Failures so far.
    pub strikes: u8,
    /// Whether it was the last one: there were three failures, and audio stays dry.
    pub gave_up: bool,
}

/// What both sides see.
#[derive(Default)]
struct Shared {
    /// What `reset` is to be told before the next block.
    reset: AtomicU32,
    counts: Counts,
    gave_up: AtomicBool,
}

/// Blocks so far.
#[derive(Default)]
pub(super) struct Counts {
    /// That went past the module.
    dry: AtomicU64,
    /// With samples that were not finite, too small or too loud.
    tamed: AtomicU64,
}

impl Counts {
    pub(super) fn dry(&self) {
        self.dry.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn tamed(&self) {
        self.tamed.fetch_add(1, Ordering::Relaxed);
    }
}

/// The audio thread's side.
pub(super) struct Line {
    module: Option<Primed>,
    arriving: Consumer<Primed>,
    leaving: Producer<Leaving>,
    parameters: Consumer<HotParameters>,
    shared: Arc<Shared>,
    strikes: u8,
    soft_errors: u8,
    /// What `reset` is to be told before the next block, on the module's own request.
    reset: Option<u32>,
}

struct Leaving {
    module: Primed,
    report: HotReport,
}

/// The other side of a [`HotProcessor`](super::HotProcessor) or [`HotSink`](super::HotSink), for any other thread.
pub struct HotControl {
    sending: Producer<Primed>,
    receiving: Consumer<Leaving>,
    configuring: Producer<HotParameters>,
    shared: Arc<Shared>,
    /// What a replacement must be.
    shape: Shape,
}

impl fmt::Debug for HotControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HotControl(gave up: {})", self.gave_up())
    }
}

/// Puts `module` into a line.
pub(super) fn line(module: Primed) -> (Line, HotControl) {
    let (sending, arriving) = RingBuffer::new(QUEUE);
    let (leaving, receiving) = RingBuffer::new(QUEUE);
    let (configuring, parameters) = RingBuffer::new(QUEUE);
    let shared = Arc::<Shared>::default();
    let control = HotControl { sending, receiving, configuring, shared: Arc::clone(&shared), shape: module.shape() };
    let line =
        Line { module: Some(module), arriving, leaving, parameters, shared, strikes: 0, soft_errors: 0, reset: None };
    (line, control)
}

impl Line {
    /// The module for the block that begins now, if there is one.
    #[inline]
    pub(super) fn begin(&mut self) -> Option<&mut Primed> {
        if !self.arriving.is_empty() {
            self.welcome();
        }
        if !self.parameters.is_empty() {
            self.configure();
        }
        if self.reset.is_some() || self.shared.reset.load(Ordering::Relaxed) != 0 {
            self.reset_now();
        }
        self.module.as_mut()
    }

    #[cold]
    fn welcome(&mut self) {
        // Whoever is in can always leave: a new one comes in only where there is room for it and the one it replaces.
        if self.strikes < STRIKES
            && self.leaving.slots() >= 2
            && let Ok(new) = self.arriving.pop()
        {
            let old = self.module.replace(new);
            (self.reset, self.soft_errors) = (None, 0);
            if let Some(old) = old {
                self.leave(old, None);
            }
        }
    }

    #[cold]
    fn reset_now(&mut self) {
        let mut flags = self.reset.take().unwrap_or(0);
        // Swapped only where there is something, since that locks memory for a moment.
        if self.shared.reset.load(Ordering::Relaxed) != 0 {
            flags |= self.shared.reset.swap(0, Ordering::Relaxed);
        }
        if let Some(module) = &mut self.module
            && let Err(fault) = module.reset(flags)
        {
            self.fail(fault);
        }
    }

    /// Hands on the parameters that came last.
    #[cold]
    fn configure(&mut self) {
        let waiting = self.parameters.slots();
        let Ok(chunk) = self.parameters.read_chunk(waiting) else { return };
        let (first, second) = chunk.as_slices();
        if let Some(parameters) = second.last().or(first.last())
            && let Some(module) = &mut self.module
            && let Err(fault) = module.configure(parameters)
        {
            chunk.commit_all();
            self.fail(fault);
            return;
        }
        chunk.commit_all();
    }

    /// What the block came to: the module's answer, if the block is not dry.
    #[inline]
    pub(super) fn end(&mut self, result: Result<Answer, HotFault>) -> Option<Answer> {
        match result {
            Ok(answer) if answer.is_plain() => {
                self.soft_errors = 0;
                Some(answer)
            }
            other => self.end_with_more(other),
        }
    }

    #[cold]
    fn end_with_more(&mut self, result: Result<Answer, HotFault>) -> Option<Answer> {
        let answer = match result {
            Ok(answer) => answer,
            Err(fault) => {
                self.fail(fault);
                return None;
            }
        };
        if answer.need_reset() {
            self.reset = Some(self.reset.unwrap_or(0));
        }
        if !answer.soft_error() {
            self.soft_errors = 0;
            return Some(answer);
        }
        self.soft_errors += 1;
        if self.soft_errors == SOFT_ERRORS {
            self.soft_errors = 0;
            self.fail(HotFault::SoftErrors);
        }
        None
    }

    /// Makes `reset` be called before the next block.
    pub(super) fn reset(&mut self, flags: u32) {
        self.reset = Some(self.reset.unwrap_or(0) | flags);
    }

    /// The module that began the block, if it has not failed since.
    #[inline]
    pub(super) fn module(&mut self) -> Option<&mut Primed> {
        self.module.as_mut()
    }

    /// The same, and what counts blocks.
    #[inline]
    pub(super) fn module_and_counts(&mut self) -> (Option<&mut Primed>, &Counts) {
        (self.module.as_mut(), &self.shared.counts)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    pub(super) fn prepare_thread(&self) {
        if let Some(module) = &self.module {
            module.prepare_thread();
        }
    }

    fn fail(&mut self, fault: HotFault) {
        self.strikes = self.strikes.saturating_add(1);
        if let Some(module) = self.module.take() {
            self.leave(module, Some(fault));
        }
    }

    /// Lets a module go to where it is dropped.
    fn leave(&mut self, module: Primed, fault: Option<HotFault>) {
        let gave_up = self.strikes >= STRIKES;
        if gave_up {
            self.shared.gave_up.store(true, Ordering::Relaxed);
        }
        let report = HotReport { fault, strikes: self.strikes, gave_up };
        let left = self.leaving.push(Leaving { module, report });
        debug_assert!(left.is_ok(), "there is always room to leave");
    }
}

impl HotControl {
    /// Sends a module that takes the place of the present one, or of one that failed, at the beginning of a block.
    ///
    /// # Errors
    /// `invalid_argument` for one of another role, rate, number of channels or size of blocks, `unsupported` after three failures, `busy` while four are
    /// under way. The module is dropped.
    pub fn replace(&mut self, module: Primed) -> Result<()> {
        if module.shape() != self.shape {
            let text =
                "a hot-path module of another role, rate, number of channels or size of blocks cannot take its place";
            return Err(Error::new(ErrorKind::InvalidArgument, text));
        }
        if self.gave_up() {
            return Err(Error::new(ErrorKind::Unsupported, "the hot-path module failed three times and is given up"));
        }
        let busy = |_| Error::new(ErrorKind::Busy, "the audio thread has not taken the modules sent before");
        self.sending.push(module).map_err(busy)
    }

    /// Gives the module other parameters, before the next block. One that came after those of its predecessor has its own.
    ///
    /// # Errors
    /// `unsupported` after three failures, `busy` while four are under way: the audio thread does not run.
    pub fn configure(&mut self, parameters: HotParameters) -> Result<()> {
        if self.gave_up() {
            return Err(Error::new(ErrorKind::Unsupported, "the hot-path module failed three times and is given up"));
        }
        let busy = |_| Error::new(ErrorKind::Busy, "the audio thread has not taken the parameters sent before");
        self.configuring.push(parameters).map_err(busy)
    }

    /// Has `reset` called before the next block, with bits of [`RESET_SEEK`](super::RESET_SEEK) and
    /// [`RESET_ROUTE`](super::RESET_ROUTE).
    pub fn reset(&self, flags: u32) {
        self.shared.reset.fetch_or(flags, Ordering::Relaxed);
    }

    /// A module that was taken out, oldest first. It is dropped here, so call this now and then.
    pub fn report(&mut self) -> Option<HotReport> {
        let Leaving { module, report } = self.receiving.pop().ok()?;
        drop(module);
        Some(report)
    }

    /// Whether there were three failures, so that audio stays dry.
    pub fn gave_up(&self) -> bool {
        self.shared.gave_up.load(Ordering::Relaxed)
    }

    /// Blocks so far that went past the module.
    pub fn dry_blocks(&self) -> u64 {
        self.shared.counts.dry.load(Ordering::Relaxed)
    }

    /// Blocks so far in which the module made samples that were not finite, too small or too loud, and were changed.
    pub fn tamed_blocks(&self) -> u64 {
        self.shared.counts.tamed.load(Ordering::Relaxed)
    }
}
