//! What an operator costs, in units of about one simple operator.

use wasmparser::Operator;

/// What one operator costs, its length not counted.
pub(super) fn of(operator: &Operator<'_>) -> u32 {
    use Operator as O;
    match operator {
        // They make no code.
        O::Block { .. } | O::Loop { .. } | O::Else | O::End | O::Nop => 0,
        O::Call { .. } | O::CallIndirect { .. } => 4,
        // They take tens of cycles.
        O::I32DivS
        | O::I32DivU
        | O::I32RemS
        | O::I32RemU
        | O::I64DivS
        | O::I64DivU
        | O::I64RemS
        | O::I64RemU
        | O::F32Div
        | O::F64Div
        | O::F32Sqrt
        | O::F64Sqrt
        | O::F32x4Div
        | O::F64x2Div
        | O::F32x4Sqrt
        | O::F64x2Sqrt => 8,
        _ if weight(operator).is_some() => 32,
        _ => 1,
    }
}

/// For operators whose work grows with a length, the cost of 16 units of it (bytes, elements or pages). The length is their
/// topmost operand.
pub(super) fn weight(operator: &Operator<'_>) -> Option<u32> {
    use Operator as O;
    match operator {
        O::MemoryFill { .. } | O::MemoryCopy { .. } | O::MemoryInit { .. } => Some(1),
        O::TableFill { .. } | O::TableCopy { .. } | O::TableInit { .. } => Some(16),
        // New elements and pages are also made by the engine or the system.
        O::TableGrow { .. } => Some(64),
        O::MemoryGrow { .. } => Some(65_536),
        _ => None,
    }
}

/// Lengths are charged in parts of this many units, as a power of two.
pub(super) const WEIGHT_SHIFT: i64 = 4;
