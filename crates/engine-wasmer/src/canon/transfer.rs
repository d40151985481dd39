//! One passage of values between the host and a guest, and all it may touch: the guest's memory, its allocator, its
//! handles, and the budget of bytes that a guest may hand over at once.

use stellatune_plugin_core::error::{Trap, TrapKind};
use wasmer::FunctionEnvMut;

use super::{Bound, Canon, Kind, abi};
use crate::{guard, program::State};

/// Bytes of a string or list (`MAX_STRING_BYTE_LENGTH`, which the specification sets for strings).
const MOST_BYTES: usize = (1 << 31) - 1;

/// A passage in one direction.
pub(crate) struct Transfer<'a> {
    env: FunctionEnvMut<'a, State>,
    canon: &'a Canon,
    /// The guest's memory as it was when no guest code has run since.
    base: *mut u8,
    len: usize,
    /// Bytes the guest may still hand over.
    left: usize,
}

impl<'a> Transfer<'a> {
    pub(crate) fn new(env: FunctionEnvMut<'a, State>, canon: &'a Canon) -> Self {
        let left = env.data().host.control().boundary_bytes();
        let mut transfer = Self { env, canon, base: std::ptr::null_mut(), len: 0, left };
        transfer.look();
        transfer
    }

    /// Finds out where the memory is: guest code may have grown and moved it.
    pub(crate) fn look(&mut self) {
        let memory = self.canon.options.memory.and_then(|index| self.env.data().memories[index as usize].clone());
        if let Some(memory) = memory {
            let view = memory.view(&self.env);
            // What does not fit is no memory of 32 bits.
            (self.base, self.len) = (view.data_ptr(), usize::try_from(view.data_size()).unwrap_or(0));
        }
    }

    /// The store's state. No reference into it lives while guest code runs.
    pub(crate) fn state(&mut self) -> &mut State {
        self.env.data_mut()
    }

    /// The store and the state in it, for a call into the guest. [`look`](Self::look) after it.
    pub(crate) fn env(&mut self) -> &mut FunctionEnvMut<'a, State> {
        &mut self.env
    }

    pub(crate) fn canon(&self) -> &'a Canon {
        self.canon
    }

    pub(super) fn bound(&self, kind: Kind) -> Result<Bound, Trap> {
        self.canon.bound(kind)
    }

    /// The guest's memory.
    pub(crate) fn memory(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: `look` took both from the store's memory, and no guest code has run since: whoever runs some looks
        // again. The store is borrowed by this transfer, and its memory by nobody else.
        unsafe { std::slice::from_raw_parts(self.base, self.len) }
    }

    /// The guest's memory, to write to.
    pub(crate) fn memory_mut(&mut self) -> &mut [u8] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: as in `memory`, and this transfer is borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.base, self.len) }
    }

    pub(crate) fn read<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.memory()[at..at + N]);
        bytes
    }

    pub(crate) fn write(&mut self, at: usize, bytes: &[u8]) {
        self.memory_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A place in memory that a guest named: aligned, and all of it inside.
    pub(crate) fn place(&self, at: u32, size: usize, align: usize) -> Result<usize, Trap> {
        let at = at as usize;
        if !at.is_multiple_of(align) {
            return Err(abi(format!("pointer {at:#x} is not aligned to {align}")));
        }
        match at.checked_add(size) {
            Some(end) if end <= self.len => Ok(at),
            _ => Err(abi(format!("pointer {at:#x} with {size} bytes lies outside the memory of {} bytes", self.len))),
        }
    }

    /// The place of `count` values of `size` bytes that a guest named. They are charged as what they become: `cost` bytes
    /// each.
    pub(crate) fn places(
        &mut self,
        at: u32,
        count: usize,
        size: usize,
        align: usize,
        cost: usize,
    ) -> Result<usize, Trap> {
        let bytes = count.checked_mul(size).filter(|bytes| *bytes <= MOST_BYTES);
        let bytes = bytes.ok_or_else(|| abi(format!("{count} values of {size} bytes are more than a memory holds")))?;
        let at = self.place(at, bytes, align)?;
        match count.checked_mul(cost).and_then(|cost| self.left.checked_sub(cost)) {
            Some(left) => self.left = left,
            None => {
                let text = format!("the guest hands over {count} values of {cost} bytes, more than the call allows");
                return Err(Trap::new(TrapKind::Memory, text));
            }
        }
        Ok(at)
    }

    /// Room in the guest's memory, from its own allocator.
    pub(crate) fn allocate(&mut self, size: usize, align: usize) -> Result<usize, Trap> {
        self.reallocate(0, 0, align, size)
    }

    /// Changes the size of room in the guest's memory ("realloc": the answer is aligned and inside the memory).
    pub(crate) fn reallocate(&mut self, old: usize, old_size: usize, align: usize, size: usize) -> Result<usize, Trap> {
        if size > MOST_BYTES {
            return Err(Trap::new(TrapKind::Memory, format!("{size} bytes are more than a guest can take")));
        }
        let realloc = self.canon.options.realloc.and_then(|index| self.env.data().reallocs[index as usize].clone());
        let realloc = realloc.ok_or_else(|| abi("the component has no allocator for what it is given"))?;
        let old = u32::try_from(old).map_err(|_| abi("a pointer beyond 32 bits"))?;
        // All three are below 2^31.
        let at = realloc.call(&mut self.env, old as i32, old_size as i32, align as i32, size as i32);
        let at = at.map_err(|error| guard::trap(&error))?;
        self.look();
        self.place(at as u32, size, align).map_err(|trap| abi(format!("realloc answered badly: {}", trap.message)))
    }

    /// Room for `count` values of `size` bytes.
    pub(crate) fn allocate_all(&mut self, count: usize, size: usize, align: usize) -> Result<usize, Trap> {
        let bytes = count.checked_mul(size);
        let bytes = bytes.ok_or_else(|| Trap::new(TrapKind::Memory, "a list larger than any memory"))?;
        self.allocate(bytes, align)
    }
}
