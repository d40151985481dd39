//! What the equaliser is compared with: its own filters, the same files, as a dynamic library. Built by the bench, with `rustc`
//! alone, which makes of `pair` what it makes of it for anybody.

#[allow(dead_code, reason = "the plugin uses the rest")]
#[path = "../../plugins/equalizer/src/filter.rs"]
mod filter;
#[allow(dead_code, reason = "the plugin uses the rest")]
#[path = "../../plugins/equalizer/src/pair.rs"]
mod pair;

use filter::{Equalizer, Filters};

/// An equaliser of what the hot-path module is configured with; null for numbers that make no filters.
///
/// # Safety
/// `numbers` is good for `count` numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn make(sample_rate: u32, channels: u16, numbers: *const f64, count: usize) -> *mut Equalizer {
    // SAFETY: the caller vouches for them.
    let numbers = unsafe { std::slice::from_raw_parts(numbers, count) };
    match (Equalizer::new(sample_rate, channels), Filters::of_numbers(numbers)) {
        (Some(mut equalizer), Some(filters)) => {
            equalizer.set(filters);
            Box::into_raw(Box::new(equalizer))
        }
        _ => std::ptr::null_mut(),
    }
}

/// Filters `frames` stereo frames.
///
/// # Safety
/// Both pointers are good for `2 * frames` samples, and `state` is one that was made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn equalizer(state: *mut Equalizer, input: *const f32, output: *mut f32, frames: u32) {
    let samples = frames as usize * 2;
    // SAFETY: the caller vouches for them.
    let (equalizer, input, output) = unsafe {
        (&mut *state, std::slice::from_raw_parts(input, samples), std::slice::from_raw_parts_mut(output, samples))
    };
    output.copy_from_slice(input);
    equalizer.process(output);
}

/// Ends one.
///
/// # Safety
/// It was made, and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn end(equalizer: *mut Equalizer) {
    // SAFETY: the caller vouches for it.
    drop(unsafe { Box::from_raw(equalizer) });
}
