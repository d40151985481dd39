//! What hot-path modules are compared with: the same DSPs as a dynamic library, called through function pointers. Built by the
//! bench, with `rustc` alone.

use std::ops::{Add, Mul, Sub};

/// Four floats, of which compilers make a vector: both channels of a frame are filtered at once, as in the module.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Lanes([f32; 4]);

/// What the filter remembers.
#[repr(C)]
pub struct State {
    z1: Lanes,
    z2: Lanes,
}

impl Lanes {
    const fn all(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn each(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (self.0, other.0);
        Self([of(a, e), of(b, f), of(c, g), of(d, h)])
    }
}

impl Add for Lanes {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }
}

impl Sub for Lanes {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }
}

impl Mul for Lanes {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }
}

/// What a DSP remembers, at first. Nothing here is configured.
#[unsafe(no_mangle)]
pub extern "C" fn make(_sample_rate: u32, _channels: u16, _numbers: *const f64, _count: usize) -> *mut State {
    Box::into_raw(Box::new(State { z1: Lanes::all(0.0), z2: Lanes::all(0.0) }))
}

/// Ends one.
///
/// # Safety
/// It was made, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn end(state: *mut State) {
    // SAFETY: the caller vouches for it.
    drop(unsafe { Box::from_raw(state) });
}

/// Halves `frames` stereo frames.
///
/// # Safety
/// Both pointers are good for `2 * frames` samples.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gain(_: *mut State, input: *const f32, output: *mut f32, frames: u32) {
    let samples = frames as usize * 2;
    // SAFETY: the caller vouches for them.
    let (input, output) =
        unsafe { (std::slice::from_raw_parts(input, samples), std::slice::from_raw_parts_mut(output, samples)) };
    for (output, input) in output.iter_mut().zip(input) {
        *output = input * 0.5;
    }
}

/// Halves, and then filters as `fixtures/wat-hot/biquad.wat` does.
///
/// # Safety
/// As for `gain`, and `state` points to a state.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gain_biquad(state: *mut State, input: *const f32, output: *mut f32, frames: u32) {
    let samples = frames as usize * 2;
    // SAFETY: the caller vouches for them.
    let (state, input, output) = unsafe {
        (&mut *state, std::slice::from_raw_parts(input, samples), std::slice::from_raw_parts_mut(output, samples))
    };
    let [b0, b1, b2, a1, a2] = [1.0437, -1.8954, 0.8683, -1.8954, 0.9120].map(Lanes::all);
    let gain = Lanes::all(0.5);
    let (mut z1, mut z2) = (state.z1, state.z2);
    for (output, [left, right]) in output.as_chunks_mut::<2>().0.iter_mut().zip(input.as_chunks::<2>().0) {
        let x = Lanes([*left, *right, *left, *right]) * gain;
        let y = b0 * x + z1;
        z1 = (b1 * x + z2) - a1 * y;
        z2 = b2 * x - a2 * y;
        *output = [y.0[0], y.0[1]];
    }
    (state.z1, state.z2) = (z1, z2);
}
