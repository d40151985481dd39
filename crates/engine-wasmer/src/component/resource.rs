//! The handles of a component's instances, and what guards how they are entered and left.
//!
//! Each component instance has one table for handles of all resources (component-model, Canonical ABI, "Table State" and
//! "Resource State"). A call has a scope, which ends with no borrowed handle left and gives back what it lent ("Task
//! State"). Everything a guest names is checked here, and nothing is trusted to be in a table, alive or of a type.

use stellatune_plugin_core::error::{Trap, TrapKind};

/// The handles of all component instances of a store.
pub(crate) struct Handles {
    instances: Vec<Instance>,
    scopes: Vec<Scope>,
    /// The owned handles that calls in flight have lent, of the scopes in order: instance and handle.
    lends: Vec<(u32, u32)>,
    live: usize,
    most: usize,
}

/// A component instance.
struct Instance {
    slots: Vec<Slot>,
    /// The first free slot, 0 for none. Slot 0 is never used.
    free: u32,
    /// Whether a call may enter it (`may_enter`).
    may_enter: bool,
    /// Whether its code may call out (`may_leave`).
    may_leave: bool,
}

#[derive(Clone, Copy)]
enum Slot {
    Free { next: u32 },
    Own { resource: u32, rep: u32, lends: u32 },
    Borrow { resource: u32, rep: u32, scope: usize },
}

/// A call in flight.
struct Scope {
    /// Borrowed handles the callee still has.
    borrows: u32,
    /// Where its part of `lends` begins.
    lends: usize,
}

fn abi(message: String) -> Trap {
    Trap::new(TrapKind::Abi, message)
}

impl Handles {
    /// Empty tables for `instances`, with at most `most` handles together.
    pub(crate) fn new(instances: u32, most: usize) -> Self {
        let instance = |_| Instance { slots: vec![Slot::Free { next: 0 }], free: 0, may_enter: true, may_leave: true };
        Self { instances: (0..instances).map(instance).collect(), scopes: Vec::new(), lends: Vec::new(), live: 0, most }
    }

    fn instance(&mut self, instance: u32) -> &mut Instance {
        &mut self.instances[instance as usize]
    }

    /// Begins a call into `instance` (`canon_lift`).
    pub(crate) fn enter(&mut self, instance: u32) -> Result<(), Trap> {
        let entered = self.instance(instance);
        if !entered.may_enter {
            return Err(abi("the component instance was entered while a call was in it".into()));
        }
        entered.may_enter = false;
        self.open_scope();
        Ok(())
    }

    /// Ends a call into `instance`.
    pub(crate) fn exit(&mut self, instance: u32) -> Result<(), Trap> {
        self.close_scope()?;
        self.instance(instance).may_enter = true;
        Ok(())
    }

    /// Whether code of `instance` may call out now.
    pub(crate) fn check_leave(&mut self, instance: u32) -> Result<(), Trap> {
        if self.instance(instance).may_leave {
            Ok(())
        } else {
            Err(abi("the component called out while a value was passed to it or it cleaned up".into()))
        }
    }

    /// Allows calls out of `instance`, or forbids them.
    pub(crate) fn set_may_leave(&mut self, instance: u32, may: bool) {
        self.instance(instance).may_leave = may;
    }

    pub(crate) fn open_scope(&mut self) {
        self.scopes.push(Scope { borrows: 0, lends: self.lends.len() });
    }

    /// Ends a call: gives back what it lent.
    pub(crate) fn close_scope(&mut self) -> Result<(), Trap> {
        let Some(scope) = self.scopes.pop() else {
            return Err(Trap::new(TrapKind::Host, "a call ended that did not begin"));
        };
        while self.lends.len() > scope.lends {
            if let Some((instance, handle)) = self.lends.pop()
                && let Some(Slot::Own { lends, .. }) = self.instance(instance).slots.get_mut(handle as usize)
            {
                *lends -= 1;
            }
        }
        match scope.borrows {
            0 => Ok(()),
            left => Err(abi(format!("{left} borrowed handles were not dropped before the call ended"))),
        }
    }

    /// Releases what calls in flight had lent and lowered, and every handle: a call failed, and none comes after it.
    pub(crate) fn abandon(&mut self) {
        self.scopes.clear();
        self.lends.clear();
        for instance in &mut self.instances {
            instance.slots.clear();
            (instance.free, instance.may_enter, instance.may_leave) = (0, false, false);
        }
        self.live = 0;
    }

    fn insert(&mut self, instance: u32, slot: Slot) -> Result<u32, Trap> {
        if self.live >= self.most {
            let text = format!("the guest holds {} handles, and may not hold more", self.most);
            return Err(Trap::new(TrapKind::Memory, text));
        }
        self.live += 1;
        let Instance { slots, free, .. } = self.instance(instance);
        if let Some(Slot::Free { next }) = slots.get(*free as usize).filter(|_| *free != 0).copied() {
            let handle = std::mem::replace(free, next);
            slots[handle as usize] = slot;
            return Ok(handle);
        }
        let handle = u32::try_from(slots.len()).map_err(|_| abi("a handle table is full".into()))?;
        slots.push(slot);
        Ok(handle)
    }

    /// A new owned handle in the table of `instance` (`lower_own`, `resource.new`).
    pub(crate) fn insert_own(&mut self, instance: u32, resource: u32, rep: u32) -> Result<u32, Trap> {
        self.insert(instance, Slot::Own { resource, rep, lends: 0 })
    }

    /// A new borrowed handle in the table of `instance`, for the innermost call (`lower_borrow`).
    pub(crate) fn insert_borrow(&mut self, instance: u32, resource: u32, rep: u32) -> Result<u32, Trap> {
        let scope = self.scopes.len().checked_sub(1).ok_or_else(|| abi("a borrow outside a call".into()))?;
        let handle = self.insert(instance, Slot::Borrow { resource, rep, scope })?;
        self.scopes[scope].borrows += 1;
        Ok(handle)
    }

    /// The slot of a handle that a guest named.
    fn slot(&mut self, instance: u32, resource: u32, handle: u32) -> Result<&mut Slot, Trap> {
        let slot = self.instance(instance).slots.get_mut(handle as usize);
        match slot {
            None | Some(Slot::Free { .. }) => Err(abi(format!("handle {handle} names nothing"))),
            Some(Slot::Own { resource: found, .. } | Slot::Borrow { resource: found, .. }) if *found != resource => {
                Err(abi(format!("handle {handle} is of another resource")))
            }
            Some(slot) => Ok(slot),
        }
    }

    fn free(&mut self, instance: u32, handle: u32) {
        let Instance { slots, free, .. } = self.instance(instance);
        slots[handle as usize] = Slot::Free { next: *free };
        *free = handle;
        self.live -= 1;
    }

    /// What a handle stands for (`resource.rep`).
    pub(crate) fn rep(&mut self, instance: u32, resource: u32, handle: u32) -> Result<u32, Trap> {
        match *self.slot(instance, resource, handle)? {
            Slot::Own { rep, .. } | Slot::Borrow { rep, .. } => Ok(rep),
            Slot::Free { .. } => Err(abi(format!("handle {handle} names nothing"))),
        }
    }

    /// Takes an owned handle out of a table (`lift_own`).
    pub(crate) fn take_own(&mut self, instance: u32, resource: u32, handle: u32) -> Result<u32, Trap> {
        match *self.slot(instance, resource, handle)? {
            Slot::Own { rep, lends: 0, .. } => {
                self.free(instance, handle);
                Ok(rep)
            }
            Slot::Own { .. } => Err(abi(format!("handle {handle} was given away while it was lent"))),
            _ => Err(abi(format!("handle {handle} is borrowed and was given away"))),
        }
    }

    /// Lends a handle to the innermost call (`lift_borrow`).
    pub(crate) fn lend(&mut self, instance: u32, resource: u32, handle: u32) -> Result<u32, Trap> {
        let rep = match self.slot(instance, resource, handle)? {
            Slot::Borrow { rep, .. } => return Ok(*rep),
            Slot::Own { rep, lends, .. } => {
                *lends += 1;
                *rep
            }
            Slot::Free { .. } => return Err(abi(format!("handle {handle} names nothing"))),
        };
        self.lends.push((instance, handle));
        Ok(rep)
    }

    /// Drops a handle; an owned one names what is now to be destroyed (`resource.drop`).
    pub(crate) fn drop_handle(&mut self, instance: u32, resource: u32, handle: u32) -> Result<Option<u32>, Trap> {
        let owned = match *self.slot(instance, resource, handle)? {
            Slot::Own { rep, lends: 0, .. } => Some(rep),
            Slot::Own { .. } => return Err(abi(format!("handle {handle} was dropped while it was lent"))),
            Slot::Borrow { scope, .. } => {
                // A scope outlives the borrows in it.
                if let Some(scope) = self.scopes.get_mut(scope) {
                    scope.borrows -= 1;
                }
                None
            }
            Slot::Free { .. } => return Err(abi(format!("handle {handle} names nothing"))),
        };
        self.free(instance, handle);
        Ok(owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: u32 = 0;
    const SESSION: u32 = 1;

    fn kind<T>(result: Result<T, Trap>) -> Option<TrapKind> {
        result.err().map(|trap| trap.kind)
    }

    #[test]
    fn handles_are_checked_and_reused() {
        // G13
        let mut handles = Handles::new(2, 10);
        let first = handles.insert_own(0, STREAM, 70).expect("there is room");
        let second = handles.insert_own(0, STREAM, 80).expect("there is room");
        assert_ne!(first, 0, "0 is no handle");
        for wrong in [0, 3, u32::MAX] {
            assert_eq!(kind(handles.rep(0, STREAM, wrong)), Some(TrapKind::Abi), "{wrong}");
        }
        assert_eq!(kind(handles.rep(0, SESSION, first)), Some(TrapKind::Abi), "of another resource");
        assert_eq!(kind(handles.rep(1, STREAM, first)), Some(TrapKind::Abi), "of another instance");
        assert_eq!(handles.take_own(0, STREAM, first), Ok(70));
        assert_eq!(kind(handles.take_own(0, STREAM, first)), Some(TrapKind::Abi), "given away twice");
        assert_eq!(kind(handles.drop_handle(0, STREAM, first)), Some(TrapKind::Abi));
        assert_eq!(handles.insert_own(0, SESSION, 90), Ok(first));
        assert_eq!(handles.drop_handle(0, STREAM, second), Ok(Some(80)));
    }

    #[test]
    fn a_lent_handle_stays_until_the_call_ends() {
        let mut handles = Handles::new(1, 10);
        let handle = handles.insert_own(0, STREAM, 7).expect("there is room");
        handles.open_scope();
        assert_eq!((handles.lend(0, STREAM, handle), handles.lend(0, STREAM, handle)), (Ok(7), Ok(7)));
        assert_eq!(kind(handles.take_own(0, STREAM, handle)), Some(TrapKind::Abi));
        assert_eq!(kind(handles.drop_handle(0, STREAM, handle)), Some(TrapKind::Abi));
        assert_eq!(handles.close_scope(), Ok(()));
        assert_eq!(handles.drop_handle(0, STREAM, handle), Ok(Some(7)));
    }

    #[test]
    fn a_borrow_ends_before_its_call() {
        let mut handles = Handles::new(1, 10);
        assert_eq!(kind(handles.insert_borrow(0, STREAM, 7)), Some(TrapKind::Abi), "outside a call");
        handles.open_scope();
        let handle = handles.insert_borrow(0, STREAM, 7).expect("there is room");
        assert_eq!(kind(handles.take_own(0, STREAM, handle)), Some(TrapKind::Abi), "only lent");
        assert_eq!(handles.lend(0, STREAM, handle), Ok(7));
        assert_eq!(handles.drop_handle(0, STREAM, handle), Ok(None));
        assert_eq!(handles.close_scope(), Ok(()));
        handles.open_scope();
        handles.insert_borrow(0, STREAM, 7).expect("there is room");
        assert_eq!(kind(handles.close_scope()), Some(TrapKind::Abi));
    }

    #[test]
    fn handles_are_counted_over_all_instances() {
        // G07
        let mut handles = Handles::new(2, 2);
        let first = handles.insert_own(0, STREAM, 1).expect("there is room");
        handles.insert_own(1, STREAM, 2).expect("there is room");
        assert_eq!(kind(handles.insert_own(1, STREAM, 3)), Some(TrapKind::Memory));
        handles.drop_handle(0, STREAM, first).expect("it is there");
        assert!(handles.insert_own(1, STREAM, 3).is_ok());
    }

    #[test]
    fn an_instance_is_entered_once_at_a_time_and_never_after_a_fault() {
        // G04
        let mut handles = Handles::new(1, 2);
        assert_eq!(handles.enter(0), Ok(()));
        assert_eq!(kind(handles.enter(0)), Some(TrapKind::Abi));
        assert_eq!(handles.exit(0), Ok(()));
        handles.set_may_leave(0, false);
        assert_eq!(kind(handles.check_leave(0)), Some(TrapKind::Abi));
        handles.set_may_leave(0, true);
        assert_eq!(handles.enter(0), Ok(()));
        let handle = handles.insert_own(0, STREAM, 1).expect("there is room");
        handles.abandon();
        assert_eq!(kind(handles.enter(0)), Some(TrapKind::Abi));
        assert_eq!(kind(handles.rep(0, STREAM, handle)), Some(TrapKind::Abi));
    }
}
