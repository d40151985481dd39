//! Instructions that lock memory, which every lock is taken with, free or not: counted by running a thread one instruction at a time.
//!
//! The processor's trap flag makes it stop after each instruction; the handler of that signal looks at the next one. Nothing of what
//! runs has to help, so the engines' own code and that of the guests is seen too. Locked without being locks are counters such as those of
//! shared ownership; the hot path has none of them either.

use std::{
    ffi::c_void,
    mem, ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

/// The signal's context keeps the address of the next instruction there.
const NEXT: usize = libc::REG_RIP as usize;

static STEPS: AtomicUsize = AtomicUsize::new(0);
static LOCKED: AtomicUsize = AtomicUsize::new(0);

/// What a thread did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    /// Instructions.
    pub(crate) steps: usize,
    /// Those of them that lock memory.
    pub(crate) locked: usize,
}

/// Whether the instruction there locks memory (Intel SDM 2, LOCK and XCHG).
///
/// # Safety
/// There is an instruction.
unsafe fn is_locked(mut at: *const u8) -> bool {
    // SAFETY: it has at least as many bytes as are read: prefixes, an opcode, and what every `xchg` has behind it.
    unsafe {
        loop {
            match at.read() {
                0xf0 => return true,
                // Prefixes that say other things.
                0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf2 | 0xf3 => at = at.add(1),
                // `xchg` locks without being told to, where one side is memory.
                0x86 | 0x87 => return at.add(1).read() < 0xc0,
                _ => return false,
            }
        }
    }
}

extern "C" fn stepped(_: i32, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the system hands a handler with SA_SIGINFO the context of what it interrupted, whose next instruction is one.
    let locked = unsafe { is_locked((*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs[NEXT] as *const u8) };
    // Here the flag is off.
    STEPS.fetch_add(1, Ordering::Relaxed);
    LOCKED.fetch_add(locked.into(), Ordering::Relaxed);
}

/// Runs `work` one instruction at a time. One thread of a process at a time.
pub(crate) fn watch(work: impl FnOnce()) -> Watched {
    // SAFETY: zeroes are a valid `sigaction`; the handler only reads code and counts. It runs on the stack for signals, as guests' stacks are small.
    let mut action: libc::sigaction = unsafe { mem::zeroed() };
    action.sa_sigaction = stepped as extern "C" fn(i32, *mut libc::siginfo_t, *mut c_void) as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    let mut before: libc::sigaction = action;
    // SAFETY: both point to what they should.
    assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &raw const action, &raw mut before) }, 0);
    STEPS.store(0, Ordering::Relaxed);
    LOCKED.store(0, Ordering::Relaxed);
    let stepping = Stepping::begin();
    work();
    drop(stepping);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::sigaction(libc::SIGTRAP, &raw const before, ptr::null_mut()) }, 0);
    Watched { steps: STEPS.load(Ordering::Relaxed), locked: LOCKED.load(Ordering::Relaxed) }
}

/// While it lives, the processor stops after each instruction of this thread.
struct Stepping;

impl Stepping {
    fn begin() -> Self {
        // SAFETY: sets the trap flag, for whose signal there is a handler.
        unsafe { std::arch::asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        Self
    }
}

impl Drop for Stepping {
    fn drop(&mut self) {
        // SAFETY: clears what was set.
        unsafe { std::arch::asm!("pushfq", "and qword ptr [rsp], -0x101", "popfq") };
    }
}
