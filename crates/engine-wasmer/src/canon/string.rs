//! Strings, in the three encodings a component may choose ("load_string" and "store_string").

use std::char::{REPLACEMENT_CHARACTER, decode_utf16};

use stellatune_plugin_core::error::Trap;

use super::{Check, Lift, Lower, Shape, Transfer, abi, flat::Values, scalar::expect};
use crate::component::plan::{Encoding, Type};

/// In a length of `latin1+utf16`: the text is UTF-16 (`UTF16_TAG`).
const UTF16_TAG: u32 = 1 << 31;

impl Shape for String {
    const SIZE: usize = 8;
    const ALIGN: usize = 4;
    type Flat = (i32, (i32, ()));

    fn check(_: &mut Check<'_>, ty: &Type) -> Result<(), String> {
        expect(*ty == Type::String, "string", ty)
    }
}

impl Lower<String> for &str {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        let (at, len) = write(transfer, self)?;
        values.put(u64::from(at));
        values.put(u64::from(len));
        Ok(())
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        let (text, len) = write(transfer, self)?;
        transfer.write(at, &text.to_le_bytes());
        transfer.write(at + 4, &len.to_le_bytes());
        Ok(())
    }
}

impl Lower for String {
    fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
        self.as_str().lower(transfer, values)
    }

    fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
        self.as_str().store(transfer, at)
    }
}

impl Lift for String {
    fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
        let at = u32::lift(transfer, values)?;
        let len = u32::lift(transfer, values)?;
        read(transfer, at, len)
    }

    fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
        let text = u32::load(transfer, at)?;
        let len = u32::load(transfer, at + 4)?;
        read(transfer, text, len)
    }
}

/// Copies text into the guest: where it is, and how long, in code units.
fn write(transfer: &mut Transfer<'_>, text: &str) -> Result<(u32, u32), Trap> {
    match transfer.canon().options.encoding {
        Encoding::Utf8 => {
            let at = transfer.allocate(text.len(), 1)?;
            transfer.write(at, text.as_bytes());
            units(at, text.len())
        }
        Encoding::Utf16 => {
            let (at, units) = write_utf16(transfer, text)?;
            self::units(at, units)
        }
        // The host knows the whole text, so that it need not begin narrow and start again.
        Encoding::Compact if text.chars().all(|character| u32::from(character) < 0x100) => {
            let latin1: Vec<u8> = text.chars().map(|character| character as u8).collect();
            let at = transfer.allocate(latin1.len(), 2)?;
            transfer.write(at, &latin1);
            units(at, latin1.len())
        }
        Encoding::Compact => {
            let (at, units) = write_utf16(transfer, text)?;
            let (at, units) = self::units(at, units)?;
            Ok((at, units | UTF16_TAG))
        }
    }
}

fn write_utf16(transfer: &mut Transfer<'_>, text: &str) -> Result<(usize, usize), Trap> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let at = transfer.allocate(2 * units.len(), 2)?;
    u16::store_all(&units, transfer, at)?;
    Ok((at, units.len()))
}

/// Both fit: `Transfer::allocate` gives nothing larger.
fn units(at: usize, units: usize) -> Result<(u32, u32), Trap> {
    match (u32::try_from(at), u32::try_from(units)) {
        (Ok(at), Ok(units)) => Ok((at, units)),
        _ => Err(abi("text beyond a memory of 32 bits")),
    }
}

/// Copies text out of the guest: `len` code units at `at`.
fn read(transfer: &mut Transfer<'_>, at: u32, len: u32) -> Result<String, Trap> {
    match transfer.canon().options.encoding {
        Encoding::Utf8 => {
            let len = len as usize;
            let at = transfer.places(at, len, 1, 1, 1)?;
            let text = std::str::from_utf8(&transfer.memory()[at..at + len]);
            text.map(str::to_owned).map_err(|error| abi(format!("text is not UTF-8: {error}")))
        }
        Encoding::Utf16 => read_utf16(transfer, at, len),
        Encoding::Compact if len & UTF16_TAG != 0 => read_utf16(transfer, at, len & !UTF16_TAG),
        Encoding::Compact => {
            let len = len as usize;
            let at = transfer.places(at, len, 1, 2, 1)?;
            Ok(transfer.memory()[at..at + len].iter().map(|byte| char::from(*byte)).collect())
        }
    }
}

fn read_utf16(transfer: &mut Transfer<'_>, at: u32, len: u32) -> Result<String, Trap> {
    let len = len as usize;
    let at = transfer.places(at, len, 2, 2, 2)?;
    let units = transfer.memory()[at..at + 2 * len].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let mut whole = true;
    let text = decode_utf16(units).map(|character| {
        character.unwrap_or_else(|_| {
            whole = false;
            REPLACEMENT_CHARACTER
        })
    });
    let text = text.collect();
    if whole { Ok(text) } else { Err(abi("text is not UTF-16: half of a surrogate pair")) }
}
