//! The canonical ABI, typed: values cross the boundary to and from core's own types, without values in between.
//!
//! [`Shape`] says what a Rust type is in the component model, [`Lower`] hands a value to a guest and [`Lift`] takes one
//! over; [`transfer::Transfer`] is one passage, with everything it may touch. `flat` and `layout` say where values are,
//! `call` makes whole calls of them. Sections named in comments are those of the component-model repository's Canonical ABI.
//!
//! What comes from a guest is checked before it is used and before anything is allocated for it: pointers, lengths,
//! alignment, discriminants, text and handles. A breach is a trap of kind `abi`.

mod call;
mod compound;
mod define;
#[cfg(feature = "testing")]
pub(crate) mod dynamic;
pub(crate) mod flat;
mod handle;
pub(crate) mod layout;
mod scalar;
mod string;
mod transfer;
mod types;

use stellatune_plugin_core::error::{Trap, TrapKind};

pub(crate) use call::{Answer, Export, Import, import};
pub(crate) use flat::{Parameters, Results};
pub(crate) use handle::{Borrow, KINDS, Kind, Own, Resource, kind};
pub(crate) use transfer::Transfer;
pub(crate) use types::{Datetime, OpenedStream, OpenedStreamHandle, StreamFault};

use crate::component::plan::{self, HandleType, Options, Plan, Type};
use flat::{Flat, Values};

/// What a type is in the component model.
pub(crate) trait Shape: 'static {
    /// Bytes in memory, a multiple of `ALIGN`.
    const SIZE: usize;
    const ALIGN: usize;
    /// The core values it flattens to.
    type Flat: Flat;

    /// Compares with a component's own type.
    ///
    /// # Errors
    /// What differs.
    fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String>;

    /// Compares where there may be no type at all.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    fn check_optional(check: &mut Check<'_>, ty: Option<u32>) -> Result<(), String> {
        match ty {
            Some(ty) => check.at::<Self>(ty),
            None => Err("found nothing".into()),
        }
    }
}

/// Hands values to a guest, as values of `S`.
pub(crate) trait Lower<S: Shape = Self> {
    /// Adds the core values of this value (`lower_flat`).
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap>;

    /// Writes this value to memory at `at`, where there is room for it (`store`).
    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap>;

    /// Writes values one after another.
    fn store_all(all: &[Self], transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap>
    where
        Self: Sized,
    {
        all.iter().enumerate().try_for_each(|(index, value)| value.store(transfer, at + index * S::SIZE))
    }
}

/// Takes values over from a guest.
pub(crate) trait Lift: Shape + Sized {
    /// Makes a value of the next core values (`lift_flat`).
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap>;

    /// Reads a value at `at`, where all of it is in memory (`load`).
    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap>;

    /// Reads `count` values one after another, all of them in memory.
    fn load_all(transfer: &mut Transfer<'_>, at: usize, count: usize) -> Result<Vec<Self>, Trap> {
        (0..count).map(|index| Self::load(transfer, at + index * Self::SIZE)).collect()
    }
}

/// How one function crosses the boundary: its options, and what its handles stand for.
pub(crate) struct Canon {
    pub(crate) options: Options,
    handles: [Option<Bound>; KINDS],
}

/// What handles of one kind are in the component instance of a function.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Bound {
    handle: HandleType,
    /// Whether that instance defines the resource itself, so that borrows reach it as what they stand for.
    own: bool,
}

impl Canon {
    /// Compares a function of a component with parameters `P` and result `R`.
    ///
    /// # Errors
    /// What differs.
    pub(crate) fn check<P: Shape, R: Shape>(plan: &Plan, function: u32, options: u32) -> Result<Self, String> {
        let function = &plan.functions[function as usize];
        let mut check = Check { plan, handles: [None; KINDS] };
        P::check(&mut check, &plan.types[function.parameters as usize])
            .map_err(|text| format!("parameters: {text}"))?;
        R::check_optional(&mut check, function.result).map_err(|text| format!("result: {text}"))?;
        Ok(Self { options: plan.options[options as usize], handles: check.handles })
    }

    /// The kinds of handles in the function's types, and the resource each is.
    pub(crate) fn resources(&self) -> impl Iterator<Item = (Kind, u32)> + '_ {
        let resource = |kind: &Kind| self.handles[*kind as usize].map(|bound| (*kind, bound.handle.resource));
        Kind::ALL.iter().filter_map(resource)
    }

    fn bound(&self, kind: Kind) -> Result<Bound, Trap> {
        // A function's types were compared, so that each kind in them is bound.
        self.handles[kind as usize].ok_or_else(|| Trap::new(TrapKind::Host, "a handle of an unknown resource"))
    }
}

/// A comparison of types, which finds out what handles stand for.
pub(crate) struct Check<'a> {
    plan: &'a Plan,
    handles: [Option<Bound>; KINDS],
}

impl Check<'_> {
    /// Compares with the type at `index` of the plan.
    fn at<S: Shape + ?Sized>(&mut self, index: u32) -> Result<(), String> {
        let plan = self.plan;
        S::check(self, &plan.types[index as usize])
    }

    /// Binds a kind to the handles of a type.
    fn bind(&mut self, kind: Kind, handle: u32) -> Result<(), String> {
        let plan = self.plan;
        let handle = plan.handles[handle as usize];
        let Some(resource) = plan.resources.get(handle.resource as usize) else {
            return Err("found a handle of an abstract resource".into());
        };
        let fits = match (resource, kind.import()) {
            (plan::Resource::Imported(import), Some((interface, name))) => {
                let import = &plan.imports[*import as usize];
                import.name == name && crate::imports::unversioned(&import.interface) == interface
            }
            (plan::Resource::Defined { .. }, None) => true,
            _ => false,
        };
        let own = matches!(resource, plan::Resource::Defined { instance } if *instance == handle.instance);
        let bound = Bound { handle, own };
        let slot = &mut self.handles[kind as usize];
        if !fits || slot.is_some_and(|other| other != bound) {
            return Err(format!("found a handle of another resource than {kind:?}"));
        }
        *slot = Some(bound);
        Ok(())
    }
}

/// A breach of the canonical ABI.
fn abi(message: impl Into<String>) -> Trap {
    Trap::new(TrapKind::Abi, message)
}
