//! What a block of the hot path does besides its work: allocations are counted, system calls forbidden. // X14
//!
//! Allocations are counted by an allocator, [`Counting`], which a program that asks has to make its own. System calls are forbidden to a
//! thread by a seccomp filter, which kills the process at the first one. A lock that has to wait is a system call too; one that is free
//! is an instruction that locks memory, and those are counted ([`locked`]).

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "locked.rs"]
pub(crate) mod locked;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    path::Path,
};

use stellatune_plugins::{
    Limits, engine,
    hot::{HotControl, HotParameters, HotProcessor, HotSink, HotSpec, Primed, RESET_SEEK},
    types::{AudioSpec, BufferLayout, CoreModuleSpec, HotPathRole, SampleFormat},
};

/// The system's allocator, counted for each thread.
pub(crate) struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Allocations and releases of this thread so far.
pub(crate) fn allocations() -> usize {
    ALLOCATIONS.get()
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: the system's allocator does the work; counting touches a thread local that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the rules of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller keeps the rules of `dealloc`.
        unsafe { System.dealloc(memory, layout) }
    }
}

fn described(role: HotPathRole) -> CoreModuleSpec {
    CoreModuleSpec {
        role,
        wasm_rel_path: "hot.wasm".into(),
        abi_version: 1,
        memory_export: "memory".into(),
        init_export: "st_hot_init".into(),
        process_export: "st_hot_process".into(),
        reset_export: None,
        drop_export: None,
        buffer: BufferLayout {
            in_offset: 1024,
            out_offset: (role == HotPathRole::DspTransform).then_some(66_560),
            max_frames: 1024,
            channels: 2,
            sample_format: SampleFormat::F32le,
            interleaved: true,
        },
    }
}

fn prime(engine_name: &str, wasm: &[u8], spec: CoreModuleSpec, parameters: Option<HotParameters>) -> Primed {
    let engine = engine(Some(engine_name)).expect("an engine compiled in starts");
    let spec = HotSpec::new(spec, AudioSpec { sample_rate: 48_000, channels: 2 }).expect("it keeps the rules");
    Primed::new(&*engine, wasm, &spec.with_parameters(parameters), &Limits::HOT).expect("the fixture primes")
}

fn primed(root: &Path, engine_name: &str, fixture: &str, role: HotPathRole) -> Primed {
    let path = root.join("fixtures/wat-hot").join(fixture);
    let wasm = wat::parse_file(path).expect("the fixture is WebAssembly");
    let mut spec = described(role);
    spec.reset_export = (fixture == "biquad.wat").then(|| "st_hot_reset".into());
    prime(engine_name, &wasm, spec, None)
}

/// Settings of our equaliser with one band, as its component would give them.
fn settings(gain: f64) -> HotParameters {
    HotParameters::new(&[gain, 1.0437, -1.8954, 0.8683, -1.8954, 0.9120]).expect("they are numbers")
}

/// Our equaliser's module, which is written with the SDK: it has its block at one place.
fn equalizer(root: &Path, engine_name: &str) -> Primed {
    const BLOCK_AT: u32 = 0x11_0000;

    let path = root.join("plugins/prebuilt/equalizer/wasm/equalizer_hot.wasm");
    let wasm = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut spec = described(HotPathRole::DspTransform);
    (spec.reset_export, spec.drop_export) = (Some("st_hot_reset".into()), Some("st_hot_drop".into()));
    (spec.buffer.in_offset, spec.buffer.out_offset) = (BLOCK_AT, Some(BLOCK_AT));
    prime(engine_name, &wasm, spec, Some(settings(1.0)))
}

/// Everything an audio thread does in its blocks, with a replacement under way, a module that leaves, and new settings.
pub(crate) struct Playing {
    processor: HotProcessor,
    equalizer: HotProcessor,
    settings: HotControl,
    sink: HotSink,
    input: Vec<f32>,
    output: Vec<f32>,
}

impl Playing {
    /// `root` is that of the repository.
    pub(crate) fn new(root: &Path, engine: &str) -> Self {
        let dsp = |fixture| primed(root, engine, fixture, HotPathRole::DspTransform);
        let (processor, mut control) = HotProcessor::new(dsp("biquad.wat")).expect("it is a DSP");
        control.replace(dsp("biquad.wat")).expect("there is room");
        // Its other half goes elsewhere; what leaves the line stays in the queue.
        let (sink, _) = HotSink::new(primed(root, engine, "gain.wat", HotPathRole::OutputSink)).expect("it is a sink");
        let (equalizer, settings) = HotProcessor::new(equalizer(root, engine)).expect("it is a DSP");
        let input: Vec<f32> = (0..3000).map(|place| (place % 100) as f32 / 100.0).collect();
        Self { processor, equalizer, settings, sink, output: vec![0.0; input.len()], input }
    }

    /// What a thread does before it plays.
    pub(crate) fn prepare(&self) {
        self.processor.prepare_thread();
    }

    /// Each round is [`BLOCKS`] blocks: two of a longer one, one in place, one of the sink, and one of a DSP that is given settings.
    pub(crate) fn play(&mut self, rounds: usize) {
        for round in 0..rounds {
            let outcome = self.processor.process(&self.input, &mut self.output);
            assert!(outcome.wet);
            let mut inside = self.processor.block(512);
            inside.input().copy_from_slice(&self.input[..1024]);
            assert!(inside.process().1.wet);
            assert_eq!(self.sink.write(&self.input[..128]).frames, 64);
            if round % 10 == 0 {
                self.processor.reset(RESET_SEEK);
                self.settings.configure(settings((round % 20) as f64 / 20.0)).expect("those before were taken");
            }
            assert!(self.equalizer.process(&self.input[..256], &mut self.output[..256]).wet);
        }
    }
}

/// Blocks in a round of [`Playing`].
pub(crate) const BLOCKS: usize = 5;

/// What `rounds` allocate, on a thread that has called no guest before.
pub(crate) fn allocations_of(mut playing: Playing, rounds: usize) -> usize {
    let counted = std::thread::spawn(move || {
        playing.prepare();
        let before = allocations();
        playing.play(rounds);
        allocations() - before
    });
    counted.join().expect("it plays")
}

/// What `rounds` lock, on a thread that has called no guest before. `breaks` takes a lock that is free.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) fn locks_of(mut playing: Playing, rounds: usize, breaks: bool) -> locked::Watched {
    let watched = std::thread::spawn(move || {
        playing.prepare();
        let free = std::sync::Mutex::new(());
        locked::watch(|| {
            playing.play(rounds);
            if breaks {
                drop(std::hint::black_box(&free).lock());
            }
        })
    });
    watched.join().expect("it plays")
}

#[cfg(target_os = "linux")]
pub(crate) mod system_calls {
    use std::io;

    use super::*;

    /// What a process without seccomp answers with.
    pub(crate) const NOT_RUN: i32 = 77;

    /// Lets this thread end the process and nothing else: any other system call kills it.
    fn forbid() -> io::Result<()> {
        // Load the number; two that end are allowed (skip to the last), all else kills.
        let load = libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
        let allow_if = |number: libc::c_long, jt| libc::sock_filter { code: 0x15, jt, jf: 0, k: number as u32 };
        let answer = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
        let mut filter = [
            load,
            allow_if(libc::SYS_exit_group, 1),
            answer(libc::SECCOMP_RET_KILL_PROCESS),
            answer(libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
        // SAFETY: neither call keeps the pointer to the program, which is well-formed.
        let answers = unsafe {
            [
                libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
                libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0),
            ]
        };
        if answers == [0, 0] { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    fn end(code: i32) -> ! {
        // SAFETY: ends the process; what is left behind is nobody's.
        unsafe { libc::_exit(code) }
    }

    /// Ends this process: with 0 after `rounds` without a system call on a thread that has called no guest before, by a signal after one.
    /// `breaks` makes one.
    pub(crate) fn play(mut playing: Playing, rounds: usize, breaks: bool) -> ! {
        let plays = std::thread::spawn(move || {
            playing.prepare();
            if let Err(error) = forbid() {
                eprintln!("{error}");
                end(NOT_RUN);
            }
            playing.play(rounds);
            if breaks {
                // SAFETY: it has no arguments and changes nothing.
                unsafe { libc::getppid() };
            }
            end(0)
        });
        // It ends the process, unless it panics.
        let _ = plays.join();
        end(1)
    }
}
