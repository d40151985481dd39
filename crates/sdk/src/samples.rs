//! Samples as bytes and back: 32-bit little-endian floats, which is what WebAssembly's memory holds anyway.

/// The bytes of samples.
pub(crate) fn to_bytes(samples: &[f32]) -> Vec<u8> {
    if cfg!(target_endian = "little") {
        bytemuck::cast_slice(samples).to_vec()
    } else {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }
}

/// Looks at bytes as samples, `bytes.len() / 4` of them; in place where they lie as floats have to.
pub(crate) fn with<R>(bytes: &[u8], look: impl FnOnce(&[f32]) -> R) -> R {
    match bytemuck::try_cast_slice(bytes) {
        Ok(samples) if cfg!(target_endian = "little") => look(samples),
        _ => look(&copied(bytes)),
    }
}

/// Changes bytes as samples; in place where they lie as floats have to. A rest that is no sample stays.
pub(crate) fn change<R>(bytes: &mut [u8], change: impl FnOnce(&mut [f32]) -> R) -> R {
    if cfg!(target_endian = "little") {
        if let Ok(samples) = bytemuck::try_cast_slice_mut(bytes) {
            return change(samples);
        }
    }
    let mut samples = copied(bytes);
    let answer = change(&mut samples);
    for (bytes, sample) in bytes.chunks_exact_mut(4).zip(samples) {
        bytes.copy_from_slice(&sample.to_le_bytes());
    }
    answer
}

fn copied(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_found_wherever_they_lie() {
        let bytes = to_bytes(&[1.0, -0.5, 0.25]);
        for skip in 0..4 {
            let mut moved = [vec![0; skip], bytes.clone()].concat();
            let at = &mut moved[skip..];
            assert_eq!(with(at, <[f32]>::to_vec), [1.0, -0.5, 0.25]);
            change(at, |samples| samples.iter_mut().for_each(|sample| *sample *= 2.0));
            assert_eq!(with(at, <[f32]>::to_vec), [2.0, -1.0, 0.5]);
        }
        assert_eq!(with(&[0; 3], <[f32]>::len), 0);
    }
}
