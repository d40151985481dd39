//! What must hold on every engine. A group a file; each gives its cases as data.

mod abi;
mod cancel;
mod contract;
mod decode;
mod faults;
mod guarded;
mod hooks;
mod input;
mod lifecycle;
mod metadata;
mod panics;
mod places;
mod runtime;
mod seek;
mod sessions;
mod store;
mod wasi;
mod worlds;

use crate::support::Case;

/// Every case, in the order of the groups.
pub(crate) fn all() -> Vec<Case> {
    let groups = [
        decode::cases(),
        seek::cases(),
        metadata::cases(),
        input::cases(),
        sessions::cases(),
        cancel::cases(),
        faults::cases(),
        places::cases(),
        panics::cases(),
        hooks::cases(),
        guarded::cases(),
        abi::cases(),
        wasi::cases(),
        worlds::cases(),
        contract::cases(),
        runtime::cases(),
        lifecycle::cases(),
        store::cases(),
    ];
    groups.into_iter().flatten().collect()
}
