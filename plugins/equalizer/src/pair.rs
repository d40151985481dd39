//! Two 64-bit floats in one vector: a stereo frame.

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{
        f64x2, f64x2_abs, f64x2_add, f64x2_extract_lane, f64x2_gt, f64x2_lt, f64x2_mul, f64x2_splat, f64x2_sub,
        u64x2_all_true, v128, v128_and,
    };

    /// The left and the right sample, or a number twice.
    #[derive(Clone, Copy)]
    pub(crate) struct Pair(v128);

    impl Pair {
        pub(crate) const ZERO: Self = Self(f64x2(0.0, 0.0));

        #[inline(always)]
        pub(crate) fn new(left: f64, right: f64) -> Self {
            Self(f64x2(left, right))
        }

        #[inline(always)]
        pub(crate) fn splat(number: f64) -> Self {
            Self(f64x2_splat(number))
        }

        #[inline(always)]
        pub(crate) fn left(self) -> f64 {
            f64x2_extract_lane::<0>(self.0)
        }

        #[inline(always)]
        pub(crate) fn right(self) -> f64 {
            f64x2_extract_lane::<1>(self.0)
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self(f64x2_add(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self(f64x2_sub(self.0, other.0))
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            Self(f64x2_mul(self.0, other.0))
        }

        /// Zero for a lane whose magnitude is not above `least`.
        #[inline(always)]
        pub(crate) fn cut(self, least: f64) -> Self {
            Self(v128_and(self.0, f64x2_gt(f64x2_abs(self.0), f64x2_splat(least))))
        }

        /// Whether both are numbers below `most` in magnitude.
        #[inline(always)]
        pub(crate) fn is_below(self, most: f64) -> bool {
            u64x2_all_true(f64x2_lt(f64x2_abs(self.0), f64x2_splat(most)))
        }
    }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    /// The left and the right sample, or a number twice.
    #[derive(Clone, Copy)]
    pub(crate) struct Pair([f64; 2]);

    impl Pair {
        pub(crate) const ZERO: Self = Self([0.0; 2]);

        #[inline(always)]
        pub(crate) fn new(left: f64, right: f64) -> Self {
            Self([left, right])
        }

        #[inline(always)]
        pub(crate) fn splat(number: f64) -> Self {
            Self([number; 2])
        }

        #[inline(always)]
        pub(crate) fn left(self) -> f64 {
            self.0[0]
        }

        #[inline(always)]
        pub(crate) fn right(self) -> f64 {
            self.0[1]
        }

        #[inline(always)]
        pub(crate) fn plus(self, other: Self) -> Self {
            Self([self.0[0] + other.0[0], self.0[1] + other.0[1]])
        }

        #[inline(always)]
        pub(crate) fn minus(self, other: Self) -> Self {
            Self([self.0[0] - other.0[0], self.0[1] - other.0[1]])
        }

        #[inline(always)]
        pub(crate) fn times(self, other: Self) -> Self {
            Self([self.0[0] * other.0[0], self.0[1] * other.0[1]])
        }

        /// Zero for a lane whose magnitude is not above `least`.
        #[inline(always)]
        pub(crate) fn cut(self, least: f64) -> Self {
            Self(self.0.map(|lane| if lane.abs() > least { lane } else { 0.0 }))
        }

        /// Whether both are numbers below `most` in magnitude.
        #[inline(always)]
        pub(crate) fn is_below(self, most: f64) -> bool {
            self.0.iter().all(|lane| lane.abs() < most)
        }
    }
}

pub(crate) use vector::Pair;
