//! Lists, tuples, `option` and `result`.

use stellatune_plugin_core::error::Trap;

use super::{
    Check, Lift, Lower, Shape, Transfer, abi,
    flat::{Flat, Values},
    layout::{align_to, larger, payload},
    scalar::expect,
};
use crate::component::plan::Type;

impl<T: Shape> Shape for Vec<T> {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
    type Flat = (i32, (i32, ()));

    fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        match ty {
            Type::List(element) => check.at::<T>(*element).map_err(|text| format!("of a list: {text}")),
            other => expect(false, "list", other),
        }
    }
}

impl<S: Shape, T: Lower<S>> Lower<Vec<S>> for &[T] {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        let at = transfer.allocate_all(self.len(), S::SIZE, S::ALIGN)?;
        <T as Lower<S>>::store_all(self, transfer, at)?;
        values.put(at as u64);
        values.put(self.len() as u64);
        Ok(())
    }

    #[allow(clippy::cast_possible_truncation, reason = "a list in a guest's memory is smaller than that")]
    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        let list = transfer.allocate_all(self.len(), S::SIZE, S::ALIGN)?;
        <T as Lower<S>>::store_all(self, transfer, list)?;
        transfer.write(at, &(list as u32).to_le_bytes());
        transfer.write(at + 4, &(self.len() as u32).to_le_bytes());
        Ok(())
    }
}

impl<S: Shape, T: Lower<S>> Lower<Vec<S>> for Vec<T> {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        Lower::<Vec<S>>::lower(&self.as_slice(), transfer, values)
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        Lower::<Vec<S>>::store(&self.as_slice(), transfer, at)
    }
}

impl<T: Lift> Lift for Vec<T> {
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        let at = u32::lift(transfer, values)?;
        let count = u32::lift(transfer, values)?;
        list(transfer, at, count)
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        let list = u32::load(transfer, at)?;
        let count = u32::load(transfer, at + 4)?;
        self::list(transfer, list, count)
    }
}

/// "load_list_from_range". Elements are charged as what the host holds of them.
fn list<T: Lift>(transfer: &mut Transfer<'_>, at: u32, count: u32) -> Result<Vec<T>, Trap> {
    let count = count as usize;
    let at = transfer.places(at, count, T::SIZE, T::ALIGN, size_of::<T>())?;
    T::load_all(transfer, at, count)
}

/// No value: the payload of a case without one, and the parameters of a function without any.
impl Shape for () {
    const SIZE: usize = 0;
    const ALIGN: usize = 1;
    type Flat = ();

    fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        expect(matches!(ty, Type::Tuple(types) if types.is_empty()), "nothing", ty)
    }

    fn check_optional(check: &mut Check<'_>, ty: Option<u32>) -> Result<(), String> {
        ty.map_or(Ok(()), |ty| check.at::<Self>(ty))
    }
}

impl Lower for () {
    fn lower(&self, _: &mut Transfer<'_>, _: &mut Values) -> Result<(), Trap> {
        Ok(())
    }

    fn store(&self, _: &mut Transfer<'_>, _: usize) -> Result<(), Trap> {
        Ok(())
    }
}

impl Lift for () {
    fn lift(_: &mut Transfer<'_>, _: &mut Values) -> Result<Self, Trap> {
        Ok(())
    }

    fn load(_: &mut Transfer<'_>, _: usize) -> Result<Self, Trap> {
        Ok(())
    }
}

/// Core values of types one after another.
macro_rules! flat {
    () => { () };
    ($first:ty $(, $more:ty)*) => { <<$first as Shape>::Flat as Flat>::Then<flat!($($more),*)> };
}
pub(super) use flat;

macro_rules! tuple {
    ($($ty:ident $shape:ident $index:tt),+) => {
        impl<$($ty: Shape),+> Shape for ($($ty,)+) {
            const ALIGN: usize = { let mut align = 1; $(align = larger(align, $ty::ALIGN);)+ align };
            const SIZE: usize = {
                let mut at = 0;
                $(at = align_to(at, $ty::ALIGN) + $ty::SIZE;)+
                align_to(at, Self::ALIGN)
            };
            type Flat = flat!($($ty),+);

            fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                let Type::Tuple(types) = ty else { return expect(false, "tuple", ty) };
                expect(types.len() == [$($index),+].len(), concat!("a tuple of ", stringify!($($index),+)), ty)?;
                $(check.at::<$ty>(types[$index]).map_err(|text| format!("{}: {text}", $index))?;)+
                Ok(())
            }
        }

        impl<$($shape: Shape, $ty: Lower<$shape>),+> Lower<($($shape,)+)> for ($($ty,)+) {
            fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                $(self.$index.lower(transfer, values)?;)+
                Ok(())
            }

            #[allow(unused_assignments, reason = "of the last")]
            fn store(&self, transfer: &mut Transfer<'_>, mut at: usize) -> Result<(), Trap> {
                $(
                    at = align_to(at, $shape::ALIGN);
                    self.$index.store(transfer, at)?;
                    at += $shape::SIZE;
                )+
                Ok(())
            }
        }

        impl<$($ty: Lift),+> Lift for ($($ty,)+) {
            fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                Ok(($($ty::lift(transfer, values)?,)+))
            }

            #[allow(unused_assignments, reason = "of the last")]
            fn load(transfer: &mut Transfer<'_>, mut at: usize) -> Result<Self, Trap> {
                Ok(($({
                    let place = align_to(at, $ty::ALIGN);
                    at = place + $ty::SIZE;
                    $ty::load(transfer, place)?
                },)+))
            }
        }
    };
}

tuple!(A SA 0);
tuple!(A SA 0, B SB 1);
tuple!(A SA 0, B SB 1, C SC 2);
tuple!(A SA 0, B SB 1, C SC 2, D SD 3);

impl<T: Shape> Shape for Option<T> {
    const ALIGN: usize = T::ALIGN;
    const SIZE: usize = align_to(payload(2, T::ALIGN) + T::SIZE, T::ALIGN);
    type Flat = (i32, T::Flat);

    fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        match ty {
            Type::Option(some) => check.at::<T>(*some).map_err(|text| format!("of an option: {text}")),
            other => expect(false, "option", other),
        }
    }
}

impl<S: Shape, T: Lower<S>> Lower<Option<S>> for Option<T> {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        values.put(self.is_some().into());
        lower_payload::<S::Flat>(values, |values| self.as_ref().map_or(Ok(()), |some| some.lower(transfer, values)))
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        transfer.write(at, &[self.is_some().into()]);
        self.as_ref().map_or(Ok(()), |some| some.store(transfer, at + payload(2, S::ALIGN)))
    }
}

impl<T: Lift> Lift for Option<T> {
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        let case = u32::lift(transfer, values)?;
        lift_payload::<T::Flat, _>(values, |values| match case {
            0 => Ok(None),
            1 => T::lift(transfer, values).map(Some),
            other => Err(no_case("an option", other)),
        })
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        match transfer.read::<1>(at) {
            [0] => Ok(None),
            [1] => T::load(transfer, at + payload(2, T::ALIGN)).map(Some),
            [other] => Err(no_case("an option", other.into())),
        }
    }
}

impl<T: Shape, E: Shape> Shape for Result<T, E> {
    const ALIGN: usize = larger(T::ALIGN, E::ALIGN);
    const SIZE: usize = align_to(payload(2, Self::ALIGN) + larger(T::SIZE, E::SIZE), Self::ALIGN);
    type Flat = (i32, <T::Flat as Flat>::Over<E::Flat>);

    fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        let Type::Result(ok, error) = ty else { return expect(false, "result", ty) };
        T::check_optional(check, *ok).map_err(|text| format!("of success: {text}"))?;
        E::check_optional(check, *error).map_err(|text| format!("of an error: {text}"))
    }
}

impl<S: Shape, T: Lower<S>, D: Shape, E: Lower<D>> Lower<Result<S, D>> for Result<T, E> {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        values.put(self.is_err().into());
        lower_payload::<<S::Flat as Flat>::Over<D::Flat>>(values, |values| match self {
            Ok(value) => value.lower(transfer, values),
            Err(error) => error.lower(transfer, values),
        })
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        transfer.write(at, &[self.is_err().into()]);
        let at = at + payload(2, larger(S::ALIGN, D::ALIGN));
        match self {
            Ok(value) => value.store(transfer, at),
            Err(error) => error.store(transfer, at),
        }
    }
}

impl<T: Lift, E: Lift> Lift for Result<T, E> {
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        let case = u32::lift(transfer, values)?;
        lift_payload::<<T::Flat as Flat>::Over<E::Flat>, _>(values, |values| match case {
            0 => T::lift(transfer, values).map(Ok),
            1 => E::lift(transfer, values).map(Err),
            other => Err(no_case("a result", other)),
        })
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        let payload = at + payload(2, Self::ALIGN);
        match transfer.read::<1>(at) {
            [0] => T::load(transfer, payload).map(Ok),
            [1] => E::load(transfer, payload).map(Err),
            [other] => Err(no_case("a result", other.into())),
        }
    }
}

/// Adds a payload as long as the longest of its variant, whose core types are `F` ("lower_flat_variant").
pub(super) fn lower_payload<F: Flat>(
    values: &mut Values,
    lower: impl FnOnce(&mut Values) -> Result<(), Trap>,
) -> Result<(), Trap> {
    let end = values.at() + F::COUNT;
    lower(values)?;
    values.go_to(end);
    Ok(())
}

/// Takes a payload as long as the longest of its variant ("lift_flat_variant").
pub(super) fn lift_payload<F: Flat, T>(
    values: &mut Values,
    lift: impl FnOnce(&mut Values) -> Result<T, Trap>,
) -> Result<T, Trap> {
    let end = values.at() + F::COUNT;
    let value = lift(values)?;
    values.go_to(end);
    Ok(value)
}

pub(super) fn no_case(what: &str, case: u32) -> Trap {
    abi(format!("{what} has no case {case}"))
}
