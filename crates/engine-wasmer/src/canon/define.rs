//! Gives Rust's structs and enums the shapes of records, variants and enums: one line a type (`types`).

use super::{Transfer, layout::discriminant};

/// Reads a discriminant of a variant with so many cases.
pub(super) fn load_case(transfer: &Transfer<'_>, at: usize, cases: usize) -> u32 {
    match discriminant(cases) {
        1 => u8::from_le_bytes(transfer.read(at)).into(),
        2 => u16::from_le_bytes(transfer.read(at)).into(),
        _ => u32::from_le_bytes(transfer.read(at)),
    }
}

pub(super) fn store_case(transfer: &mut Transfer<'_>, at: usize, cases: usize, case: u32) {
    transfer.write(at, &case.to_le_bytes()[..discriminant(cases)]);
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

/// Core values of cases, one over the other.
macro_rules! over {
    () => { () };
    ([$first:ty] $($more:tt)*) => { <<$first as Shape>::Flat as Flat>::Over<over!($($more)*)> };
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
