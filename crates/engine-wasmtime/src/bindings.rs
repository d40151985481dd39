//! What `bindgen!` makes of the contract and of WASI: one world that imports and exports everything.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated")]
#![allow(unused_qualifications, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks, reason = "generated")]

use stellatune_plugin_core::error::CallError;

wasmtime::component::bindgen!({
    path: ["../../wit/stellatune-plugin", "wit"],
    world: "stellatune:bindings/everything",
    imports: { default: trappable },
    trappable_error_type: { "stellatune:plugin/common.plugin-error" => CallError },
});
