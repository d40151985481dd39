//! What is hostile before a guest is called: components that are refused, and starts that fail.

use stellatune_plugin_core::{
    engine::Phase,
    error::{ErrorKind, TrapKind},
    manifest::World,
    world,
};

use crate::support::{
    Case, Subject,
    guest::{Guest, Options, SHORT},
    wat,
};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("load/bogus-names-and-debug-information", [], bogus_sections),
        Case::new("load/deeply-nested-blocks", [], nested_blocks),
        Case::new("load/several-memories-together", [], memories_together),
        Case::new("load/too-many-core-instances", [], too_many_instances),
    ];
    for (name, item) in OFF {
        cases.push(Case::new(format!("load/off-{name}"), [], move |subject| off(subject, item)));
    }
    for (name, called, caller, missing) in COMPOSED {
        let run = move |subject: &Subject| composed(subject, called, caller, missing);
        cases.push(Case::new(format!("load/composed-{name}"), [], run));
    }
    for (name, module, kind) in STARTS {
        let run = move |subject: &Subject| start(subject, module, kind);
        cases.push(Case::new(format!("load/start-{name}"), [], run));
    }
    cases
}

/// What belongs to no guest here, as an item of a component. // L04 L10
const OFF: [(&str, &str); 22] = [
    ("shared-memory", "(core module (memory 1 1 shared))"),
    ("atomics", "(core module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))"),
    ("memory64", "(core module (memory i64 1))"),
    ("memory64-of-2-to-the-48", "(core module (memory i64 0x100000000))"),
    ("table64", "(core module (table i64 1 funcref))"),
    ("several-memories", "(core module (memory 1) (memory 1))"),
    ("page-sizes", "(core module (memory 1 (pagesize 1)))"),
    ("structs", "(core module (type (struct (field i32))))"),
    ("arrays", "(core module (type (array i8)))"),
    ("i31", "(core module (func (drop (ref.i31 (i32.const 0)))))"),
    ("typed-references", "(core module (type $f (func)) (table 1 (ref null $f)))"),
    ("externref", "(core module (func (param externref)))"),
    ("exceptions", "(core module (tag))"),
    ("tail-calls", "(core module (func $f (return_call $f)))"),
    ("relaxed-simd", "(core module (func (param v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 0)))))"),
    ("stack-switching", "(core module (rec (type $f (func)) (type (cont $f))))"),
    ("wide-arithmetic", "(core module (func (drop (i64.mul_wide_u (i64.const 1) (i64.const 1))) (drop)))"),
    ("component-streams", "(type (stream u8))"),
    ("component-futures", "(type (future))"),
    // L07 needs one.
    ("component-async", "(type (func async))"),
    ("fixed-length-lists", "(type (list u8 4))"),
    ("error-contexts", "(core func (canon error-context.drop))"),
];

/// Core and the engine each refuse it by themselves.
fn off(subject: &Subject, item: &str) {
    let wasm = wat::component(&format!("(component {item})")).unwrap_or_else(|error| panic!("{error:#}"));
    let error = world::verify(&wasm, World::Decoder).expect_err("core refuses it");
    assert!(
        error.kind() == ErrorKind::Incompatible || error.rule().is_some(),
        "{error}: says that it is incompatible, or which rule it breaks"
    );
    let error = subject.load(&wasm).err().expect("the engine refuses it");
    assert_eq!(error.phase, Phase::Compile, "{error}");
}

/// Two components in one, of which the second calls the first: what the first is, what the second is, and what an engine
/// that does not do that says is missing.
const COMPOSED: [(&str, &str, &str, &str); 3] = [
    (
        "numbers",
        r#"(core module $m (func (export "call") (param i32)))
           (core instance $i (instantiate $m))
           (func (export "call") (param "it" u32) (canon lift (core func $i "call")))"#,
        r#"(import "call" (func $call (param "it" u32)))
           (core func $lowered (canon lower (func $call)))
           (core module $m (import "" "call" (func (param i32))))
           (core instance (instantiate $m (with "" (instance (export "call" (func $lowered))))))"#,
        "calls between components",
    ),
    (
        "strings",
        r#"(core module $m
             (memory (export "memory") 1)
             (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 8))
             (func (export "call") (param i32 i32)))
           (core instance $i (instantiate $m))
           (func (export "call") (param "it" string)
             (canon lift (core func $i "call") (memory $i "memory") (realloc (func $i "realloc"))))"#,
        r#"(import "call" (func $call (param "it" string)))
           (core module $memory (memory (export "memory") 1))
           (core instance $owner (instantiate $memory))
           (core func $lowered (canon lower (func $call) (memory $owner "memory") string-encoding=utf16))
           (core module $m (import "" "call" (func (param i32 i32))))
           (core instance (instantiate $m (with "" (instance (export "call" (func $lowered))))))"#,
        "multiple memories",
    ),
    (
        "resources",
        r#"(type $private (resource (rep i32)))
           (export $it "it" (type $private))
           (core func $new (canon resource.new $private))
           (core module $m
             (import "" "new" (func $new (param i32) (result i32)))
             (func (export "call") (result i32) (call $new (i32.const 1))))
           (core instance $i (instantiate $m (with "" (instance (export "new" (func $new))))))
           (func (export "call") (result (own $it)) (canon lift (core func $i "call")))"#,
        r#"(import "it" (type $it (sub resource)))
           (import "call" (func $call (result (own $it))))
           (core func $lowered (canon lower (func $call)))
           (core module $m (import "" "call" (func (result i32))))
           (core instance (instantiate $m (with "" (instance (export "call" (func $lowered))))))"#,
        "calls between components",
    ),
];

/// A component that is composed of others is loaded, or refused with what is missing.
fn composed(subject: &Subject, called: &str, caller: &str, missing: &str) {
    let resource = if called.contains("(export $it") { r#"(with "it" (type $called "it"))"# } else { "" };
    let text = format!(
        r#"(component
             (component $called {called})
             (component $caller {caller})
             (instance $called (instantiate $called))
             (instance (instantiate $caller {resource} (with "call" (func $called "call")))))"#
    );
    let wasm = wat::component(&text).unwrap_or_else(|error| panic!("{error:#}"));
    if let Err(error) = subject.engine().compile(&wasm) {
        assert_eq!(error.phase, Phase::Compile, "{error}");
        assert!(error.message.contains(missing), "names what is missing: {error}");
    }
}

/// A decoder with more in its core module.
fn decoder(more: &str) -> Vec<u8> {
    wat::component(&format!("(module {more})")).unwrap_or_else(|error| panic!("{error:#}"))
}

/// How a start fails, and as what. // L04 L05 L06 L09
const STARTS: [(&str, &str, Option<TrapKind>); 14] = [
    ("loop", "(func $s (loop $more (br $more))) (start $s)", Some(TrapKind::Deadline)),
    ("recursion", "(func $s (call $s)) (start $s)", Some(TrapKind::Stack)),
    ("division", "(func $s (drop (i32.div_u (i32.const 1) (i32.const 0)))) (start $s)", Some(TrapKind::Arithmetic)),
    (
        "grows-for-ever",
        "(memory $memory (export \"memory\") 2)
         (func $s (loop $more (drop (memory.grow (i32.const 1))) (br $more))) (start $s)",
        Some(TrapKind::Deadline),
    ),
    (
        "fills-for-ever",
        "(memory $memory (export \"memory\") 256)
         (func $s (loop $more (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x1000000)) (br $more))) (start $s)",
        Some(TrapKind::Deadline),
    ),
    (
        "calls-the-host",
        "(import \"stellatune:plugin/sidecar@0.1.0\" \"lock\" (func $lock (param i32 i32 i32 i32 i32)))
         (func $s (call $lock (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 8192))) (start $s)",
        Some(TrapKind::Bounds),
    ),
    ("memory-of-4-gib", "(memory $memory (export \"memory\") 65536)", Some(TrapKind::Memory)),
    ("memory-at-the-cap", "(memory $memory (export \"memory\") 1024)", None),
    ("memory-above-the-cap", "(memory $memory (export \"memory\") 1025)", Some(TrapKind::Memory)),
    ("table-of-4-billion", "(table 0xffffffff funcref)", Some(TrapKind::Memory)),
    ("tables-together", "(table 60000 funcref) (table 60000 funcref)", Some(TrapKind::Memory)),
    (
        "elements-outside",
        "(table $t 2 funcref) (func $f) (elem (table $t) (i32.const 1) func $f $f)",
        Some(TrapKind::Bounds),
    ),
    (
        "elements-far-outside",
        "(table $t 2 funcref) (func $f) (elem (table $t) (i32.const -1) func $f)",
        Some(TrapKind::Bounds),
    ),
    (
        "data-far-outside",
        "(memory $memory (export \"memory\") 2) (data (memory $memory) (i32.const -1) \"x\")",
        Some(TrapKind::Bounds),
    ),
];

fn start(subject: &Subject, module: &str, kind: Option<TrapKind>) {
    let start = if kind == Some(TrapKind::Deadline) { SHORT } else { Options::default().start };
    let started = Guest::made(subject, module, || decoder(module), Options { start, ..Options::default() });
    assert_eq!(started.err().map(|trap| trap.kind), kind);
}

/// Sections that nobody needs are not believed: not when compiling, and not when a trap might be told with names and lines. // L11
fn bogus_sections(subject: &Subject) {
    let bogus = r"\ff".repeat(1 << 16);
    let sections = [".debug_info", ".debug_line", ".debug_abbrev", ".debug_str", "sourceMappingURL"];
    let sections: String = sections.iter().map(|name| format!(r#"(@custom "{name}" "{bogus}")"#)).collect();
    for (module, kind) in [("", None), ("(func $s (unreachable)) (start $s)", Some(TrapKind::Unreachable))] {
        let module = format!("{module} {sections}");
        let named = || {
            let mut wasm = decoder(&module);
            // A custom section of 1 + 14 + 65,536 bytes.
            wasm.extend([0x00, 0x8f, 0x80, 0x04, 14]);
            wasm.extend(b"component-name");
            wasm.extend([0xff; 1 << 16]);
            wasm
        };
        let started = Guest::made(subject, &module, named, Options::default());
        assert_eq!(started.err().map(|trap| trap.kind), kind);
    }
}

/// However deep the nesting, whoever reads it does so without a deep stack of its own. // L03
fn nested_blocks(subject: &Subject) {
    let deep = |levels: usize| decoder(&format!("(func {} {})", "block ".repeat(levels), "end ".repeat(levels)));
    let load = |levels: usize| {
        let wasm = deep(levels);
        std::thread::scope(|scope| {
            let small = std::thread::Builder::new().stack_size(512 * 1024);
            let run = small.spawn_scoped(scope, || {
                let verified = world::verify(&wasm, World::Decoder).is_ok();
                (verified, subject.load(&wasm).is_ok())
            });
            run.expect("a thread starts").join().expect("no overflow of the host's stack")
        })
    };
    assert_eq!(load(1000), (true, true));
    let (verified, _) = load(100_000);
    assert!(verified, "nothing is wrong with its structure");
}

/// The limit is one for all memories of an instance. // L04
fn memories_together(subject: &Subject) {
    let wasm = |pages: u32| {
        let module = |n: u32| format!("(core module $m{n} (memory {pages})) (core instance (instantiate $m{n}))");
        let modules: String = (0..4).map(module).collect();
        wat::component(&lifecycle(&modules)).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let start = |pages: u32| {
        let started = Guest::made(subject, &format!("four memories of {pages}"), || wasm(pages), Options::default());
        started.map(drop).map_err(|trap| trap.kind)
    };
    // One page is the guest's own.
    assert_eq!(start(255), Ok(()));
    assert_eq!(start(256), Err(TrapKind::Memory));
}

/// More core instances than toolchains emit are not started.
fn too_many_instances(subject: &Subject) {
    let start = |count: usize| {
        let items = format!("(core module $e) {}", "(core instance (instantiate $e))".repeat(count));
        let make = || wat::component(&lifecycle(&items)).unwrap_or_else(|error| panic!("{error:#}"));
        let started = Guest::made(subject, &format!("{count} instances"), make, Options::default());
        started.map(drop).map_err(|trap| trap.kind)
    };
    assert_eq!(start(20), Ok(()));
    assert_eq!(start(40), Err(TrapKind::Memory));
}

/// The smallest component that starts, with more items: hooks that do nothing.
fn lifecycle(items: &str) -> String {
    format!(
        "(component {items}
          (core module $m (memory (export \"memory\") 1)
            (func (export \"realloc\") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export \"enable\") (result i32) (i32.const 0))
            (func (export \"disable\") (param i32) (result i32) (i32.const 0)))
          (core instance $hooks (instantiate $m)))"
    )
}
