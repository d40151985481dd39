//! What must hold on every engine. A group a file; each gives its cases as data.

mod abi;
mod abilities;
mod budgets;
mod cancel;
mod contract;
mod cuts;
mod decode;
mod drip;
mod ends;
mod equalizer;
mod exports;
mod faults;
mod formats;
mod forms;
mod guarded;
mod hooks;
mod hostile;
mod hot;
mod hot_sink;
mod imports;
mod input;
mod lifecycle;
mod load;
mod metadata;
mod panics;
mod places;
mod promises;
mod runtime;
mod seek;
mod sessions;
mod shutdown;
mod standard;
mod store;
mod strings;
pub(crate) mod together;
mod wasi;
mod zoo;

use crate::support::Case;

/// Every case, in the order of the groups.
pub(crate) fn all() -> Vec<Case> {
    let groups = [
        decode::cases(),
        seek::cases(),
        metadata::cases(),
        input::cases(),
        formats::cases(),
        sessions::cases(),
        cancel::cases(),
        faults::cases(),
        places::cases(),
        panics::cases(),
        hooks::cases(),
        guarded::cases(),
        hot::cases(),
        hot_sink::cases(),
        equalizer::cases(),
        forms::cases(),
        abi::cases(),
        strings::cases(),
        zoo::cases(),
        hostile::cases(),
        load::cases(),
        wasi::cases(),
        standard::cases(),
        abilities::cases(),
        imports::cases(),
        contract::cases(),
        exports::cases(),
        ends::cases(),
        cuts::cases(),
        promises::cases(),
        runtime::cases(),
        lifecycle::cases(),
        shutdown::cases(),
        drip::cases(),
        budgets::cases(),
        store::cases(),
    ];
    groups.into_iter().flatten().collect()
}
