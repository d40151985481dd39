//! Rewrites a function: puts in what it pays.
//!
//! A function with loops keeps the counter in a local, so that a tight loop pays in a register; it writes the counter
//! back before it calls anything and when it returns. A function without loops pays once, and needs no local.

use std::convert::Infallible;

use wasm_encoder::{
    BlockType, Function, InstructionSink, MemArg, ValType,
    reencode::{self, Reencode},
};
use wasmparser::{FunctionBody, Operator};

use super::{
    NO_ANSWER,
    cost::{self, WEIGHT_SHIFT},
    survey::{Body, Kept},
};

/// What the meter added to a module, by index.
#[derive(Clone, Copy)]
pub(super) struct Meter {
    /// The global.
    pub(super) counter: u32,
    /// The function that is asked; without one, the guest traps.
    pub(super) check: Option<u32>,
    /// The function that charges for a length and returns it.
    pub(super) bulk: u32,
}

impl Meter {
    /// Charges `cost` to the global.
    fn charge(self, code: &mut InstructionSink<'_>, cost: u32) {
        if cost > 0 {
            code.global_get(self.counter).i64_const(cost.into()).i64_sub().global_set(self.counter);
            self.settle(code);
        }
    }

    /// Asks or traps where the global is below zero.
    fn settle(self, code: &mut InstructionSink<'_>) {
        code.global_get(self.counter).i64_const(0).i64_lt_s().if_(BlockType::Empty);
        self.exhausted(code);
        code.end();
    }

    /// *Requires*: the global holds what is left, which tells the host of a trap that it was the meter's.
    fn exhausted(self, code: &mut InstructionSink<'_>) {
        match self.check {
            Some(check) => code.call(check),
            None => code.unreachable(),
        };
    }

    fn store(self, code: &mut InstructionSink<'_>, local: u32) {
        code.local_get(local).global_set(self.counter);
    }

    fn load(self, code: &mut InstructionSink<'_>, local: u32) {
        code.global_get(self.counter).local_set(local);
    }

    /// Charges `cost` to the local that keeps the counter.
    fn charge_local(self, code: &mut InstructionSink<'_>, local: u32, cost: u32) {
        if cost == 0 {
            return;
        }
        code.local_get(local).i64_const(cost.into()).i64_sub().local_tee(local);
        code.i64_const(0).i64_lt_s().if_(BlockType::Empty);
        self.store(code, local);
        self.exhausted(code);
        if self.check.is_some() {
            self.load(code, local);
        }
        code.end();
    }
}

/// The function that charges for a length: takes the length and the weight, returns the length.
///
/// Neither product nor difference can overflow: a length has 32 bits, a weight 17, and the counter is not below zero
/// by more than one charge.
pub(super) fn bulk(meter: Meter) -> Function {
    const LENGTH: u32 = 0;
    const WEIGHT: u32 = 1;
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.global_get(meter.counter);
    code.local_get(LENGTH).i64_extend_i32_u().local_get(WEIGHT).i64_mul().i64_const(WEIGHT_SHIFT).i64_shr_u();
    code.i64_sub().global_set(meter.counter);
    meter.settle(&mut code);
    code.local_get(LENGTH).end();
    function
}

/// The function that runs a block, which `process` computes ([`ENTRY`](super::ENTRY)). It pays nothing itself.
pub(super) fn entry(meter: Meter, process: u32) -> Function {
    const UNITS: u32 = 0;
    const CTX: u32 = 1;
    const FRAMES: u32 = 2;
    const ANSWER: u32 = 3;
    let word = MemArg { offset: 0, align: 2, memory_index: 0 };
    let mut function = Function::new([]);
    let mut code = function.instructions();
    code.local_get(UNITS).global_set(meter.counter);
    code.local_get(ANSWER).i64_const(NO_ANSWER as i64).i64_store(word);
    code.local_get(CTX).local_get(FRAMES).local_get(ANSWER).local_get(ANSWER).i32_const(4).i32_add().call(process);
    code.local_get(ANSWER).i64_load(word).end();
    function
}

/// Rewrites `function`, which pays what `paid` says. `names` renumbers.
pub(super) fn rewrite<R: Reencode<Error = Infallible>>(
    names: &mut R,
    meter: Meter,
    paid: &Body,
    function: &FunctionBody<'_>,
) -> Result<Function, reencode::Error<Infallible>> {
    let mut locals = Vec::new();
    for group in function.get_locals_reader()? {
        let (count, ty) = group?;
        locals.push((count, names.val_type(ty)?));
    }
    locals.extend(paid.local.map(|_| (1, ValType::I64)));
    let mut rewritten = Function::new(locals);
    let mut code = rewritten.instructions();
    match paid.local {
        None => meter.charge(&mut code, paid.entry),
        Some(Kept { index, result }) => {
            meter.load(&mut code, index);
            meter.charge_local(&mut code, index, paid.entry);
            // Every way out but a trap goes through the end of this block.
            let result = result.map(|result| names.val_type(result)).transpose()?;
            code.block(result.map_or(BlockType::Empty, BlockType::Result));
        }
    }
    let kept = paid.local.map(|kept| kept.index);
    let mut loops = paid.loops.iter().copied();
    let mut depth = 0_u32;
    let mut operators = function.get_operators_reader()?;
    while !operators.eof() {
        let operator = operators.read()?;
        let weight = cost::weight(&operator);
        let (call, head) = (is_call(&operator), matches!(operator, Operator::Loop { .. }));
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth > 0 => depth -= 1,
            // The function's own end, to which a branch leads as it does to the block around its body.
            Operator::End => {
                if let Some(local) = kept {
                    meter.store(rewritten.instructions().end(), local);
                }
            }
            _ => {}
        }
        if let (Operator::Return, Some(_)) = (&operator, kept) {
            rewritten.instructions().br(depth);
            continue;
        }
        if let Some(local) = kept.filter(|_| call || weight.is_some()) {
            meter.store(&mut rewritten.instructions(), local);
        }
        if let Some(weight) = weight {
            rewritten.instructions().i64_const(weight.into()).call(meter.bulk);
        }
        rewritten.instruction(&names.instruction(operator)?);
        if let Some(local) = kept.filter(|_| call || weight.is_some()) {
            meter.load(&mut rewritten.instructions(), local);
        }
        if head {
            let cost = loops.next().unwrap_or(0);
            match kept {
                Some(local) => meter.charge_local(&mut rewritten.instructions(), local, cost),
                None => meter.charge(&mut rewritten.instructions(), cost),
            }
        }
    }
    Ok(rewritten)
}

fn is_call(operator: &Operator<'_>) -> bool {
    matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. })
}
