//! Ways to change a component in one place.

use std::ops::Range;

use anyhow::Result;
use wasmparser::{BinaryReaderError, DataKind, FunctionBody, Operator, Parser, Payload};

use crate::figures::random::Random;

/// Bytes that mean something: ends, blocks, calls, constants, memory instructions, sections, large numbers.
const TELLING: [u8; 16] = [0, 1, 2, 0x03, 0x0b, 0x0c, 0x10, 0x11, 0x28, 0x36, 0x40, 0x41, 0x7f, 0x80, 0xfc, 0xff];

/// Whatever comes of it: most is no component any more.
pub(super) fn anywhere(wasm: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if wasm.len() < 16 {
        return;
    }
    let at = 8 + random.below(wasm.len() - 8);
    let most = [2, 4, 16, 200][random.below(4)];
    let some = 1 + random.below(most);
    let end = (at + some).min(wasm.len());
    match random.below(12) {
        0..=2 => wasm[at] ^= 1 << random.below(8),
        3..=5 => wasm[at] = TELLING[random.below(TELLING.len())],
        6 => wasm[at] = random.next() as u8,
        7 => drop(wasm.drain(at..end)),
        8 => {
            let more = wasm[at..end].to_vec();
            wasm.splice(at..at, more);
        }
        9 => {
            let from = random.below(other.len());
            let piece = &other[from..(from + some).min(other.len())];
            wasm.splice(at..end, piece.iter().copied());
        }
        10 => {
            let with = 8 + random.below(wasm.len() - 8);
            wasm.swap(at, with);
        }
        _ => wasm.truncate(at),
    }
}

/// Where the core modules of a component can say something else and stay WebAssembly: what their instructions compute
/// with and the bytes they begin with, so that pointers, lengths, cases and handles become wild.
#[derive(Default)]
pub(super) struct Meanings {
    /// Numbers within instructions: constants, offsets, indices.
    numbers: Vec<Range<usize>>,
    /// Instructions of one byte that take and give two numbers of a type: any other of the same type fits there.
    arithmetic: Vec<usize>,
    data: Vec<Range<usize>>,
}

/// `i32.add` to `i32.rotr`.
const I32: Range<u8> = 0x6a..0x79;

impl Meanings {
    pub(super) fn of(wasm: &[u8]) -> Result<Self> {
        let mut meanings = Self::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::CodeSectionEntry(body) => meanings.body(&body)?,
                Payload::DataSection(section) => {
                    for data in section {
                        let data = data?;
                        if let DataKind::Active { offset_expr, .. } = &data.kind {
                            // Between its opcode and its end.
                            let range = offset_expr.get_binary_reader().range();
                            meanings.numbers.push(range.start + 1..range.end - 1);
                        }
                        meanings.data.push(data.range.end - data.data.len()..data.range.end);
                    }
                }
                _ => {}
            }
        }
        let Self { numbers, data, .. } = &mut meanings;
        numbers.retain(|range| !range.is_empty());
        data.retain(|range| !range.is_empty());
        Ok(meanings)
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), BinaryReaderError> {
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let at = reader.original_position();
            let operator = reader.read()?;
            let end = reader.original_position();
            match operator {
                Operator::I32Const { .. } | Operator::I64Const { .. } => self.numbers.push(at + 1..end),
                Operator::I32Load { .. }
                | Operator::I32Load8U { .. }
                | Operator::I64Load { .. }
                | Operator::I32Store { .. }
                | Operator::I32Store8 { .. }
                | Operator::I64Store { .. } => self.numbers.push(at + 2..end),
                Operator::LocalGet { .. } | Operator::Call { .. } | Operator::BrIf { .. } => {
                    self.numbers.push(at + 1..end);
                }
                Operator::I32Add | Operator::I32Sub | Operator::I32Mul | Operator::I32And | Operator::I32Shl => {
                    self.arithmetic.push(at);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Changes one of them; nothing where there are none.
    pub(super) fn change(&self, wasm: &mut [u8], random: &mut Random) {
        match random.below(8) {
            0 if !self.arithmetic.is_empty() => {
                let at = self.arithmetic[random.below(self.arithmetic.len())];
                wasm[at] = I32.start + random.below(I32.len()) as u8;
            }
            1 | 2 if !self.data.is_empty() => {
                let range = &self.data[random.below(self.data.len())];
                wasm[range.start + random.below(range.len())] = random.next() as u8;
            }
            _ if !self.numbers.is_empty() => {
                let range = &self.numbers[random.below(self.numbers.len())];
                let at = range.start + random.below(range.len());
                // The first bit says whether more bytes of the number follow (LEB128).
                wasm[at] = wasm[at] & 0x80 | (random.next() as u8 & 0x7f);
            }
            _ => {}
        }
    }
}
