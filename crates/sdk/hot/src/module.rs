//! What is between the ABI's numbers and an author's type, but for the pointers: the same in a module and in tests.

use core::mem;

use crate::{HotDsp, HotSink, Refusal, Reset, Stream, Written};

/// Where the block lies in a module's memory: 64 KiB above the stack.
pub const BLOCK_AT: u32 = 0x11_0000;

/// Where data begins: above the stack, which Rust's targets put first, with 1 MiB.
const DATA_AT: u32 = 0x10_0000;

/// Bytes of a block at most, so that two of them and a stack fit the memory that hosts give a module.
const MOST_BYTES: usize = 8 << 20;

const SAMPLE_BYTES: u32 = 4;

/// The ABI's version, and its number for 32-bit floats.
const VERSION: u32 = 1;
const F32LE: u32 = 1;

/// The numbers of the roles.
const DSP: u32 = 1;
const SINK: u32 = 2;

/// `flags` of init: there are parameters, at the address in the word behind.
const HAS_PARAMETERS: u32 = 1;

/// `flags` of reset.
const SEEK: u32 = 1;
const ROUTE: u32 = 2;
const PARAMETERS: u32 = 4;

/// Where a module has its blocks, for its description: `CoreModuleSpec::dsp` and `CoreModuleSpec::sink` of the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Where a block is written to, in bytes from the start of memory, and where a DSP's is read from.
    pub offset: u32,
    /// Frames of a block at most.
    pub max_frames: u32,
    /// Samples of a frame at most.
    pub max_channels: u16,
}

impl Layout {
    /// That of a DSP, checked when it is compiled.
    pub const fn dsp<T: HotDsp>() -> Self {
        const { check::<Effect<T>>() };
        Self { offset: BLOCK_AT, max_frames: T::MAX_FRAMES, max_channels: T::MAX_CHANNELS }
    }

    /// That of a sink, checked when it is compiled.
    pub const fn sink<T: HotSink>() -> Self {
        const { check::<Sink<T>>() };
        Self { offset: BLOCK_AT, max_frames: T::MAX_FRAMES, max_channels: T::MAX_CHANNELS }
    }
}

/// What a module is for, as one trait for both.
pub trait Role: Sized {
    /// The ABI's number.
    const NUMBER: u32;
    /// Frames of a block at most.
    const MAX_FRAMES: u32;
    /// Samples of a frame at most.
    const MAX_CHANNELS: u16;

    /// Makes the object.
    fn create(stream: Stream) -> Result<Self, Refusal>;
    /// Takes parameters.
    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal>;
    /// Works on a block.
    fn block(&mut self, interleaved: &mut [f32], frames: u32) -> Result<Written, Refusal>;
    /// Forgets earlier audio.
    fn reset(&mut self, reset: Reset);
}

/// The role of a DSP.
#[derive(Debug)]
pub struct Effect<T>(T);

/// The role of an output sink.
#[derive(Debug)]
pub struct Sink<T>(pub(crate) T);

impl<T: HotDsp> Role for Effect<T> {
    const NUMBER: u32 = DSP;
    const MAX_FRAMES: u32 = T::MAX_FRAMES;
    const MAX_CHANNELS: u16 = T::MAX_CHANNELS;

    fn create(stream: Stream) -> Result<Self, Refusal> {
        T::create(stream).map(Self)
    }

    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        self.0.configure(parameters)
    }

    fn block(&mut self, interleaved: &mut [f32], frames: u32) -> Result<Written, Refusal> {
        let flags = self.0.process(interleaved)?;
        Ok(Written { frames, flags })
    }

    fn reset(&mut self, reset: Reset) {
        self.0.reset(reset);
    }
}

impl<T: HotSink> Role for Sink<T> {
    const NUMBER: u32 = SINK;
    const MAX_FRAMES: u32 = T::MAX_FRAMES;
    const MAX_CHANNELS: u16 = T::MAX_CHANNELS;

    fn create(stream: Stream) -> Result<Self, Refusal> {
        T::create(stream).map(Self)
    }

    fn configure(&mut self, parameters: &[f64]) -> Result<(), Refusal> {
        self.0.configure(parameters)
    }

    fn block(&mut self, interleaved: &mut [f32], _: u32) -> Result<Written, Refusal> {
        self.0.write(interleaved)
    }

    fn reset(&mut self, reset: Reset) {
        self.0.reset(reset);
    }
}

/// Fails to compile for constants outside of the ABI's ranges.
pub const fn check<R: Role>() {
    assert!(R::MAX_FRAMES >= 1 && R::MAX_FRAMES <= 65_536, "MAX_FRAMES is 1 to 65,536");
    assert!(R::MAX_CHANNELS >= 1 && R::MAX_CHANNELS <= 64, "MAX_CHANNELS is 1 to 64");
    assert!(block_bytes::<R>() <= MOST_BYTES, "a block of MAX_FRAMES and MAX_CHANNELS has more than 8 MiB");
}

/// Bytes of the largest block.
pub const fn block_bytes<R: Role>() -> usize {
    R::MAX_FRAMES as usize * R::MAX_CHANNELS as usize * SAMPLE_BYTES as usize
}

/// Bytes to reserve, so that wherever they begin up to [`BLOCK_AT`] the largest block at that address is among them.
pub const fn room<R: Role>() -> usize {
    (BLOCK_AT - DATA_AT) as usize + block_bytes::<R>()
}

/// The 44 bytes that `init` gets.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Args {
    pub version: u32,
    pub role: u32,
    pub sample_rate: u32,
    /// Channels, and the format of samples in the upper half.
    pub shape: u32,
    pub max_frames: u32,
    pub in_offset: u32,
    pub out_offset: u32,
    pub block_bytes: u32,
    pub flags: u32,
    pub parameters: u32,
    pub reserved: u32,
}

impl Args {
    /// What a host says of a stream.
    pub const fn new<R: Role>(stream: Stream) -> Self {
        Self {
            version: VERSION,
            role: R::NUMBER,
            sample_rate: stream.sample_rate,
            shape: stream.channels as u32 | F32LE << 16,
            max_frames: R::MAX_FRAMES,
            in_offset: BLOCK_AT,
            out_offset: if R::NUMBER == DSP { BLOCK_AT } else { 0 },
            block_bytes: R::MAX_FRAMES * stream.channels as u32 * SAMPLE_BYTES,
            flags: 0,
            parameters: 0,
            reserved: 0,
        }
    }

    /// The address of the parameters, if there are any.
    pub const fn parameters(&self) -> Option<u32> {
        if self.flags & HAS_PARAMETERS == 0 { None } else { Some(self.parameters) }
    }
}

/// A running module: an object once `init` has made it.
#[derive(Debug)]
pub struct Running<R> {
    object: Option<R>,
    channels: usize,
    max_frames: u32,
}

impl<R: Role> Running<R> {
    /// Before `init`.
    pub const fn new() -> Self {
        Self { object: None, channels: 0, max_frames: 0 }
    }

    /// `init`, with the parameters that `args` tell of.
    ///
    /// # Errors
    /// For a host that says other things than the module's description.
    pub fn init(&mut self, args: &Args, parameters: Option<&[f64]>) -> Result<(), Refusal> {
        let stream = Stream { sample_rate: args.sample_rate, channels: (args.shape & 0xffff) as u16 };
        if args.version != VERSION || args.role != R::NUMBER || args.shape >> 16 != F32LE {
            return Err(Refusal::Unsupported);
        }
        if stream.sample_rate == 0 || stream.channels == 0 || stream.channels > R::MAX_CHANNELS {
            return Err(Refusal::Unsupported);
        }
        let expected = Args { max_frames: args.max_frames, ..Args::new::<R>(stream) };
        let bytes = u64::from(args.max_frames) * u64::from(stream.channels) * u64::from(SAMPLE_BYTES);
        if args.max_frames == 0
            || args.max_frames > R::MAX_FRAMES
            || u64::from(args.block_bytes) != bytes
            || args.in_offset != expected.in_offset
            || args.out_offset != expected.out_offset
        {
            return Err(Refusal::InvalidArg);
        }
        let mut object = R::create(stream)?;
        if let Some(parameters) = parameters {
            object.configure(parameters)?;
        }
        *self = Self { object: Some(object), channels: usize::from(stream.channels), max_frames: args.max_frames };
        Ok(())
    }

    /// `process`: the samples of `frames` frames are at the start of the block.
    ///
    /// # Errors
    /// The object's, and for a host that breaks the rules.
    pub fn process(&mut self, block: &mut [f32], frames: u32) -> Result<Written, Refusal> {
        let object = self.object.as_mut().ok_or(Refusal::NotReady)?;
        if frames == 0 || frames > self.max_frames {
            return Err(Refusal::InvalidArg);
        }
        let samples = block.get_mut(..frames as usize * self.channels).ok_or(Refusal::InvalidArg)?;
        object.block(samples, frames)
    }

    /// `reset`, with the parameters if they are what it is about.
    ///
    /// # Errors
    /// The object's, for parameters.
    pub fn reset(&mut self, flags: u32, parameters: Option<&[f64]>) -> Result<(), Refusal> {
        let object = self.object.as_mut().ok_or(Refusal::NotReady)?;
        if flags & PARAMETERS != 0 {
            object.configure(parameters.ok_or(Refusal::InvalidArg)?)?;
        }
        // Parameters alone are no reason to forget anything.
        if flags != PARAMETERS {
            object.reset(Reset { seek: flags & SEEK != 0, route: flags & ROUTE != 0 });
        }
        Ok(())
    }

    /// `drop`
    pub fn end(&mut self) {
        drop(mem::take(&mut self.object));
    }
}

impl<R: Role> Default for Running<R> {
    fn default() -> Self {
        Self::new()
    }
}

/// The number of an answer.
pub const fn code(result: &Result<(), Refusal>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(refusal) => *refusal as i32,
    }
}
