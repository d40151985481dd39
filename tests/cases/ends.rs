//! What ends a guest, and as which kind of trap; and what is refused before one starts.
#![allow(clippy::unwrap_used, reason = "what is unwrapped is expected by the case")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use stellatune_plugin_core::{
    control::CallControl,
    engine::Phase,
    error::{CallResult, PluginError, Trap, TrapKind},
    host::HostStream,
    limits::Limits,
    types::{DisableReason, SeekWhence},
};

use crate::support::{
    Case, Subject,
    bare::{Memory, Running, Setup, trap_of},
    fixture,
    minimal::{ALLOC, DISABLE, component, enable, enable_function, wrap},
};

pub(crate) fn cases() -> Vec<Case> {
    vec![
        Case::new("ends/a-minimal-component-runs", [], a_minimal_component_runs),
        Case::new("ends/what-the-guest-does-to-itself-is-named", [], what_the_guest_does_to_itself_is_named),
        Case::new(
            "ends/a-compiled-language-faults-the-same-way",
            ["edge-decoder"],
            a_compiled_language_faults_the_same_way,
        ),
        Case::new("ends/the-stack-ends-again-and-again", [], the_stack_ends_again_and_again),
        Case::new("ends/breaches-of-the-canonical-abi-are-named", [], breaches_of_the_canonical_abi_are_named),
        Case::new(
            "ends/text-beyond-the-boundary-budget-is-not-copied",
            ["edge-decoder"],
            text_beyond_the_boundary_budget_is_not_copied,
        ),
        Case::new("ends/memory-ends-at-the-cap-without-a-trap", [], memory_ends_at_the_cap_without_a_trap),
        Case::new("ends/refused-growth-gives-nothing-back", [], refused_growth_gives_nothing_back),
        Case::new(
            "ends/growth-beyond-a-memory-s-own-maximum-takes-nothing",
            [],
            growth_beyond_a_memory_s_own_maximum_takes_nothing,
        ),
        Case::new("ends/memories-count-together", [], memories_count_together),
        Case::new("ends/minimums-beyond-the-caps-do-not-start", [], minimums_beyond_the_caps_do_not_start),
        Case::new("ends/tables-end-at-the-cap-without-a-trap", [], tables_end_at_the_cap_without_a_trap),
        Case::new("ends/start-functions-fail-the-start", [], start_functions_fail_the_start),
        Case::new("ends/forged-handles-reach-nothing", [], forged_handles_reach_nothing),
        Case::new("ends/handles-end-at-the-cap", [], handles_end_at_the_cap),
        Case::new(
            "ends/a-trap-of-the-host-keeps-its-kind-and-text",
            ["edge-decoder"],
            a_trap_of_the_host_keeps_its_kind_and_text,
        ),
        Case::new(
            "ends/a-panic-of-the-host-ends-the-guest-only",
            ["edge-decoder"],
            a_panic_of_the_host_ends_the_guest_only,
        ),
        Case::new(
            "ends/a-guest-that-trapped-is-never-entered-again",
            ["edge-decoder"],
            a_guest_that_trapped_is_never_entered_again,
        ),
        Case::new(
            "ends/a-trap-while-closing-ends-the-guest-and-the-object",
            ["edge-decoder"],
            a_trap_while_closing_ends_the_guest_and_the_object,
        ),
        Case::new("ends/imports-that-no-host-offers-are-named", [], imports_that_no_host_offers_are_named),
        Case::new(
            "ends/exports-that-are-missing-or-of-another-type-are-named",
            [],
            exports_that_are_missing_or_of_another_type_are_named,
        ),
        Case::new("ends/only-webassembly-components-are-compiled", [], only_webassembly_components_are_compiled),
        Case::new("ends/code-of-another-engine-is-not-loaded", [], code_of_another_engine_is_not_loaded),
    ]
}

const OK: &str = "(i32.const 0)";

fn enabling(subject: &Subject, wasm: &[u8]) -> CallResult<()> {
    Setup::default().start(subject, wasm).expect("it starts").call(|it| it.enable())
}

fn starting(subject: &Subject, wasm: &[u8]) -> Trap {
    Setup::default().start(subject, wasm).map(|_| ()).expect_err("it does not start")
}

#[track_caller]
fn ends_as(subject: &Subject, kind: TrapKind, wasm: &[u8]) -> Trap {
    let trap = trap_of(enabling(subject, wasm));
    assert_eq!(trap.kind, kind, "{trap}");
    trap
}

/// A session of `edge-decoder` with this hint.
fn edge(subject: &Subject, hint: &str) -> (Running, CallResult<stellatune_plugin_core::table::ObjectId>) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).expect("it starts");
    let opened = guest.call(|it| it.decoder().unwrap().open(Memory::boxed("12345678"), Some(hint)));
    (guest, opened)
}

fn reading(subject: &Subject, hint: &str) -> Trap {
    let (mut guest, session) = edge(subject, hint);
    let session = session.unwrap();
    trap_of(guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)))
}

fn a_minimal_component_runs(subject: &Subject) {
    let mut guest = Setup::default().start(subject, &enable(OK)).unwrap();
    assert_eq!(guest.call(|it| it.enable()), Ok(()));
    assert_eq!(guest.call(|it| it.disable(DisableReason::Reload)), Ok(()));
}

fn what_the_guest_does_to_itself_is_named(subject: &Subject) {
    ends_as(subject, TrapKind::Unreachable, &enable("unreachable"));
    ends_as(subject, TrapKind::Arithmetic, &enable("(i32.div_u (i32.const 1) (i32.const 0))"));
    ends_as(subject, TrapKind::Arithmetic, &enable("(i32.div_s (i32.const 0x80000000) (i32.const -1))"));
    ends_as(subject, TrapKind::Arithmetic, &enable("(i32.trunc_f32_u (f32.const nan))"));
    ends_as(subject, TrapKind::Bounds, &enable("(i32.load (i32.const 0x7fffffff))"));
    ends_as(
        subject,
        TrapKind::Bounds,
        &enable("(memory.fill (i32.const 0) (i32.const 0) (i32.const -1)) (i32.const 0)"),
    );
    let table = |body: &str| {
        component(&format!(
            "(memory (export \"memory\") 1) (table 4 funcref) (type $t (func (result i32))) (elem (i32.const 1) $wrong)
             (func $wrong) {ALLOC} {DISABLE} {}",
            enable_function(body)
        ))
    };
    ends_as(subject, TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 9))"));
    ends_as(subject, TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 0))"));
    ends_as(subject, TrapKind::Bounds, &table("(call_indirect (type $t) (i32.const 1))"));
    ends_as(subject, TrapKind::Stack, &enable("(call $enable)"));
}

fn a_compiled_language_faults_the_same_way(subject: &Subject) {
    assert_eq!(reading(subject, "trap").kind, TrapKind::Unreachable);
    assert_eq!(reading(subject, "panic").kind, TrapKind::Unreachable);
    assert_eq!(reading(subject, "exit").kind, TrapKind::Unreachable);
    assert_eq!(reading(subject, "grow").kind, TrapKind::Unreachable);
    assert_eq!(reading(subject, "div").kind, TrapKind::Arithmetic);
    assert_eq!(reading(subject, "bounds").kind, TrapKind::Bounds);
    assert_eq!(reading(subject, "stack").kind, TrapKind::Stack);
    let (_, opened) = edge(subject, "trap-open");
    assert_eq!(trap_of(opened).kind, TrapKind::Unreachable);
    for hook in ["enable", "disable"] {
        let mut guest = Setup::default().start(subject, &fixture::wasm(&format!("hook-trap-{hook}"))).unwrap();
        let result = guest.call(|it| if hook == "enable" { it.enable() } else { it.disable(DisableReason::Unload) });
        assert_eq!(trap_of(result).kind, TrapKind::Unreachable);
    }
}

fn the_stack_ends_again_and_again(subject: &Subject) {
    // G03
    for _ in 0..200 {
        ends_as(subject, TrapKind::Stack, &enable("(call $enable)"));
    }
}

/// An `on-enable` that answers with an error whose text is at `pointer` and `len` bytes long.
fn refusing(case: u8, pointer: i64, len: i64) -> Vec<u8> {
    enable(&format!(
        "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store8 (i32.const 20) (i32.const {case}))
         (i32.store (i32.const 24) (i32.const {pointer})) (i32.store (i32.const 28) (i32.const {len})) (i32.const 16)"
    ))
}

fn breaches_of_the_canonical_abi_are_named(subject: &Subject) {
    // G10, G11
    assert_eq!(enabling(subject, &refusing(5, 64, 0)), Err(PluginError::Denied(String::new()).into()));
    ends_as(subject, TrapKind::Abi, &refusing(7, 64, 0));
    ends_as(subject, TrapKind::Abi, &refusing(0, 65_530, 100));
    ends_as(subject, TrapKind::Abi, &refusing(0, 64, -1));
    ends_as(subject, TrapKind::Abi, &enable("(i32.store8 (i32.const 0) (i32.const 2)) (i32.const 0)"));
    ends_as(subject, TrapKind::Abi, &enable("(i32.const 2)"));
    ends_as(subject, TrapKind::Abi, &enable("(i32.const 65532)"));
    let broken_text = "(i32.store8 (i32.const 64) (i32.const 0xff)) (i32.store8 (i32.const 16) (i32.const 1))
        (i32.store (i32.const 24) (i32.const 64)) (i32.store (i32.const 28) (i32.const 1)) (i32.const 16)";
    ends_as(subject, TrapKind::Abi, &enable(broken_text));
}

fn text_beyond_the_boundary_budget_is_not_copied(subject: &Subject) {
    // G09
    let module = format!(
        "(memory (export \"memory\") 200) {ALLOC} {DISABLE} {}",
        enable_function(
            "(i32.store8 (i32.const 16) (i32.const 1)) (i32.store (i32.const 24) (i32.const 64))
             (i32.store (i32.const 28) (i32.const 9000000)) (i32.const 16)"
        )
    );
    ends_as(subject, TrapKind::Memory, &component(&module));
    let (mut guest, session) = edge(subject, "big-pcm-9000");
    let session = session.unwrap();
    let trap = trap_of(guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)));
    assert_eq!(trap.kind, TrapKind::Memory, "{trap}");
}

fn memory_ends_at_the_cap_without_a_trap(subject: &Subject) {
    // G05: 64 MiB are 1024 pages, one of which is there.
    let grow = |pages: u32, expected: i32| {
        enable(&format!(
            "(if (i32.ne (memory.grow (i32.const {pages})) (i32.const {expected})) (then unreachable)) (i32.const 0)"
        ))
    };
    assert_eq!(enabling(subject, &grow(1023, 1)), Ok(()));
    assert_eq!(enabling(subject, &grow(1024, -1)), Ok(()));
    let until_full = "(local i32) (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
        (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (if (i32.ne (local.get 0) (i32.const 1024)) (then unreachable)) (i32.const 0)";
    assert_eq!(enabling(subject, &enable(until_full)), Ok(()));
}

fn refused_growth_gives_nothing_back(subject: &Subject) {
    let wasm = enable(
        "(local i32) (drop (memory.grow (i32.const 1000)))
         (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (if (i32.ne (memory.grow (i32.const 65535)) (i32.const -1)) (then unreachable))
            (if (i32.ne (memory.grow (i32.const 30)) (i32.const -1)) (then unreachable))
            (br_if $more (i32.lt_u (local.get 0) (i32.const 10))))
         (if (i32.eq (memory.grow (i32.const 23)) (i32.const -1)) (then unreachable)) (i32.const 0)",
    );
    assert_eq!(enabling(subject, &wasm), Ok(()));
}

fn growth_beyond_a_memory_s_own_maximum_takes_nothing(subject: &Subject) {
    let module = format!(
        "(memory (export \"memory\") 1 2) {ALLOC} {DISABLE} {}",
        enable_function(
            "(local i32) (loop $more (local.set 0 (i32.add (local.get 0) (i32.const 1)))
                (if (i32.ne (memory.grow (i32.const 500)) (i32.const -1)) (then unreachable))
                (br_if $more (i32.lt_u (local.get 0) (i32.const 10))))
             (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable)) (i32.const 0)"
        )
    );
    assert_eq!(enabling(subject, &component(&module)), Ok(()));
}

fn memories_count_together(subject: &Subject) {
    // L04: two memories of 40 MiB each.
    let wasm = wrap(
        "",
        &format!(
            "(core module $other (memory 640)) (core module $m (memory (export \"memory\") 640) {ALLOC} {DISABLE} {})
             (core instance (instantiate $other)) (core instance $i (instantiate $m))",
            enable_function(OK)
        ),
    );
    assert_eq!(starting(subject, &wasm).kind, TrapKind::Memory);
    let setup = Setup { limits: Limits { memory_bytes: 80 << 20, ..Limits::AUDIO }, ..Setup::default() };
    assert!(setup.start(subject, &wasm).is_ok());
}

fn minimums_beyond_the_caps_do_not_start(subject: &Subject) {
    let body = format!("{ALLOC} {DISABLE} {}", enable_function(OK));
    assert_eq!(
        starting(subject, &component(&format!("(memory (export \"memory\") 65536) {body}"))).kind,
        TrapKind::Memory
    );
    let table = |size: u32| component(&format!("(memory (export \"memory\") 1) (table {size} funcref) {body}"));
    assert_eq!(starting(subject, &table(10_000_000)).kind, TrapKind::Memory);
    assert!(Setup::default().start(subject, &table(100_000)).is_ok());
    let instances = "(core instance (instantiate $empty))".repeat(40);
    let many = wrap(
        "",
        &format!(
            "(core module $empty) {instances} (core module $m (memory (export \"memory\") 1) {body})
             (core instance $i (instantiate $m))"
        ),
    );
    assert_eq!(starting(subject, &many).kind, TrapKind::Memory);
}

fn tables_end_at_the_cap_without_a_trap(subject: &Subject) {
    // G06
    let module = format!(
        "(memory (export \"memory\") 1) (table $t 1 funcref) {ALLOC} {DISABLE} {}",
        enable_function(
            "(if (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1)) (then unreachable))
             (if (i32.ne (table.grow $t (ref.null func) (i32.const 99999)) (i32.const 1)) (then unreachable))
             (i32.const 0)"
        )
    );
    assert_eq!(enabling(subject, &component(&module)), Ok(()));
}

fn start_functions_fail_the_start(subject: &Subject) {
    // L06, L09
    let body = format!("(memory (export \"memory\") 1) {ALLOC} {DISABLE} {}", enable_function(OK));
    let with = |more: &str| component(&format!("{body} {more}"));
    assert_eq!(starting(subject, &with("(start $s) (func $s unreachable)")).kind, TrapKind::Unreachable);
    assert_eq!(starting(subject, &with("(start $s) (func $s (call $s))")).kind, TrapKind::Stack);
    assert_eq!(starting(subject, &with("(data (i32.const 65530) \"0123456789\")")).kind, TrapKind::Bounds);
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

fn forged_handles_reach_nothing(subject: &Subject) {
    // G13
    for handle in ["0", "1", "77", "-1"] {
        ends_as(subject, TrapKind::Abi, &with_streams(&format!("(call $close (i32.const {handle})) (i32.const 0)")));
        ends_as(subject, TrapKind::Abi, &with_streams(&format!("(call $drop (i32.const {handle})) (i32.const 0)")));
    }
}

fn handles_end_at_the_cap(subject: &Subject) {
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
    ends_as(subject, TrapKind::Memory, &wasm);
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

fn failing(subject: &Subject, trap: Option<Trap>) -> (Running, Arc<AtomicUsize>, CallResult<()>) {
    let mut guest = Setup::default().start(subject, &fixture::wasm("edge-decoder")).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let stream = Box::new(Failing(Arc::clone(&reads), trap));
    let session = guest.call(|it| it.decoder().unwrap().open(stream, None)).unwrap();
    let result = guest.call(|it| it.decoder().unwrap().read_pcm_f32(session, 1)).map(|_| ());
    (guest, reads, result)
}

fn a_trap_of_the_host_keeps_its_kind_and_text(subject: &Subject) {
    let trap = Trap::new(TrapKind::Cancelled, "by the test");
    let (_, _, result) = failing(subject, Some(trap.clone()));
    assert_eq!(result, Err(trap.into()));
}

fn a_panic_of_the_host_ends_the_guest_only(subject: &Subject) {
    // R01
    let (_, _, result) = failing(subject, None);
    let trap = trap_of(result);
    assert_eq!((trap.kind, trap.message.contains("a fault of the host")), (TrapKind::Host, true), "{trap}");
    assert_eq!(enabling(subject, &fixture::wasm("edge-decoder")), Ok(()));
}

fn a_guest_that_trapped_is_never_entered_again(subject: &Subject) {
    // G15
    let (mut guest, reads, result) = failing(subject, None);
    let trap = trap_of(result);
    let again = guest.call(|it| it.decoder().unwrap().open(Memory::boxed(""), None));
    assert_eq!(trap_of(again), trap);
    assert_eq!(trap_of(guest.call(|it| it.disable(DisableReason::Unload))), trap);
    assert_eq!(trap_of(guest.call(|it| it.enable())), trap);
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert!(guest.lines.all().is_empty());
}

fn a_trap_while_closing_ends_the_guest_and_the_object(subject: &Subject) {
    // G16
    let (mut guest, session) = edge(subject, "trap-close");
    let session = session.unwrap();
    let trap = guest.call(|it| it.close(session)).expect_err("its destructor traps");
    assert_eq!(trap.kind, TrapKind::Unreachable);
    assert_eq!(guest.call(|it| it.close(session)), Ok(()));
}

fn imports_that_no_host_offers_are_named(subject: &Subject) {
    // L08
    let unknown = wrap(
        r#"(import "acme:player/secrets@1.0.0" (instance (export "read" (func (result u32)))))"#,
        &format!(
            "(core module $m (memory (export \"memory\") 1) {ALLOC} {DISABLE} {}) (core instance $i (instantiate $m))",
            enable_function(OK)
        ),
    );
    let error = subject.load(&unknown).map(|_| ()).unwrap_err();
    assert_eq!(error.phase, Phase::Link);
    assert!(error.message.contains("acme:player/secrets@1.0.0") && error.message.contains("read"), "{error}");
}

fn exports_that_are_missing_or_of_another_type_are_named(subject: &Subject) {
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
        let error = subject.load(&exporting(functions)).map(|_| ()).unwrap_err();
        assert_eq!((error.phase, error.message.contains(missing)), (Phase::Link, true), "{error}");
    }
    let error = subject.load(&wat::parse_str("(component)").unwrap()).map(|_| ()).unwrap_err();
    assert_eq!((error.phase, error.message.contains("stellatune:plugin/lifecycle")), (Phase::Link, true), "{error}");

    // An engine may compare types when it links, or when it starts an instance.
    let other = exporting("(export \"on-enable\" (func $f)) (export \"on-disable\" (func $f))");
    let text = match subject.load(&other) {
        Err(error) => {
            assert_eq!(error.phase, Phase::Link, "{error}");
            error.message
        }
        Ok(_) => {
            let trap = starting(subject, &other);
            assert_eq!(trap.kind, TrapKind::Abi, "{trap}");
            trap.message
        }
    };
    assert!(text.contains("stellatune:plugin/lifecycle"), "{text}");
}

fn only_webassembly_components_are_compiled(subject: &Subject) {
    // P28, P29, L10
    let engine = subject.engine();
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

fn code_of_another_engine_is_not_loaded(subject: &Subject) {
    let engine = subject.engine();
    // SAFETY: this is no code at all, which is what the test is about.
    let damaged = unsafe { stellatune_plugin_core::engine::Artifact::trusted(b"not compiled code".to_vec()) };
    assert_eq!(engine.load(&damaged).map(|_| ()).unwrap_err().phase, Phase::Load);
}
