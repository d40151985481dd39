#![doc = include_str!("../README.md")]

use std::sync::Arc;

pub use stellatune_plugin_core::{
    actor::{Canceller, ComponentStats, Priority, Quantiles},
    check,
    engine::{Engine, EngineId, Guarantee},
    error::{Error, ErrorKind, PluginError, Result, Trap, TrapKind},
    event::Event,
    host::{HostStream, Http, Services, Sidecars, Streams},
    hot, inspect,
    install::Installed,
    lifecycle::{DripPolicy, RestartPolicy},
    limits::{Budget, Budgets, Limits},
    manifest, package, registry,
    registry::BundledPackage,
    route::{RouteKey, Selector},
    runtime::{
        AudioPath, Catalog, ConfigUpdate, Decoder, DecoderChoice, Dsp, DspOptions, LyricsProvider, OpenedTrack,
        PcmBlock, Runtime, RuntimeBuilder, Sink, default_plugins_dir,
    },
    services::stream::Input,
    types, world,
};

/// The names of the engines compiled in, the default one first.
pub fn engines() -> &'static [&'static str] {
    &[
        #[cfg(feature = "wasmtime")]
        "wasmtime",
        #[cfg(feature = "wasmer")]
        "wasmer",
    ]
}

/// The engine of that name, or the default one.
///
/// # Errors
/// `unsupported`: no such engine is compiled in. `internal`: it cannot run on this machine.
pub fn engine(name: Option<&str>) -> Result<Arc<dyn Engine>> {
    let name = name.or_else(|| engines().first().copied()).unwrap_or("none");
    match name {
        #[cfg(feature = "wasmtime")]
        "wasmtime" => match stellatune_plugin_engine_wasmtime::WasmtimeEngine::new() {
            Ok(engine) => Ok(Arc::new(engine)),
            Err(error) => Err(Error::new(ErrorKind::Internal, error.to_string()).source_error(error)),
        },
        #[cfg(feature = "wasmer")]
        "wasmer" => Ok(Arc::new(stellatune_plugin_engine_wasmer::WasmerEngine::new())),
        _ => Err(Error::new(ErrorKind::Unsupported, format!("the engine `{name}` is not compiled in"))
            .help(format!("this build has: {}", engines().join(", ")))),
    }
}
