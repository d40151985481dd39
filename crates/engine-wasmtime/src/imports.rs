//! Calls out: every import of the contract and of WASI, one statement each into core's `Host`.
//!
//! Nothing is decided here. A refusal of the host reaches the guest as its `plugin-error`; a trap of the host ends
//! the guest, and so does a panic, which Wasmtime carries over the guest's frames to the call that entered it.

mod contract;
mod wasi;

use stellatune_plugin_core::{
    error::CallError,
    host::Host,
    wasi::filesystem::{self, no_descriptor},
};
use wasmtime::{
    Engine,
    component::{HasSelf, Linker, ResourceType, Val},
};

use crate::{
    bindings::{Everything, stellatune::plugin::common},
    program::State,
};

/// A linker that offers everything a guest may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    Everything::add_to_linker::<_, HasSelf<Host>>(&mut linker, |state: &mut State| &mut state.host)?;
    files(&mut linker)?;
    Ok(linker)
}

/// Never made: stands for the resources of `wasi:filesystem`.
enum NoFile {}

/// `wasi:filesystem`, which toolchains import whether or not a guest uses files. Without a descriptor no function of
/// it can be reached, so that none needs its types.
fn files(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let mut types = linker.instance("wasi:filesystem/types@0.2.6")?;
    for resource in filesystem::RESOURCES {
        types.resource(resource, ResourceType::host::<NoFile>(), |_, _| Err(no_descriptor("drop").into()))?;
    }
    for function in filesystem::FUNCTIONS.iter().copied().chain(["filesystem-error-code"]) {
        types.func_new(function, move |_, _, _, _| Err(no_descriptor(function).into()))?;
    }
    let mut preopens = linker.instance("wasi:filesystem/preopens@0.2.6")?;
    preopens.func_new("get-directories", |_, _, _, results| {
        results.fill(Val::List(Vec::new()));
        Ok(())
    })
}

impl common::Host for Host {
    fn convert_plugin_error(&mut self, error: CallError) -> wasmtime::Result<common::PluginError> {
        match error {
            CallError::Plugin(error) => Ok(error.into()),
            CallError::Trap(trap) => Err(trap.into()),
        }
    }
}
