//! What ends a guest, and as which kind of trap; and what is refused before one starts.
#![allow(clippy::unwrap_used, reason = "what is unwrapped is expected by the test")]

mod common;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{
    Memory, Running, Setup, engine, load, prebuilt, trap_of,
    wat::{ALLOC, DISABLE, component, enable, enable_function, wrap},
};
use stellatune_plugin_core::{
    control::CallControl,
    engine::{Engine, Phase},
    error::{CallResult, PluginError, Trap, TrapKind},
    host::HostStream,
    limits::Limits,
    types::{DisableReason, SeekWhence},
};

const OK: &str = "(i32.const 0)";

fn enabling(wasm: &[u8]) -> CallResult<()> {
    Setup::default().start(wasm).expect("it starts").call(|it| it.enable())
}

fn starting(wasm: &[u8]) -> Trap {
    Setup::default().start(wasm).map(|_| ()).expect_err("it does not start")
}

#[track_caller]
fn ends_as(kind: TrapKind, wasm: &[u8]) -> Trap {
    let trap = trap_of(enabling(wasm));
    assert_eq!(trap.kind, kind, "{trap}");
    trap
}

/// A session of `edge-decoder` with this hint.
fn edge(hint: &str) -> (Running, CallResult<stellatune_plugin_core::table::ObjectId>) {
    let mut guest = Setup::default().start(&prebuilt("edge-decoder")).expect("it starts");
    let opened = guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), Some(hint)));
    (guest, opened)
}

fn reading(hint: &str) -> Trap {
    let (mut guest, session) = edge(hint);
    let session = session.unwrap();
    trap_of(guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)))
}

#[test]
fn a_minimal_component_runs() {
    let mut guest = Setup::default().start(&enable(OK)).unwrap();
    assert_eq!(guest.call(|it| it.enable()), Ok(()));
    assert_eq!(guest.call(|it| it.disable(DisableReason::Reload)), Ok(()));
}

#[test]
fn what_the_guest_does_to_itself_is_named() {
    ends_as(TrapKind::Unreachable, &enable("unreachable"));
    ends_as(TrapKind::Arithmetic, &enable("(i32.div_u (i32.const 1) (i32.const 0))"));
    ends_as(TrapKind::Arithmetic, &enable("(i32.div_s (i32.const 0x80000000) (i32.const -1))"));
    ends_as(TrapKind::Arithmetic, &enable("(i32.trunc_f32_u (f32.const nan))"));
    ends_as(TrapKind::Bounds, &enable("(i32.load (i32.const 0x7fffffff))"));
    ends_as(TrapKind::Bounds, &enable("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)"));
    let table = |body: &str| {
        component(&format!(
            "(memory (export \"memory\") 1) (table 4 funcref) (type $t (func (result i32))) (elem (i32.const 1) $wrong)
             (func $wrong) {ALLOC} {DISABLE} {}",
            enable_function(body)
        ))
    };
    ends_as(TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 9))"));
    ends_as(TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 0))"));
    ends_as(TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 1))"));
    ends_as(TrapKind::Stack, &enable("(call $enable)"));
}

#[test]
fn a_compiled_language_faults_the_same_way() {
    assert_eq!(reading("trap").kind, TrapKind::Unreachable);
    assert_eq!(reading("panic").kind, TrapKind::Unreachable);
    assert_eq!(reading("exit").kind, TrapKind::Unreachable);
    assert_eq!(reading("grow").kind, TrapKind::Unreachable);
    assert_eq!(reading("div").kind, TrapKind::Arithmetic);
    assert_eq!(reading("bounds").kind, TrapKind::Bounds);
    assert_eq!(reading("stack").kind, TrapKind::Stack);
    let (_, opened) = edge("trap-open");
    assert_eq!(trap_of(opened).kind, TrapKind::Unreachable);
    for hook in ["enable", "disable"] {
        let mut guest = Setup::default().start(&prebuilt(&format!("hook-trap-{hook}"))).unwrap();
        let result = guest.call(|it| if hook == "enable" { it.enable() } else { it.disable(DisableReason::Unload) });
        assert_eq!(trap_of(result).kind, TrapKind::Unreachable);
    }
}

#[test]
fn the_stack_ends_again_and_again() {
    // G03
    for _ in 0..200 {
        ends_as(TrapKind::Stack, &enable("(call $enable)"));
    }
}

/// An `on-enable` that answers with an error whose text is at `pointer` and `len` bytes long.
fn refusing(case: u8, pointer: i64, len: i64) -> Vec<u8> {
    enable(&format!(
        "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store8 (i32.const 20) (i32.const {case}))
         (i32.store (i32.const 24) (i32.const {pointer})) (i32.store (i32.const 28) (i32.const {len})) (i32.const 16)"
    ))
}

#[test]
fn breaches_of_the_canonical_abi_are_named() {
    // G10, G11
    assert_eq!(enabling(&refusing(5, 64, 0)), Err(PluginError::Denied(String::new()).into()));
    ends_as(TrapKind::Abi, &refusing(7, 64, 0));
    ends_as(TrapKind::Abi, &refusing(0, 65_530, 100));
    ends_as(TrapKind::Abi, &refusing(0, 64, -1));
    ends_as(TrapKind::Abi, &enable("(i32.store8 (i32.const 0) (i32.const 2)) (i32.const 0)"));
    ends_as(TrapKind::Abi, &enable("(i32.const 2)"));
    ends_as(TrapKind::Abi, &enable("(i32.const 65532)"));
    let broken_text = "(i32.store8 (i32.const 64) (i32.const 0xff)) (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 1)) (i32.const 16)";
    ends_as(TrapKind::Abi, &enable(broken_text));
}

#[test]
fn text_beyond_the_boundary_budget_is_not_copied() {
    // G09
    let module = format!(
        "(memory (export \"memory\") 200) {ALLOC} {DISABLE} {}",
        enable_function(
            "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 24) (i32.const 64))
             (i32.store (i32.const 28) (i32.const 9000000)) (i32.const 16)"
        )
    );
    ends_as(TrapKind::Memory, &component(&module));
    let (mut guest, session) = edge("big-pcm-9000");
    let session = session.unwrap();
    let trap = trap_of(guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)));
    assert_eq!(trap.kind, TrapKind::Memory, "{trap}");
}

#[test]
fn memory_ends_at_the_cap_without_a_trap() {
    // G05: 64 MiB are 1024 pages, one of which is there.
    let grow = |pages: u32, expected: i32| {
        enable(&format!(
            "(if (i32.ne (memory.grow (i32.const {pages})) (i32.const {expected})) (then unreachable)) (i32.const 0)"
        ))
    };
    assert_eq!(enabling(&grow(1023, 1)), Ok(()));
    assert_eq!(enabling(&grow(1024, -1)), Ok(()));
    let until_full = "(local i32) (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (if (i32.ne (local.get 0) (i32.const 1024)) (then unreachable)) (i32.const 0)";
    assert_eq!(enabling(&enable(until_full)), Ok(()));
}

#[test]
fn refused_growth_gives_nothing_back() {
    let wasm = enable(
        "(local i32) (drop (memory.grow (i32.const 1000)))
         (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))
            (if (i32.ne (memory.grow (i32.const 30)) (i32.const -1)) (then unreachable))
            (br_if $more (i32.lt_u (local.get 0) (i32.const 10))))
         (if (i32.eq (memory.grow (i32.const 23)) (i32.const -1)) (then unreachable)) (i32.const 0)",
    );
    assert_eq!(enabling(&wasm), Ok(()));
}

#[test]
fn growth_beyond_a_memory_s_own_maximum_takes_nothing() {
    let module = format!(
        "(memory (export \"memory\") 1 2) {ALLOC} {DISABLE} {}",
        enable_function(
            "(local i32) (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                (if (i32.ne (memory.grow (i32.const 500)) (i32.const -1)) (then unreachable))
                (br_if $more (i32.lt_u (local.get 0) (i32.const 10))))
             (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (i32.const 0)"
        )
    );
    assert_eq!(enabling(&component(&module)), Ok(()));
}

#[test]
fn memories_count_together() {
    // L04: two memories of 40 MiB each.
    let wasm = wrap(
        "",
        &format!(
            "(core module $other (memory 640)) (core module $m (memory (export \"memory\") 640) {ALLOC} {DISABLE} {})
             (core instance (instantiate $other)) (core instance $i (instantiate $m))",
            enable_function(OK)
        ),
    );
    assert_eq!(starting(&wasm).kind, TrapKind::Memory);
    let setup = Setup { limits: Limits { memory_bytes: 80 << 20, ..Limits::AUDIO }, ..Setup::default() };
    assert!(setup.start(&wasm).is_ok());
}

#[test]
fn minimums_beyond_the_caps_do_not_start() {
    let body = format!("{ALLOC} {DISABLE} {}", enable_function(OK));
    assert_eq!(starting(&component(&format!("(memory (export \"memory\") 65536) {body}"))).kind, TrapKind::Memory);
    let table = |size: u32| component(&format!("(memory (export \"memory\") 1) (table {size} funcref) {body}"));
    assert_eq!(starting(&table(10_000_000)).kind, TrapKind::Memory);
    assert!(Setup::default().start(&table(100_000)).is_ok());
    let instances = "(core instance (instantiate $empty))".repeat(40);
    let many = wrap(
        "",
        &format!(
            "(core module $empty) {instances} (core module $m (memory (export \"memory\") 1) {body})
             (core instance $i (instantiate $m))"
        ),
    );
    assert_eq!(starting(&many).kind, TrapKind::Memory);
}

#[test]
fn tables_end_at_the_cap_without_a_trap() {
    // G06
    let module = format!(
        "(memory (export \"memory\") 1) (table $t 1 funcref) {ALLOC} {DISABLE} {}",
        enable_function(
            "(if (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.null func) (i32.const 99999)) (i32.const 1)) (then unreachable))
             (i32.const 0)"
        )
    );
    assert_eq!(enabling(&component(&module)), Ok(()));
}

#[test]
fn start_functions_fail_the_start() {
    // L06, L09
    let body = format!("(memory (export \"memory\") 1) {ALLOC} {DISABLE} {}", enable_function(OK));
    let with = |more: &str| component(&format!("{body} {more}"));
    assert_eq!(starting(&with("(start $s) (func $s unreachable)")).kind, TrapKind::Unreachable);
    assert_eq!(starting(&with("(start $s) (func $s (call $s))")).kind, TrapKind::Stack);
    assert_eq!(starting(&with("(data (i32.const 65530) \"0123456789\")")).kind, TrapKind::Bounds);
}

/// A component that can use streams: `$close` and `$drop` take a handle.
fn with_streams(body: &str) -> Vec<u8> {
    wrap(
        r#"(import "stellatune:plugin/host-stream@0.1.0" (instance $streams
            (export "host-stream-handle" (type $stream (sub resource)))
            (export "[method]host-stream-handle.close" (func (param "self" (borrow $stream))))))
        (alias export $streams "host-stream-handle" (type $stream))
        (core func $drop (canon resource.drop $stream))
        (core func $close (canon lower (func $streams "[method]host-stream-handle.close")))"#,
        &format!(
            "(core module $m (import \"host\" \"close\" (func $close (param i32)))
                (import \"host\" \"drop\" (func $drop (param i32)))
                (memory (export \"memory\") 1) {ALLOC} {DISABLE} {})
             (core instance $host (export \"close\" (func $close)) (export \"drop\" (func $drop)))
             (core instance $i (instantiate $m (with \"host\" (instance $host))))",
            enable_function(body)
        ),
    )
}

#[test]
fn forged_handles_reach_nothing() {
    // G13
    for handle in ["0", "1", "77", "-1"] {
        ends_as(TrapKind::Abi, &with_streams(&format!("(call $close (i32.const {handle})) (i32.const 0)")));
        ends_as(TrapKind::Abi, &with_streams(&format!("(call $drop (i32.const {handle})) (i32.const 0)")));
    }
}

#[test]
fn handles_end_at_the_cap() {
    // G07
    let wasm = wrap(
        "(type $thing (resource (rep i32))) (core func $new (canon resource.new $thing))",
        &format!(
            "(core module $m (import \"host\" \"new\" (func $new (param i32) (result i32)))
                (memory (export \"memory\") 1) {ALLOC} {DISABLE} {})
             (core instance $host (export \"new\" (func $new)))
             (core instance $i (instantiate $m (with \"host\" (instance $host))))",
            enable_function("(loop $more (drop (call $new (i32.const 1))) (br $more)) (i32.const 0)")
        ),
    );
    ends_as(TrapKind::Memory, &wasm);
}

/// Counts its reads and fails each in its own way.
struct Failing(Arc<AtomicUsize>, Option<Trap>);

impl HostStream for Failing {
    fn read(&mut self, _: u32, _: &Arc<CallControl>) -> CallResult<Vec<u8>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        match &self.1 {
            Some(trap) => Err(trap.clone().into()),
            None => panic!("a fault of the host"),
        }
    }

    fn seek(&mut self, _: i64, _: SeekWhence, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("no".into()).into())
    }

    fn tell(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("no".into()).into())
    }

    fn size(&mut self, _: &Arc<CallControl>) -> CallResult<u64> {
        Err(PluginError::Unsupported("no".into()).into())
    }
}

fn failing(trap: Option<Trap>) -> (Running, Arc<AtomicUsize>, CallResult<()>) {
    let mut guest = Setup::default().start(&prebuilt("edge-decoder")).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let stream = Box::new(Failing(Arc::clone(&reads), trap));
    let session = guest.call(|it| it.decoder().unwrap().open(stream, None)).unwrap();
    let result = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)).map(|_| ());
    (guest, reads, result)
}

#[test]
fn a_trap_of_the_host_keeps_its_kind_and_text() {
    let trap = Trap::new(TrapKind::Cancelled, "by the test");
    let (_, _, result) = failing(Some(trap.clone()));
    assert_eq!(result, Err(trap.into()));
}

#[test]
fn a_panic_of_the_host_ends_the_guest_only() {
    // R01
    let (_, _, result) = failing(None);
    let trap = trap_of(result);
    assert_eq!((trap.kind, trap.message.contains("a fault of the host")), (TrapKind::Host, true), "{trap}");
    assert_eq!(enabling(&prebuilt("edge-decoder")), Ok(()));
}

#[test]
fn a_guest_that_trapped_is_never_entered_again() {
    // G15
    let (mut guest, reads, result) = failing(None);
    let trap = trap_of(result);
    let again = guest.call(|it| it.decoder().unwrap().open(Memory::boxed(""), None));
    assert_eq!(trap_of(again), trap);
    assert_eq!(trap_of(guest.call(|it| it.disable(DisableReason::Unload))), trap);
    assert_eq!(trap_of(guest.call(|it| it.enable())), trap);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert!(guest.lines.all().is_empty());
}

#[test]
fn a_trap_while_closing_ends_the_guest_and_the_object() {
    // G16
    let (mut guest, session) = edge("trap-close");
    let session = session.unwrap();
    let trap = guest.call(|it| it.close(session)).expect_err("its destructor traps");
    assert_eq!(trap.kind, TrapKind::Unreachable);
    assert_eq!(guest.call(|it| it.close(session)), Ok(()));
}

#[test]
fn imports_that_no_host_offers_are_named() {
    // L08
    let unknown = wrap(
        r#"(import "acme:player/secrets@1.0.0" (instance (export "read" (func (result u32)))))"#,
        &format!(
            "(core module $m (memory (export \"memory\") 1) {ALLOC} {DISABLE} {}) (core instance $i (instantiate $m))",
            enable_function(OK)
        ),
    );
    let error = load(&unknown).map(|_| ()).unwrap_err();
    assert_eq!(error.phase, Phase::Link);
    assert!(error.message.contains("acme:player/secrets@1.0.0") && error.message.contains("read"), "{error}");
}

#[test]
fn exports_that_are_missing_or_of_another_type_are_named() {
    // L08
    let module = "(core module $m (func (export \"f\") (result i32) (i32.const 0))) (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i \"f\")))";
    let exporting = |functions: &str| {
        let text = format!(
            "(component {module} (instance $l {functions})
                (export \"stellatune:plugin/lifecycle@0.1.0\" (instance $l)))"
        );
        wat::parse_str(text).unwrap()
    };
    for (functions, missing) in [("", "on-enable"), ("(export \"on-enable\" (func $f))", "on-disable")] {
        let error = load(&exporting(functions)).map(|_| ()).unwrap_err();
        assert_eq!((error.phase, error.message.contains(missing)), (Phase::Link, true), "{error}");
    }
    let error = load(&wat::parse_str("(component)").unwrap()).map(|_| ()).unwrap_err();
    assert_eq!((error.phase, error.message.contains("stellatune:plugin/lifecycle")), (Phase::Link, true), "{error}");

    let trap = starting(&exporting("(export \"on-enable\" (func $f)) (export \"on-disable\" (func $f))"));
    assert_eq!((trap.kind, trap.message.contains("stellatune:plugin/lifecycle")), (TrapKind::Abi, true), "{trap}");
}

#[test]
fn only_webassembly_components_are_compiled() {
    // P28, P29, L10
    let engine = engine();
    let refused = |wasm: &[u8]| engine.compile(wasm).map(|_| ()).unwrap_err();
    let compiled = engine.compile(&enable(OK)).unwrap();
    for wasm in [compiled.bytes(), b"(component)", b"", b"\0asm", b"\0asm\x01\0\0\0", b"\x7fELF"] {
        assert_eq!(refused(wasm).phase, Phase::Compile);
    }
    for proposal in [
        "(core module (memory i64 1))",
        "(core module (memory 1 1 shared))",
        "(core module (type (struct)))",
        "(core module (tag))",
        "(core module (memory 1 (pagesize 1)))",
        "(core module (memory 1) (memory 1))",
        "(core module (func (return_call 0)))",
        "(type (stream u8))",
        "(core func (canon error-context.drop))",
    ] {
        let wasm = wat::parse_str(format!("(component {proposal})")).unwrap();
        let error = refused(&wasm);
        assert_eq!(error.phase, Phase::Compile, "{proposal}: {error}");
    }
}

#[test]
fn code_of_another_engine_is_not_loaded() {
    let engine = engine();
    // SAFETY: this is no code at all, which is what the test is about.
    let damaged = unsafe { stellatune_plugin_core::engine::Artifact::trusted(b"not compiled code".to_vec()) };
    assert_eq!(engine.load(&damaged).map(|_| ()).unwrap_err().phase, Phase::Load);
}
