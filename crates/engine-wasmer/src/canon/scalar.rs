//! Numbers, `bool` and `char`.

use stellatune_plugin_core::error::Trap;

use super::{
    Check, Lift, Lower, Shape, Transfer, abi,
    flat::{Core, Values},
};
use crate::component::plan::Type;

macro_rules! number {
    ($($ty:ty, $case:ident, $core:ty;)*) => {$(
        impl Shape for $ty {
            const SIZE: usize = size_of::<$ty>();
            const ALIGN: usize = size_of::<$ty>();
            type Flat = ($core, ());

            fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                expect(*ty == Type::$case, stringify!($ty), ty)
            }
        }

        impl Lower for $ty {
            fn lower(&self, _: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                values.put((*self as $core).bits());
                Ok(())
            }

            fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
                transfer.write(at, &self.to_le_bytes());
                Ok(())
            }

            fn store_all(all: &[Self], transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
                let memory = &mut transfer.memory_mut()[at..at + size_of_val(all)];
                if cfg!(target_endian = "little") {
                    // SAFETY: numbers have no padding, and the bytes of `all` live as long as it is borrowed.
                    memory.copy_from_slice(unsafe { std::slice::from_raw_parts(all.as_ptr().cast(), size_of_val(all)) });
                } else {
                    for (place, value) in memory.chunks_exact_mut(Self::SIZE).zip(all) {
                        place.copy_from_slice(&value.to_le_bytes());
                    }
                }
                Ok(())
            }
        }

        impl Lift for $ty {
            // A narrow integer is the low part of its core value ("lift_flat_unsigned", "lift_flat_signed").
            #[allow(clippy::cast_possible_truncation, reason = "the specification wraps")]
            fn lift(_: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                Ok(<$core as Core>::from_bits(values.take()) as Self)
            }

            fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
                Ok(Self::from_le_bytes(transfer.read(at)))
            }

            fn load_all(transfer: &mut Transfer<'_>, at: usize, count: usize) -> Result<Vec<Self>, Trap> {
                let bytes = &transfer.memory()[at..at + count * Self::SIZE];
                let mut all = Vec::<Self>::with_capacity(count);
                if cfg!(target_endian = "little") {
                    // SAFETY: there is room for `count` numbers, which are `bytes.len()` bytes; every bit pattern is a
                    // number, so that all of them are initialised.
                    unsafe {
                        std::ptr::copy_nonoverlapping(bytes.as_ptr(), all.as_mut_ptr().cast(), bytes.len());
                        all.set_len(count);
                    }
                } else {
                    let number = |bytes: &[u8]| Self::from_le_bytes(std::array::from_fn(|index| bytes[index]));
                    all.extend(bytes.chunks_exact(Self::SIZE).map(number));
                }
                Ok(all)
            }
        }
    )*};
}

number! {
    u8, U8, i32;
    i8, S8, i32;
    u16, U16, i32;
    i16, S16, i32;
    u32, U32, i32;
    i32, S32, i32;
    u64, U64, i64;
    i64, S64, i64;
    f32, F32, f32;
    f64, F64, f64;
}

impl Shape for bool {
    const SIZE: usize = 1;
    const ALIGN: usize = 1;
    type Flat = (i32, ());

    fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        expect(*ty == Type::Bool, "bool", ty)
    }
}

impl Lower for bool {
    fn lower(&self, _: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        values.put((*self).into());
        Ok(())
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        transfer.write(at, &[(*self).into()]);
        Ok(())
    }
}

impl Lift for bool {
    // Whatever is not zero is true ("convert_int_to_bool").
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        Ok(u32::lift(transfer, values)? != 0)
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        Ok(transfer.read::<1>(at) != [0])
    }
}

impl Shape for char {
    const SIZE: usize = 4;
    const ALIGN: usize = 4;
    type Flat = (i32, ());

    fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        expect(*ty == Type::Char, "char", ty)
    }
}

impl Lower for char {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        u32::from(*self).lower(transfer, values)
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        u32::from(*self).store(transfer, at)
    }
}

impl Lift for char {
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        scalar_value(u32::lift(transfer, values)?)
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        scalar_value(u32::load(transfer, at)?)
    }
}

/// "convert_i32_to_char"
fn scalar_value(code: u32) -> Result<char, Trap> {
    char::from_u32(code).ok_or_else(|| abi(format!("{code:#x} is no character")))
}

/// Says what was found where something else was expected.
pub(super) fn expect(fits: bool, expected: &str, found: &Type) -> Result<(), String> {
    if fits { Ok(()) } else { Err(format!("expected {expected}, found {found:?}")) }
}
