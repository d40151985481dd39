//! Keeps a guest within its limits, and says in core's words what ended one.
//!
//! [`Meter`] makes running guest code ask its [`CallControl`] about every half millisecond, [`Confined`] counts memory
//! and tables over a whole store, and [`run`] enters the guest and turns each of Wasmer's failures into a [`Trap`].
//! Which deadline a call has is not decided here.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
};

use stellatune_plugin_core::{
    control::CallControl,
    error::{Trap, TrapKind},
    limits::{Limits, MEMORIES, TABLES},
};
use wasmer::{
    Engine, Extern, Function, FunctionEnv, FunctionEnvMut, Global, InstantiationError, LinkError, MemoryError,
    MemoryType, Pages, RuntimeError, Store, TableType, Value,
    sys::{
        BaseTunables, NativeEngineExt, Tunables,
        vm::{
            LinearMemory, MemoryStyle, TableStyle, TrapCode, VMConfig, VMMemory, VMMemoryDefinition, VMTable,
            VMTableDefinition,
        },
    },
};

use crate::component::plan::{DeclaredTables, Plan};

/// Bytes of stack that guest code may use. It runs on a stack of its own, so that any thread may call guests.
const WASM_STACK: usize = 512 * 1024;

/// The units of work, about an operator each, that a guest does between two questions: about half a millisecond.
const WORK: i64 = 1_000_000;

/// What a fixed function table's maximum is in compiled code ([`crate::compile`]): it tells such tables apart.
pub(crate) const FIXED: u32 = u32::MAX - 1;

/// A store of its own for one instance of a component, under `limits` from its first instruction on, and what tells of the
/// memory in it.
pub(crate) fn store(engine: &Engine, plan: &Plan, limits: &Limits) -> (Store, Held) {
    let (engine, held) = confined(engine, plan.declared_tables(), limits);
    (Store::new(engine), held)
}

/// `engine` for one store, which is under `limits`, and what tells of the memory in it.
pub(crate) fn confined(engine: &Engine, tables: DeclaredTables, limits: &Limits) -> (Engine, Held) {
    let mut engine = engine.clone();
    let confined = Confined::new(BaseTunables::for_target(engine.target()), tables, limits);
    let held = Held(Arc::clone(&confined.memory));
    engine.set_tunables(confined);
    (engine, held)
}

/// The memory that a store holds.
pub(crate) struct Held(Arc<Account>);

impl Held {
    /// Bytes of all memories.
    pub(crate) fn bytes(&self) -> usize {
        self.0.used.load(Ordering::Relaxed) * PAGE
    }
}

/// Runs guest code. Whatever ends it, a panic of the host included, comes back as a trap.
pub(crate) fn run<R>(guest: impl FnOnce() -> Result<R, Trap>) -> Result<R, Trap> {
    // The store is not entered again after a panic, so that nobody sees what it left half done.
    panic::catch_unwind(AssertUnwindSafe(guest)).unwrap_or_else(|payload| Err(panicked(&*payload)))
}

/// What makes the code of one store ask: a counter that all of its core modules share, and the function that they
/// call when it is used up ([`core::meter`](stellatune_plugin_core::meter)).
pub(crate) struct Meter {
    check: Function,
    counter: Global,
}

impl Meter {
    pub(crate) fn new(store: &mut Store, control: Arc<CallControl>) -> Self {
        // Used up from the start, so that the first function asks.
        let counter = Global::new_mut(store, Value::I64(0));
        let asking = FunctionEnv::new(store, (control, counter.clone()));
        let check = |mut env: FunctionEnvMut<'_, (Arc<CallControl>, Global)>| -> Result<(), RuntimeError> {
            let (control, counter) = env.data();
            control.check().map_err(failed)?;
            let counter = counter.clone();
            counter.set(&mut env, Value::I64(WORK))
        };
        Self { check: Function::new_typed_with_env(store, &asking, check), counter }
    }

    /// What a metered module imports, in this order, behind its own imports.
    pub(crate) fn imports(&self) -> [Extern; 2] {
        [self.check.clone().into(), self.counter.clone().into()]
    }
}

/// A trap as Wasmer carries it through guest code.
pub(crate) fn failed(trap: Trap) -> RuntimeError {
    RuntimeError::user(Box::new(trap))
}

/// What a store holds and may hold, over all of its memories and tables together.
struct Confined {
    base: BaseTunables,
    stack: VMConfig,
    /// Pages of all memories.
    memory: Arc<Account>,
    memories: AtomicU32,
    /// Elements of all tables, which are counted where they are declared: nothing sees a table grow.
    elements: AtomicU64,
    most_elements: u64,
    /// How far each table that grows may grow: an equal share of what all tables leave at the start.
    share: u64,
    tables: AtomicU32,
}

/// Nothing is given back: memories live as long as their store, and a growth the system then refuses stays taken.
#[derive(Debug)]
struct Account {
    used: AtomicUsize,
    most: usize,
}

impl Account {
    /// Takes `more`; `false` when that is too much.
    fn take(&self, more: usize) -> bool {
        let take = |used: usize| used.checked_add(more).filter(|used| *used <= self.most);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

impl Confined {
    fn new(base: BaseTunables, declared: DeclaredTables, limits: &Limits) -> Self {
        let most_elements = limits.table_elements as u64;
        let left = most_elements.saturating_sub(declared.elements);
        Self {
            base,
            stack: VMConfig { wasm_stack_size: Some(WASM_STACK) },
            memory: Arc::new(Account { used: AtomicUsize::new(0), most: limits.memory_bytes / PAGE }),
            memories: AtomicU32::new(0),
            elements: AtomicU64::new(0),
            most_elements,
            share: left / u64::from(declared.growing.max(1)),
            tables: AtomicU32::new(0),
        }
    }

    /// Counts a memory that is about to be made.
    fn take_memory(&self, ty: &MemoryType) -> Result<(), MemoryError> {
        let refuse = |message: String| MemoryError::UnsupportedOperation { message };
        if self.memories.fetch_add(1, Ordering::Relaxed) >= MEMORIES {
            return Err(refuse(format!("the component has more than {MEMORIES} memories")));
        }
        let pages = ty.minimum.0 as usize;
        if self.memory.take(pages) {
            Ok(())
        } else {
            Err(refuse(format!("a memory of {pages} pages exceeds the {} that all may have", self.memory.most)))
        }
    }

    /// Counts a table that is about to be made, and says how large it may become.
    fn take_table(&self, ty: &TableType) -> Result<TableType, String> {
        if self.tables.fetch_add(1, Ordering::Relaxed) >= TABLES {
            return Err(format!("the component has more than {TABLES} tables"));
        }
        let minimum = u64::from(ty.minimum);
        if self.elements.fetch_add(minimum, Ordering::Relaxed) + minimum > self.most_elements {
            return Err(format!("a table of {minimum} elements exceeds the {} that all may have", self.most_elements));
        }
        let most = match ty.maximum {
            Some(FIXED) => minimum,
            Some(maximum) => u64::from(maximum).min(minimum + self.share),
            None => minimum + self.share,
        };
        let maximum = u32::try_from(most).unwrap_or(u32::MAX);
        Ok(TableType { maximum: Some(maximum), ..*ty })
    }
}

/// Bytes of a page.
const PAGE: usize = 65_536;

/// A memory whose growth is counted.
#[derive(Debug)]
struct Counted {
    memory: VMMemory,
    account: Arc<Account>,
}

impl Counted {
    fn boxed(memory: VMMemory, account: &Arc<Account>) -> VMMemory {
        let counted: Box<dyn LinearMemory + Send + Sync> = Box::new(Self { memory, account: Arc::clone(account) });
        VMMemory::from_custom(counted)
    }
}

impl LinearMemory for Counted {
    fn ty(&self) -> MemoryType {
        self.memory.ty()
    }

    fn size(&self) -> Pages {
        self.memory.size()
    }

    fn style(&self) -> MemoryStyle {
        self.memory.style()
    }

    fn grow(&mut self, delta: Pages) -> Result<Pages, MemoryError> {
        let refused = MemoryError::CouldNotGrow { current: self.size(), attempted_delta: delta };
        let within = self.size().0.checked_add(delta.0);
        let maximum = self.ty().maximum.unwrap_or_else(Pages::max_value);
        // What its own maximum forbids takes nothing.
        if within.is_none_or(|pages| pages > maximum.0) || !self.account.take(delta.0 as usize) {
            return Err(refused);
        }
        self.memory.grow(delta)
    }

    fn vmmemory(&self) -> NonNull<VMMemoryDefinition> {
        self.memory.vmmemory()
    }

    fn try_clone(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        Err(MemoryError::UnsupportedOperation { message: "a memory belongs to one store".into() })
    }

    fn copy(&self) -> Result<Box<dyn LinearMemory + Send + Sync + 'static>, MemoryError> {
        self.try_clone()
    }
}

impl Tunables for Confined {
    fn memory_style(&self, memory: &MemoryType) -> MemoryStyle {
        self.base.memory_style(memory)
    }

    fn table_style(&self, table: &TableType) -> TableStyle {
        self.base.table_style(table)
    }

    fn create_host_memory(&self, ty: &MemoryType, style: &MemoryStyle) -> Result<VMMemory, MemoryError> {
        self.take_memory(ty)?;
        Ok(Counted::boxed(self.base.create_host_memory(ty, style)?, &self.memory))
    }

    unsafe fn create_vm_memory(
        &self,
        ty: &MemoryType,
        style: &MemoryStyle,
        vm_definition_location: NonNull<VMMemoryDefinition>,
    ) -> Result<VMMemory, MemoryError> {
        self.take_memory(ty)?;
        // SAFETY: the caller's own promise, passed on.
        let memory = unsafe { self.base.create_vm_memory(ty, style, vm_definition_location) }?;
        Ok(Counted::boxed(memory, &self.memory))
    }

    fn create_host_table(&self, ty: &TableType, style: &TableStyle) -> Result<VMTable, String> {
        self.base.create_host_table(&self.take_table(ty)?, style)
    }

    unsafe fn create_vm_table(
        &self,
        ty: &TableType,
        style: &TableStyle,
        vm_definition_location: NonNull<VMTableDefinition>,
    ) -> Result<VMTable, String> {
        let ty = self.take_table(ty)?;
        // SAFETY: the caller's own promise, passed on.
        unsafe { self.base.create_vm_table(&ty, style, vm_definition_location) }
    }

    fn vmconfig(&self) -> &VMConfig {
        &self.stack
    }
}

/// What ended a guest, from the error its call returned.
///
/// A trap of core's own (a deadline, a host import) comes through as it is.
pub(crate) fn trap(error: &RuntimeError) -> Trap {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trap.clone();
    }
    match error.clone().to_trap() {
        Some(code) => Trap::new(kind(code), code.message()),
        // The system had no memory, or an item of another store was used.
        None => Trap::new(TrapKind::Host, error.message()),
    }
}

/// Why a core module was not instantiated.
pub(crate) fn not_instantiated(error: InstantiationError) -> Trap {
    match error {
        InstantiationError::Start(error) | InstantiationError::Link(LinkError::Trap(error)) => trap(&error),
        // What the system refuses is no fault of the guest's. // R04
        InstantiationError::Link(LinkError::Resource(text)) if text.contains("(os error ") => {
            Trap::new(TrapKind::Host, text)
        }
        InstantiationError::Link(LinkError::Resource(text)) => Trap::new(TrapKind::Memory, text),
        other => Trap::new(TrapKind::Host, other.to_string()),
    }
}

/// What a host import that panicked does to the guest that called it.
fn panicked(payload: &(dyn Any + Send)) -> Trap {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    Trap::new(TrapKind::Host, format!("a host import panicked: {}", text.unwrap_or("no message")))
}

fn kind(code: TrapCode) -> TrapKind {
    match code {
        TrapCode::StackOverflow => TrapKind::Stack,
        TrapCode::HeapAccessOutOfBounds
        | TrapCode::HeapMisaligned
        | TrapCode::TableAccessOutOfBounds
        | TrapCode::IndirectCallToNull
        | TrapCode::BadSignature
        | TrapCode::UnalignedAtomic
        | TrapCode::ReadonlyTableModified => TrapKind::Bounds,
        TrapCode::IntegerOverflow | TrapCode::IntegerDivisionByZero | TrapCode::BadConversionToInteger => {
            TrapKind::Arithmetic
        }
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        // Of features that are off.
        TrapCode::UncaughtException
        | TrapCode::UninitializedExnRef
        | TrapCode::YieldOutsideAsyncContext
        | TrapCode::HostInterrupt => TrapKind::Host,
    }
}

#[cfg(test)]
mod tests {
    use wasmer::{Type, sys::Target};

    use super::*;
    use crate::component::plan::{Step, TableLimits};

    #[test]
    fn an_account_takes_only_what_fits() {
        let account = Account { used: AtomicUsize::new(0), most: 10 };
        assert!(account.take(6));
        assert!(!account.take(5));
        assert!(!account.take(usize::MAX));
        assert!(account.take(4));
        assert!(!account.take(1));
    }

    #[test]
    fn tables_that_grow_share_what_the_others_leave() {
        // G06
        let table = |minimum, maximum| TableLimits { minimum, maximum };
        let mut plan = Plan::empty();
        plan.tables = vec![vec![table(10, Some(10)), table(20, None)], vec![table(30, Some(40))]];
        let instantiate = |module| Step::Instantiate { module, arguments: Vec::new() };
        plan.steps = vec![instantiate(0), instantiate(1)];
        let limits = Limits { table_elements: 100, ..Limits::AUDIO };
        let confined = Confined::new(BaseTunables::for_target(&Target::default()), plan.declared_tables(), &limits);
        let maximum = |minimum, maximum| {
            confined.take_table(&TableType::new(Type::FuncRef, minimum, maximum)).map(|ty| ty.maximum)
        };
        assert_eq!(maximum(10, Some(FIXED)), Ok(Some(10)), "a fixed table stays as it is");
        assert_eq!(maximum(20, None), Ok(Some(40)), "half of the 40 that are left");
        assert_eq!(maximum(30, Some(40)), Ok(Some(40)), "its own maximum is lower");
        assert!(maximum(41, None).is_err(), "more than all may have");
    }
}
