//! How values lie in memory (component-model, Canonical ABI, "Alignment" and "Element Size").

/// `at`, rounded up to a multiple of `align`.
pub(crate) const fn align_to(at: usize, align: usize) -> usize {
    at.div_ceil(align) * align
}

pub(crate) const fn larger(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}

/// Bytes of the discriminant of a variant (`discriminant_type`).
pub(crate) const fn discriminant(cases: usize) -> usize {
    match cases {
        0..=0x100 => 1,
        0x101..=0x1_0000 => 2,
        _ => 4,
    }
}

/// Where the payload of a variant begins.
pub(crate) const fn payload(cases: usize, align: usize) -> usize {
    align_to(discriminant(cases), align)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lie_where_the_specification_puts_them() {
        assert_eq!((align_to(0, 8), align_to(1, 8), align_to(8, 8), align_to(9, 4)), (0, 8, 8, 12));
        assert_eq!((discriminant(1), discriminant(256), discriminant(257), discriminant(65_537)), (1, 1, 2, 4));
        assert_eq!((payload(2, 1), payload(2, 8), payload(300, 1)), (1, 8, 2));
    }
}
