//! engine-wasmtime
