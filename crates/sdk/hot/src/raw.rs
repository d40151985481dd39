//! The module in its own memory: the one place with pointers.
//!
//! A host calls a module on one thread at a time and never inside of another call, and what it passes is the host's own page
//! or the block (docs/hot-path-core-abi.md). A host that does otherwise gets wrong audio from a sandbox.

use core::{cell::UnsafeCell, ptr, slice};

use crate::{
    Refusal,
    module::{Args, BLOCK_AT, Role, Running, block_bytes, code},
};

/// Parameters at most.
const MOST_PARAMETERS: u32 = 256;

/// The module's object.
pub struct Module<R>(UnsafeCell<State<R>>);

struct State<R> {
    running: Running<R>,
    /// Where the host puts parameters, if it does.
    parameters: Option<u32>,
}

// SAFETY: a module has no threads.
unsafe impl<R> Sync for Module<R> {}

/// Room for the block, wherever the linker puts it.
#[repr(C, align(16))]
pub struct Room<const BYTES: usize>(UnsafeCell<[u8; BYTES]>);

// SAFETY: as above.
unsafe impl<const BYTES: usize> Sync for Room<BYTES> {}

impl<const BYTES: usize> Room<BYTES> {
    /// For a static.
    #[allow(clippy::new_without_default, reason = "never made anywhere else")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new([0; BYTES]))
    }

    /// The largest block, if it lies where the component says.
    fn block(&self, bytes: usize) -> Option<(*mut f32, usize)> {
        let start = self.0.get().cast::<u8>();
        let offset = (BLOCK_AT as usize).checked_sub(start.addr())?;
        if offset.checked_add(bytes)? > BYTES {
            return None;
        }
        // SAFETY: the offset is inside of the room, and a multiple of 16 as both addresses are.
        Some((unsafe { start.add(offset) }.cast(), bytes / size_of::<f32>()))
    }
}

impl<R: Role> Module<R> {
    /// For a static.
    #[allow(clippy::new_without_default, reason = "never made anywhere else")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(State { running: Running::new(), parameters: None }))
    }

    /// `st_hot_init`
    pub fn init<const BYTES: usize>(&self, room: &Room<BYTES>, args: u32, out_ctx: u32) -> i32 {
        // SAFETY: calls do not overlap, and this is the only reference in one.
        let state = unsafe { &mut *self.0.get() };
        if room.block(block_bytes::<R>()).is_none() {
            return Refusal::Internal as i32;
        }
        // SAFETY: the host's page has 44 bytes there, at a multiple of 4, for as long as the module lives.
        let args = unsafe { ptr::with_exposed_provenance::<Args>(args as usize).read() };
        state.parameters = args.parameters();
        let result = state.running.init(&args, state.parameters.and_then(parameters));
        store(out_ctx, 0);
        code(&result)
    }

    /// `st_hot_process`
    pub fn process<const BYTES: usize>(&self, room: &Room<BYTES>, frames: u32, out_frames: u32, out_flags: u32) -> i32 {
        // SAFETY: as in `init`.
        let state = unsafe { &mut *self.0.get() };
        let Some((samples, count)) = room.block(block_bytes::<R>()) else { return Refusal::Internal as i32 };
        // SAFETY: those are in the room, aligned and initialised, and nothing else refers to them during the call.
        let block = unsafe { slice::from_raw_parts_mut(samples, count) };
        match state.running.process(block, frames) {
            Ok(written) => {
                store(out_frames, written.frames);
                store(out_flags, written.flags.bits());
                0
            }
            Err(refusal) => refusal as i32,
        }
    }

    /// `st_hot_reset`
    pub fn reset(&self, flags: u32) -> i32 {
        // SAFETY: as in `init`.
        let state = unsafe { &mut *self.0.get() };
        code(&state.running.reset(flags, state.parameters.and_then(parameters)))
    }

    /// `st_hot_drop`
    pub fn end(&self) {
        // SAFETY: as in `init`.
        unsafe { &mut *self.0.get() }.running.end();
    }
}

/// A count, 4 bytes of nothing, and as many numbers.
fn parameters(at: u32) -> Option<&'static [f64]> {
    let start = ptr::with_exposed_provenance::<u8>(at as usize);
    // SAFETY: the host keeps them in its page, at a multiple of 8, and writes there between calls only; nobody keeps
    // the slice for longer than a call.
    unsafe {
        let count = start.cast::<u32>().read();
        (count <= MOST_PARAMETERS).then(|| slice::from_raw_parts(start.add(8).cast(), count as usize))
    }
}

fn store(at: u32, value: u32) {
    // SAFETY: an address in the host's page, at a multiple of 4.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(at as usize).write(value) };
}
