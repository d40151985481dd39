//! Lists, tuples, `option` and `result`; and the macros that make records, variants, enums and flags of Rust types.

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

/// Reads a discriminant of a variant with so many cases.
pub(super) fn load_case(transfer: &Transfer<'_>, at: usize, cases: usize) -> u32 {
    match super::layout::discriminant(cases) {
        1 => u8::from_le_bytes(transfer.read(at)).into(),
        2 => u16::from_le_bytes(transfer.read(at)).into(),
        _ => u32::from_le_bytes(transfer.read(at)),
    }
}

pub(super) fn store_case(transfer: &mut Transfer<'_>, at: usize, cases: usize, case: u32) {
    transfer.write(at, &case.to_le_bytes()[..super::layout::discriminant(cases)]);
}

/// Whether a Rust name is a component's: `InvalidArg` and `invalid_arg` are `invalid-arg`.
pub(super) fn same_name(rust: &str, component: &str) -> bool {
    let mut kebab = String::with_capacity(component.len());
    for (index, character) in rust.char_indices() {
        if character.is_ascii_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.push(if character == '_' { '-' } else { character.to_ascii_lowercase() });
    }
    kebab == component
}

/// Gives a struct the shape of a record with the same fields.
macro_rules! record {
    ($name:ty { $($field:ident: $ty:ty),+ $(,)? }) => {
        impl Shape for $name {
            const ALIGN: usize = { let mut align = 1; $(align = larger(align, <$ty as Shape>::ALIGN);)+ align };
            const SIZE: usize = {
                let mut at = 0;
                $(at = align_to(at, <$ty as Shape>::ALIGN) + <$ty as Shape>::SIZE;)+
                align_to(at, Self::ALIGN)
            };
            type Flat = flat!($($ty),+);

            fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                const FIELDS: &[&str] = &[$(stringify!($field)),+];
                let Type::Record(fields) = ty else { return expect(false, stringify!($name), ty) };
                let names = fields.len() == FIELDS.len()
                    && fields.iter().zip(FIELDS).all(|((found, _), known)| same_name(known, found));
                expect(names, stringify!($name), ty)?;
                let mut fields = fields.iter();
                $(
                    let ty = fields.next().map(|(_, ty)| *ty);
                    <$ty as Shape>::check_optional(check, ty)
                        .map_err(|text| format!("{}: {text}", stringify!($field)))?;
                )+
                Ok(())
            }
        }

        impl Lower for $name {
            fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                $(Lower::<$ty>::lower(&self.$field, transfer, values)?;)+
                Ok(())
            }

            #[allow(unused_assignments, reason = "of the last")]
            fn store(&self, transfer: &mut Transfer<'_>, mut at: usize) -> Result<(), Trap> {
                $(
                    at = align_to(at, <$ty as Shape>::ALIGN);
                    Lower::<$ty>::store(&self.$field, transfer, at)?;
                    at += <$ty as Shape>::SIZE;
                )+
                Ok(())
            }
        }

        impl Lift for $name {
            fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                Ok(Self { $($field: <$ty>::lift(transfer, values)?),+ })
            }

            #[allow(unused_assignments, reason = "of the last")]
            fn load(transfer: &mut Transfer<'_>, mut at: usize) -> Result<Self, Trap> {
                Ok(Self { $($field: {
                    let place = align_to(at, <$ty as Shape>::ALIGN);
                    at = place + <$ty as Shape>::SIZE;
                    <$ty>::load(transfer, place)?
                }),+ })
            }
        }
    };
}
pub(super) use record;

/// The type of a case's payload.
macro_rules! case_type {
    () => {
        ()
    };
    ($ty:ty) => {
        $ty
    };
}
pub(super) use case_type;

/// Core values of cases, one over the other.
macro_rules! over {
    () => { () };
    ([$($first:ty)?] $($more:tt)*) => { <<case_type!($($first)?) as Shape>::Flat as Flat>::Over<over!($($more)*)> };
}
pub(super) use over;

/// Gives an enum the shape of a variant with the same cases, each with one value.
macro_rules! variant {
    ($name:ty { $($case:ident($ty:ty)),+ $(,)? }) => {
        const _: () = {
            const CASES: &[&str] = &[$(stringify!($case)),+];

            enum Case { $($case),+ }

            /// The core values of the largest payload.
            type Payload = over!($([$ty])+);

            impl Shape for $name {
                const ALIGN: usize = {
                    let mut align = discriminant(CASES.len());
                    $(align = larger(align, <$ty as Shape>::ALIGN);)+
                    align
                };
                const SIZE: usize = {
                    let mut size = 0;
                    $(size = larger(size, <$ty as Shape>::SIZE);)+
                    align_to(payload(CASES.len(), Self::ALIGN) + size, Self::ALIGN)
                };
                type Flat = (i32, Payload);

                fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                    let Type::Variant(cases) = ty else { return expect(false, stringify!($name), ty) };
                    let names = cases.len() == CASES.len()
                        && cases.iter().zip(CASES).all(|((found, _), known)| same_name(known, found));
                    expect(names, stringify!($name), ty)?;
                    let mut cases = cases.iter();
                    $(
                        let ty = cases.next().and_then(|(_, ty)| *ty);
                        <$ty as Shape>::check_optional(check, ty)
                            .map_err(|text| format!("{}: {text}", stringify!($case)))?;
                    )+
                    Ok(())
                }
            }

            impl Lower for $name {
                fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                    match self {
                        $(Self::$case(value) => {
                            values.put(Case::$case as u64);
                            lower_payload::<Payload>(values, |values| {
                                Lower::<$ty>::lower(value, transfer, values)
                            })
                        })+
                    }
                }

                fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
                    let place = at + payload(CASES.len(), Self::ALIGN);
                    match self {
                        $(Self::$case(value) => {
                            store_case(transfer, at, CASES.len(), Case::$case as u32);
                            Lower::<$ty>::store(value, transfer, place)
                        })+
                    }
                }
            }

            impl Lift for $name {
                fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                    let case = u32::lift(transfer, values)?;
                    lift_payload::<Payload, _>(values, |values| {
                        $(if case == Case::$case as u32 {
                            return <$ty>::lift(transfer, values).map(Self::$case);
                        })+
                        Err(no_case(stringify!($name), case))
                    })
                }

                fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
                    let case = load_case(transfer, at, CASES.len());
                    let place = at + payload(CASES.len(), Self::ALIGN);
                    $(if case == Case::$case as u32 {
                        return <$ty>::load(transfer, place).map(Self::$case);
                    })+
                    Err(no_case(stringify!($name), case))
                }
            }
        };
    };
}
pub(super) use variant;

/// Gives an enum without values the shape of an enum with the same cases.
macro_rules! enumeration {
    ($name:ty { $($case:ident),+ $(,)? }) => {
        const _: () = {
            const CASES: &[&str] = &[$(stringify!($case)),+];
            const VALUES: &[$name] = &[$(<$name>::$case),+];

            // The cases are listed in their order, so that each is its own discriminant.
            const _: () = {
                let mut index = 0;
                while index < VALUES.len() {
                    assert!(VALUES[index] as usize == index);
                    index += 1;
                }
            };

            impl Shape for $name {
                const ALIGN: usize = discriminant(CASES.len());
                const SIZE: usize = discriminant(CASES.len());
                type Flat = (i32, ());

                fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                    let Type::Enum(cases) = ty else { return expect(false, stringify!($name), ty) };
                    let names = cases.len() == CASES.len()
                        && cases.iter().zip(CASES).all(|(found, known)| same_name(known, found));
                    expect(names, stringify!($name), ty)
                }
            }

            impl Lower for $name {
                fn lower(&self, _: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                    values.put(*self as u64);
                    Ok(())
                }

                fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
                    store_case(transfer, at, CASES.len(), *self as u32);
                    Ok(())
                }
            }

            impl Lift for $name {
                fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                    let case = u32::lift(transfer, values)?;
                    VALUES.get(case as usize).copied().ok_or_else(|| no_case(stringify!($name), case))
                }

                fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
                    let case = load_case(transfer, at, CASES.len());
                    VALUES.get(case as usize).copied().ok_or_else(|| no_case(stringify!($name), case))
                }
            }
        };
    };
}
pub(super) use enumeration;
