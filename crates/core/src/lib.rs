//! The engine-agnostic core of Stellatune Plugins: packages, host services and the runtime, above the engine seam.
//!
//! A module imports only modules on lines above its own; `cargo xtask layers` checks it (docs/ARCHITECTURE.md).
//! Players depend on the facade `stellatune-plugins`; engines implement [`engine::Engine`]. Nothing here names an
//! engine.

pub mod control;
pub mod error;
pub mod event;
pub mod limits;
pub mod table;
pub mod types;

pub mod wasi;

pub mod host;

pub mod capability;

pub mod engine;

pub mod cache;
pub mod manifest;
pub mod meter;
pub mod package;
pub mod receipt;

pub mod world;

pub mod services;

pub mod inspect;
pub mod install;
pub mod registry;

pub mod check;
pub mod lifecycle;
pub mod route;

pub mod actor;
pub mod hot;

mod config;
mod schedule;

pub mod runtime;
