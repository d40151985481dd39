//! What hot-path modules are compared with: the same DSPs as a dynamic library, called through function pointers. Built by the
//! bench, with `rustc` alone.

/// What the filter remembers, for two channels.
#[repr(C)]
pub struct State {
    z1: [f32; 2],
    z2: [f32; 2],
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
    let (b0, b1, b2, a1, a2) = (1.0437, -1.8954, 0.8683, -1.8954, 0.9120);
    let (mut z1, mut z2) = (state.z1, state.z2);
    for (output, input) in output.as_chunks_mut::<2>().0.iter_mut().zip(input.as_chunks::<2>().0) {
        for channel in 0..2 {
            let x = input[channel] * 0.5;
            let y = b0 * x + z1[channel];
            z1[channel] = (b1 * x - a1 * y) + z2[channel];
            z2[channel] = b2 * x - a2 * y;
            output[channel] = y;
        }
    }
    (state.z1, state.z2) = (z1, z2);
}
