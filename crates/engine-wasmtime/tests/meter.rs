//! What core's meter does to modules that run: nothing else than stop them.

use std::{fs, path::Path};

use stellatune_plugin_core::meter::{self, CHECK, COUNTER, Form, MODULE};
use wasmtime::{
    Config, Engine, Error, Extern, Func, Global, GlobalType, Instance, Linker, Module, Mutability, OptLevel, Store,
    StoreLimits, StoreLimitsBuilder, Trap, Val, ValType,
};

/// What a guest gets between two questions, in these tests.
const QUANTUM: i64 = 1000;

/// Counts the questions, and answers this many with `QUANTUM` more.
#[derive(Default)]
struct Clock {
    asked: u64,
    answers: u64,
    limits: StoreLimits,
}

/// A rewritten module that runs.
struct Metered {
    store: Store<Clock>,
    instance: Instance,
    counter: Global,
}

fn engine() -> Engine {
    let mut config = Config::new();
    // The tests recurse deeply on purpose.
    config.max_wasm_stack(1024 * 1024);
    Engine::new(&config).expect("this machine is supported")
}

fn counter(store: &mut Store<Clock>) -> Global {
    let ty = GlobalType::new(ValType::I64, Mutability::Var);
    Global::new(store, ty, Val::I64(QUANTUM)).expect("a global fits")
}

impl Metered {
    fn start(text: &str, form: Form, answers: u64) -> Self {
        let wasm = wat::parse_str(text).expect("the test's text is WebAssembly");
        let wasm = meter::meter(&wasm, form).expect("it can be rewritten");
        let engine = engine();
        let module = Module::new(&engine, wasm).expect("what was rewritten is valid");
        let mut store = Store::new(&engine, Clock { answers, ..Clock::default() });
        match form {
            Form::Trapping => {
                let instance = Instance::new(&mut store, &module, &[]).expect("it starts");
                let counter = instance.get_global(&mut store, COUNTER).expect("it exports the counter");
                Self { store, instance, counter }
            }
            Form::Asking => {
                let counter = counter(&mut store);
                let check = check(&mut store, counter);
                let imports: Vec<Extern> = module
                    .imports()
                    .map(|import| match import.name() {
                        CHECK => check.into(),
                        COUNTER => counter.into(),
                        other => panic!("the tests' modules import nothing, not {other}"),
                    })
                    .collect();
                let instance = Instance::new(&mut store, &module, &imports).expect("it starts");
                Self { store, instance, counter }
            }
        }
    }

    /// Calls `run` with this much on the counter; what it used, or why it ended.
    fn run(&mut self, budget: i64) -> Result<i64, Trap> {
        self.counter.set(&mut self.store, Val::I64(budget)).expect("the counter is mutable");
        let run = self.instance.get_typed_func::<(), ()>(&mut self.store, "run").expect("the tests' modules run");
        match run.call(&mut self.store, ()) {
            Ok(()) => Ok(budget - self.left()),
            Err(error) => Err(*error.downcast_ref::<Trap>().unwrap_or_else(|| panic!("no trap but {error:#}"))),
        }
    }

    fn left(&mut self) -> i64 {
        self.counter.get(&mut self.store).unwrap_i64()
    }
}

fn check(store: &mut Store<Clock>, counter: Global) -> Func {
    Func::wrap(store, move |mut caller: wasmtime::Caller<'_, Clock>| {
        assert!(counter.get(&mut caller).unwrap_i64() < 0, "asked with something left");
        caller.data_mut().asked += 1;
        if caller.data().asked > caller.data().answers {
            return Err(Error::from(Trap::Interrupt));
        }
        counter.set(&mut caller, Val::I64(QUANTUM))
    })
}

/// Modules that never end by themselves.
const ENDLESS: [(&str, &str); 13] = [
    ("a loop", "(func (export \"run\") (loop (br 0)))"),
    ("a loop in a loop", "(func (export \"run\") (loop (loop (br 1))))"),
    (
        "a loop that does nothing but count",
        "(func (export \"run\") (local i32)
        (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.const 1))))",
    ),
    (
        "br_table",
        "(func (export \"run\") (local i32)
        (loop $l (block $a (block $b (br_table $a $b $l (i32.and (local.get 0) (i32.const 3))))
            (local.set 0 (i32.const 2)) (br $l)) (local.set 0 (i32.const 1)) (br $l)))",
    ),
    (
        "a loop with parameters and results",
        "(func (export \"run\") (i32.const 0)
        (loop (param i32) (result i32) (i32.const 1) (i32.add) (br 0)) (drop))",
    ),
    (
        "a loop in a function with several results",
        "(func $f (result i32 i64) (loop (br 0)) (i32.const 0) (i64.const 0))
        (func (export \"run\") (call $f) (drop) (drop))",
    ),
    (
        "a loop that calls",
        "(func $f (param i32) (result i32) (local.get 0))
        (func (export \"run\") (loop (drop (call $f (i32.const 1))) (br 0)))",
    ),
    (
        "a loop that calls through a table",
        "(table 1 funcref) (elem (i32.const 0) func $f) (func $f)
        (func (export \"run\") (loop (call_indirect (i32.const 0)) (br 0)))",
    ),
    ("exponential calls", EXPONENTIAL),
    (
        "memory.fill",
        "(memory 16) (func (export \"run\")
        (loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 1048576)) (br 0)))",
    ),
    ("memory.grow", "(memory 1) (func (export \"run\") (loop (drop (memory.grow (i32.const 0))) (br 0)))"),
    (
        "table.fill",
        "(table 1000 funcref) (func (export \"run\")
        (loop (table.fill (i32.const 0) (ref.null func) (i32.const 1000)) (br 0)))",
    ),
    (
        "table.grow",
        "(table 1 funcref) (func (export \"run\")
        (loop (drop (table.grow (ref.null func) (i32.const 0))) (br 0)))",
    ),
];

/// 2^60 calls, never more than 60 deep.
const EXPONENTIAL: &str = "(func $f (param i32)
        (if (local.get 0) (then
            (call $f (i32.sub (local.get 0) (i32.const 1)))
            (call $f (i32.sub (local.get 0) (i32.const 1))))))
    (func (export \"run\") (call $f (i32.const 60)))";

// G01, G02
#[test]
fn whatever_never_ends_is_ended() {
    for (what, text) in ENDLESS {
        let text = format!("(module {text})");
        let mut trapping = Metered::start(&text, Form::Trapping, 0);
        assert_eq!(trapping.run(1_000_000), Err(Trap::UnreachableCodeReached), "{what}");
        assert!(trapping.left() < 0, "{what}: the host cannot tell whose trap it was");
        let mut asking = Metered::start(&text, Form::Asking, 50);
        assert_eq!(asking.run(QUANTUM), Err(Trap::Interrupt), "{what}");
        assert_eq!(asking.store.data().asked, 51, "{what}");
    }
}

// G03
#[test]
fn recursion_pays_too() {
    for text in [
        "(module (func $run (export \"run\") (call $run)))",
        "(module (func $run (export \"run\") (call $other)) (func $other (call $run)))",
        "(module (table 1 funcref) (elem (i32.const 0) func $run)
            (func $run (export \"run\") (call_indirect (i32.const 0))))",
    ] {
        let mut trapping = Metered::start(text, Form::Trapping, 0);
        assert_eq!(trapping.run(1000), Err(Trap::UnreachableCodeReached), "{text}");
        assert!(trapping.left() < 0);
        // With enough to spend, the stack ends first.
        assert_eq!(Metered::start(text, Form::Trapping, 0).run(i64::MAX >> 2), Err(Trap::StackOverflow), "{text}");
        assert_eq!(Metered::start(text, Form::Asking, 3).run(QUANTUM), Err(Trap::Interrupt), "{text}");
    }
}

#[test]
fn a_guest_trap_is_not_taken_for_the_meters() {
    for body in ["(unreachable)", "(loop (unreachable))", "(loop (call $f))"] {
        let mut guest = Metered::start(
            &format!("(module (func $f (unreachable)) (func (export \"run\") {body}))"),
            Form::Trapping,
            0,
        );
        assert_eq!(guest.run(1000), Err(Trap::UnreachableCodeReached));
        assert!(guest.left() >= 0, "{body}");
    }
}

#[test]
fn what_is_used_is_counted_exactly() {
    let cases: [(&str, i64); 9] = [
        ("(func (export \"run\"))", 0),
        ("(func (export \"run\") (drop (i32.const 1)))", 2),
        ("(func (export \"run\") (drop (i32.div_u (i32.const 1) (i32.const 1))))", 2 + 8 + 1),
        ("(func $f (nop) (drop (i32.const 1))) (func (export \"run\") (call $f) (call $f))", 2 * (4 + 2)),
        // Both arms of a branch, whichever is taken: get, if, then 2 and 4.
        (
            "(func (export \"run\") (local i32)
            (if (local.get 0) (then (drop (i32.const 1))) (else (drop (i32.eqz (i32.eqz (i32.const 1)))))))",
            2 + 2 + 4,
        ),
        // Ten times: get, const, sub, tee, br_if; once: const, set.
        (
            "(func (export \"run\") (local i32) (local.set 0 (i32.const 10))
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))",
            2 + 10 * 5,
        ),
        // The same, called from a loop, leaving early: the callee is paid through the global.
        (
            "(func $f (local i32) (local.set 0 (i32.const 10))
            (loop (if (i32.eq (local.get 0) (i32.const 5)) (then (return)))
                (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
          (func (export \"run\") (local i32) (local.set 0 (i32.const 3))
            (loop (call $f) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))",
            2 + 3 * (4 + 5) + 3 * (2 + 6 * 10),
        ),
        // const x3 and the operation, then the length.
        ("(memory 1) (func (export \"run\") (memory.fill (i32.const 0) (i32.const 0) (i32.const 4096)))", 3 + 32 + 256),
        ("(memory 1) (func (export \"run\") (local i32) (loop (drop (memory.grow (i32.const 1)))))", 2 + 32 + 4096),
    ];
    for (text, used) in cases {
        let text = format!("(module {text})");
        assert_eq!(Metered::start(&text, Form::Trapping, 0).run(100_000), Ok(used), "{text}");
        assert_eq!(Metered::start(&text, Form::Asking, 0).run(100_000), Ok(used), "{text}");
        if used > 0 {
            // To the unit.
            assert_eq!(Metered::start(&text, Form::Trapping, 0).run(used), Ok(used), "{text}");
            let short = Metered::start(&text, Form::Trapping, 0).run(used - 1);
            assert_eq!(short, Err(Trap::UnreachableCodeReached), "{text}");
        }
    }
}

// G02
#[test]
fn a_huge_length_ends_before_it_is_worked_through() {
    let operations = [
        "(memory.fill (i32.const 0) (i32.const 0) (i32.const -1))",
        "(memory.copy (i32.const 0) (i32.const 0) (i32.const -1))",
        "(memory.init 0 (i32.const 0) (i32.const 0) (i32.const -1))",
        "(drop (memory.grow (i32.const -1)))",
        "(table.fill (i32.const 0) (ref.null func) (i32.const -1))",
        "(table.copy (i32.const 0) (i32.const 0) (i32.const -1))",
        "(table.init 0 (i32.const 0) (i32.const 0) (i32.const -1))",
        "(drop (table.grow (ref.null func) (i32.const -1)))",
    ];
    for operation in operations {
        for body in [operation.to_owned(), format!("(loop {operation})")] {
            let text = format!(
                "(module (memory 1) (table 1 funcref) (data \"x\") (elem funcref (ref.null func))
                    (func (export \"run\") {body}))"
            );
            let mut trapping = Metered::start(&text, Form::Trapping, 0);
            assert_eq!(trapping.run(10_000_000), Err(Trap::UnreachableCodeReached), "{body}");
            assert!(trapping.left() < -100_000_000 && trapping.left() > i64::MIN / 2, "{body}: {}", trapping.left());
            // Asked before the operation, once, whatever the length; then the operation fails as it would.
            let mut asking = Metered::start(&text, Form::Asking, 1);
            let ended = asking.run(QUANTUM);
            assert_eq!(asking.store.data().asked, 1, "{body}");
            assert_eq!(ended.is_err(), !operation.contains("grow"), "{body}");
        }
    }
}

#[test]
fn modules_of_a_store_share_one_counter() {
    let engine = engine();
    let module = |text: &str| {
        let wasm = meter::meter(&wat::parse_str(text).expect("it is WebAssembly"), Form::Asking).expect("it is valid");
        Module::new(&engine, wasm).expect("it is valid")
    };
    let inner = module("(module (func (export \"f\") (drop (i32.const 1))))");
    let outer = module("(module (import \"inner\" \"f\" (func $f)) (func (export \"run\") (loop (call $f) (br 0))))");
    let mut store = Store::new(&engine, Clock { answers: 9, ..Clock::default() });
    let counter = counter(&mut store);
    let check = check(&mut store, counter);
    let mut linker = Linker::new(&engine);
    linker.define(&store, MODULE, CHECK, check).expect("no name is taken");
    linker.define(&store, MODULE, COUNTER, counter).expect("no name is taken");
    let inner = linker.instantiate(&mut store, &inner).expect("it starts");
    linker.instance(&mut store, "inner", inner).expect("no name is taken");
    let outer = linker.instantiate(&mut store, &outer).expect("it starts");
    let run = outer.get_typed_func::<(), ()>(&mut store, "run").expect("it runs");
    let trap = run.call(&mut store, ()).expect_err("it never ends");
    assert_eq!(trap.downcast_ref(), Some(&Trap::Interrupt));
    assert_eq!(store.data().asked, 10);
}

/// What came of calling `calls` in turn, and everything the module then holds, reduced to texts; or the call that never ends.
fn outcome(store: &mut Store<Clock>, instance: Instance, calls: &[String], fuel: u64) -> Result<Vec<String>, usize> {
    let mut outcome = Vec::new();
    for (place, name) in calls.iter().enumerate() {
        let function = instance.get_func(&mut *store, name).expect("the name is an export's");
        let ty = function.ty(&*store);
        let arguments: Vec<Val> = ty.params().enumerate().map(|(place, ty)| value(&ty, place)).collect();
        let mut results: Vec<Val> = ty.results().map(|ty| value(&ty, 0)).collect();
        store.set_fuel(fuel).expect("the engine counts fuel");
        outcome.push(match function.call(&mut *store, &arguments, &mut results) {
            Ok(()) => format!("{name}: {results:?}"),
            Err(error) => match error.downcast_ref::<Trap>() {
                Some(Trap::OutOfFuel) => return Err(place),
                trap => format!("{name}: {trap:?}"),
            },
        });
    }
    let exports: Vec<_> = instance.exports(&mut *store).map(|it| (it.name().to_owned(), it.into_extern())).collect();
    for (name, export) in exports {
        match export {
            Extern::Memory(memory) => {
                let mut hash = 0xcbf2_9ce4_8422_2325_u64;
                for byte in memory.data(&*store) {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
                }
                outcome.push(format!("{name}: {} bytes, {hash:x}", memory.data_size(&*store)));
            }
            Extern::Global(global) if name != COUNTER => outcome.push(format!("{name}: {:?}", global.get(&mut *store))),
            _ => {}
        }
    }
    Ok(outcome)
}

/// What a call may use before it counts as endless.
const FUEL: u64 = 1_000_000;

fn value(ty: &ValType, place: usize) -> Val {
    match ty {
        ValType::I32 => Val::I32(place as i32 + 3),
        ValType::I64 => Val::I64(place as i64 + 3),
        ValType::F32 => Val::F32(1.5_f32.to_bits()),
        ValType::F64 => Val::F64(2.5_f64.to_bits()),
        ValType::V128 => Val::V128(7_u128.into()),
        ValType::Ref(ty) => Val::null_ref(ty.heap_type()),
    }
}

/// Runs `wasm`, with imports that answer zero, and calls `calls`, or all functions; `None` if it does not start.
fn run_all(module: &Module, asking: bool, calls: &[String]) -> Option<Result<Vec<String>, usize>> {
    let engine = module.engine();
    let limits = StoreLimitsBuilder::new().memory_size(16 * 1024 * 1024).build();
    let mut store = Store::new(engine, Clock { answers: u64::MAX, limits, ..Clock::default() });
    store.limiter(|clock| &mut clock.limits);
    // What the meter puts in takes fuel too.
    let fuel = if module.exports().any(|it| it.name() == COUNTER) || asking { 10 * FUEL } else { FUEL };
    store.set_fuel(fuel).expect("the engine counts fuel");
    let mut linker = Linker::new(engine);
    if asking {
        let counter = counter(&mut store);
        let check = check(&mut store, counter);
        linker.define(&store, MODULE, CHECK, check).expect("no name is taken");
        linker.define(&store, MODULE, COUNTER, counter).expect("no name is taken");
    }
    linker.define_unknown_imports_as_default_values(&mut store, module).ok()?;
    let instance = linker.instantiate(&mut store, module).ok()?;
    if let Some(counter) = instance.get_global(&mut store, COUNTER) {
        counter.set(&mut store, Val::I64(i64::MAX >> 2)).expect("the counter is mutable");
    }
    Some(outcome(&mut store, instance, calls, fuel))
}

fn functions(module: &Module) -> Vec<String> {
    module.exports().filter(|it| it.ty().func().is_some()).map(|it| it.name().to_owned()).collect()
}

#[test]
fn modules_do_what_they_did() {
    let mut config = Config::new();
    // Not optimized: the guests are many, and what they do is the same.
    config.consume_fuel(true).cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config).expect("this machine is supported");
    let (mut compared, mut outcomes) = (0, 0);
    for (name, wasm) in corpus() {
        // Some fixtures are invalid on purpose.
        if Module::validate(&engine, &wasm).is_err() {
            continue;
        }
        let module = Module::new(&engine, &wasm).expect("it is valid");
        let mut calls = functions(&module);
        // Without the functions that never end, which other tests are about.
        let plain = loop {
            match run_all(&module, false, &calls) {
                Some(Err(endless)) => _ = calls.remove(endless),
                Some(Ok(plain)) => break plain,
                None => break Vec::new(),
            }
        };
        if plain.is_empty() {
            continue;
        }
        for (form, asking) in [(Form::Trapping, false), (Form::Asking, true)] {
            let metered = meter::meter(&wasm, form).expect("it can be rewritten");
            let metered = Module::new(&engine, metered).expect("what was rewritten is valid");
            assert_eq!(run_all(&metered, asking, &calls), Some(Ok(plain.clone())), "{name} {form:?}");
            compared += 1;
        }
        outcomes += plain.len();
    }
    assert!(compared >= 20 && outcomes >= 100, "only {compared} runs with {outcomes} outcomes were compared");
}

/// The core modules of the guests in this repository.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut modules = Vec::new();
    for folder in ["fixtures/wat", "fixtures/prebuilt", "plugins/prebuilt/symphonia/wasm"] {
        let mut paths: Vec<_> = fs::read_dir(root.join(folder))
            .expect("the repository's guests are there")
            .map(|entry| entry.expect("the folder can be read").path())
            .collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // The hook fixtures are one guest in six variants and the echo ones much alike, and compiling takes the longest.
            let alike = name.starts_with("hook-") || (name.starts_with("echo-") && name != "echo-dsp.wasm");
            if (name.ends_with(".wat") || name.ends_with(".wasm")) && !alike {
                // Some texts are whole only with what the conformance suite puts around them.
                let wasm = wat::parse_file(&path);
                assert!(wasm.is_ok() || folder == "fixtures/wat", "{name}");
                let modules_of = wasm.iter().flat_map(|wasm| core_modules(wasm));
                modules.extend(modules_of.map(|module| (name.clone(), module)));
            }
        }
    }
    modules
}

/// The core modules of a component, or a core module itself.
fn core_modules(wasm: &[u8]) -> Vec<Vec<u8>> {
    if wasm.get(4..8) == Some(&[1, 0, 0, 0]) {
        return vec![wasm.to_vec()];
    }
    let mut modules = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        if let wasmparser::Payload::ModuleSection { unchecked_range, .. } = payload.expect("the guests are valid") {
            modules.push(wasm[unchecked_range].to_vec());
        }
    }
    modules
}
