//! Write plugins for music players in Rust.
//!
//! A plugin is a WebAssembly component that exports one of the worlds of `stellatune:plugin@0.1.0`. This crate hides
//! the component model: implement a trait, name your type in [`export!`], build with
//! `cargo build --release --target wasm32-wasip2`. It is not for hosts, and it never looks at what a host is made of.
//!
//! ```
#![doc = include_str!("../examples/decoder.rs")]
//!
//! // A decoder is ordinary Rust: its tests run without a host.
//! let mut decoder = RawBytes::open(HostStream::from_bytes(vec![128, 255, 0]), Some("raw"))?;
//! decoder.seek(Duration::ZERO)?;
//! assert_eq!(decoder.read_pcm(2)?, PcmChunk::from_samples(&[0.0, 127.0 / 128.0], 1));
//! assert_eq!(decoder.read_pcm(2)?.frames, 1);
//! assert!(decoder.read_pcm(2)?.eof);
//! assert!(matches!(RawBytes::open(HostStream::from_bytes(vec![]), None), Err(Error::Unsupported(_))));
//! # Ok::<(), Error>(())
//! ```
//!
//! | implement | to | its example has |
//! |---|---|---|
//! | [`Decoder`] | turn encoded audio into samples | seeking, tests without a host |
//! | [`Source`] | offer tracks from somewhere else | configuration, a stream the host opens |
//! | [`Lyrics`] | find the words of songs | answers over HTTP |
//! | [`OutputSink`] | play audio on a device | a helper process |
//! | [`Dsp`] | change audio | configuration, state |
//!
//! Every trait ends with the same four methods for configuration and state, all with defaults. [`Lifecycle`] has
//! optional hooks around an instance.
//!
//! **What the host offers**: [`HostStream`] for bytes that it hands in or opens ([`HttpRequest`], [`TcpRequest`]),
//! [`http`] for small answers, [`sidecar`] for helper processes, [`log`] for its log. Dropping any of them gives it
//! back. What reaches out of the sandbox needs a permission that the package asks for and the user grants; without it
//! the call answers [`Error::Denied`], and the plugin lives on. A component imports no more than it calls.
//!
//! **Configuration and state** are JSON: [`JsonText::parse`] reads a type of the plugin, [`to_json`] writes one, and
//! with the Cargo feature `schema` the module `schema` derives what the package's manifest says of it.
//!
//! **Tests** are ordinary ones, run natively with `cargo test`: [`HostStream::from_bytes`] takes the place of a stream,
//! and [`mock`] of everything else the host does.
//!
//! **The hot path.** A DSP or a sink may bring a second form of itself that the host calls on its audio thread, written with
//! the crate `stellatune-plugin-hot`; [`CoreModuleSpec::dsp`] and [`CoreModuleSpec::sink`] describe it.
//!
//! # A package
//! A component goes into a folder or zip with a `plugin.json`; `docs/wasm-plugin-manifest.md` says what is in it.

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod glue;
pub mod http;
pub mod log;
#[cfg(not(target_family = "wasm"))]
pub mod mock;
#[cfg(feature = "schema")]
pub mod schema;
pub mod sidecar;

mod decoder;
mod dsp;
mod error;
mod export;
mod hot_path;
mod json;
mod lifecycle;
mod lyrics;
mod output_sink;
mod samples;
mod source;
mod stream;
mod tail;
mod types;

pub use decoder::Decoder;
pub use dsp::Dsp;
pub use error::{Error, Result};
pub use hot_path::{BufferLayout, CoreModuleSpec, Role, SampleFormat};
pub use json::{JsonText, to_json};
pub use lifecycle::{DisableReason, Lifecycle, NoHooks};
pub use lyrics::{LyricCandidate, Lyrics};
pub use output_sink::{NegotiatedSpec, OutputSink, RuntimeStatus};
pub use source::{OpenedHandle, OpenedStream, Source, SourceStream};
pub use stream::{HostStream, HttpMethod, HttpRequest, TcpRequest};
pub use types::{
    AudioSpec, AudioTags, ConfigUpdateMode, ConfigUpdatePlan, DecoderInfo, EncodedAudioFormat, EncodedChunk,
    MediaMetadata, MetadataEntry, MetadataValue, PcmChunk,
};
