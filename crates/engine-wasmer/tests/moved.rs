//! A store whose module imports nothing may move to another thread between calls, as modules of the hot path do.

use std::thread;

use wasmer::{
    Engine, Instance, Module, Store, TypedFunction, imports,
    sys::{Cranelift, EngineBuilder},
};

/// A store on its way to another thread.
///
/// SAFETY: nothing in the store refers to a thread. Its module imports nothing, so that it holds no value of the host, and
/// nobody uses it while it moves. What Wasmer keeps for each thread (a spare stack, the signal handler's place) is taken
/// when a call begins and left when it ends.
struct Moved(Store);

// SAFETY: as above.
unsafe impl Send for Moved {}

impl Moved {
    fn arrive(self) -> Store {
        self.0
    }
}

type Sum = TypedFunction<(i32, i32), i32>;
type Fault = TypedFunction<(), i32>;

fn start() -> (Store, Sum, Fault) {
    let wasm = wat::parse_str(
        r#"(module (memory 1)
            (func (export "sum") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
            (func (export "fault") (result i32) (i32.load (i32.const -4))))"#,
    )
    .expect("the text is WebAssembly");
    let engine: Engine = EngineBuilder::new(Cranelift::default()).engine().into();
    let module = Module::new(&engine, wasm).expect("it compiles");
    let mut store = Store::new(engine);
    let instance = Instance::new(&mut store, &module, &imports! {}).expect("it starts");
    let sum = instance.exports.get_typed_function(&store, "sum").expect("it is exported");
    let fault = instance.exports.get_typed_function(&store, "fault").expect("it is exported");
    (store, sum, fault)
}

#[test]
fn a_store_moves_between_calls_and_traps_wherever_it_is() {
    let (mut store, sum, fault) = start();
    assert_eq!(sum.call(&mut store, 20, 22).ok(), Some(42));
    for _ in 0..20 {
        let moved = Moved(store);
        let (their_sum, their_fault) = (sum.clone(), fault.clone());
        let thread = thread::spawn(move || {
            let mut store = moved.arrive();
            assert_eq!(their_sum.call(&mut store, 1, 2).ok(), Some(3));
            let error = their_fault.call(&mut store).expect_err("it reads outside its memory");
            assert_eq!(error.to_trap(), Some(wasmer::sys::vm::TrapCode::HeapAccessOutOfBounds));
            Moved(store)
        });
        store = thread.join().expect("nothing else happened").arrive();
        assert!(fault.call(&mut store).is_err());
        assert_eq!(sum.call(&mut store, 20, 22).ok(), Some(42));
    }
}
