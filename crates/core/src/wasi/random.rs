//! `wasi:random@0.2`: everything comes from the operating system's generator, the insecure interfaces too.

use super::{Wasi, broken};
use crate::error::{Trap, TrapKind};

/// Bytes of one request. A seed takes 32; a longer request only holds the host's thread, where nothing can cut it.
const MOST_BYTES: u64 = 1024 * 1024;

impl Wasi {
    /// `wasi:random/random@0.2 get-random-bytes`; traps beyond 1 MiB.
    pub fn get_random_bytes(&self, len: u64) -> Result<Vec<u8>, Trap> {
        if len > MOST_BYTES {
            return Err(broken(format!("asked for {len} random bytes; at most {MOST_BYTES} are given at once")));
        }
        let mut bytes = vec![0; usize::try_from(len).map_err(|_| broken("a length beyond memory"))?];
        getrandom::fill(&mut bytes).map_err(no_randomness)?;
        Ok(bytes)
    }

    /// `wasi:random/random@0.2 get-random-u64`
    pub fn get_random_u64(&self) -> Result<u64, Trap> {
        getrandom::u64().map_err(no_randomness)
    }

    /// `wasi:random/insecure@0.2 get-insecure-random-bytes`; traps beyond 1 MiB.
    pub fn get_insecure_random_bytes(&self, len: u64) -> Result<Vec<u8>, Trap> {
        self.get_random_bytes(len)
    }

    /// `wasi:random/insecure@0.2 get-insecure-random-u64`
    pub fn get_insecure_random_u64(&self) -> Result<u64, Trap> {
        self.get_random_u64()
    }

    /// `wasi:random/insecure-seed@0.2 insecure-seed`
    pub fn insecure_seed(&self) -> Result<(u64, u64), Trap> {
        Ok((self.get_random_u64()?, self.get_random_u64()?))
    }
}

fn no_randomness(error: getrandom::Error) -> Trap {
    Trap::new(TrapKind::Host, format!("the system's random generator failed: {error}"))
}
