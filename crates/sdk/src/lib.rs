//! Write plugins for music players in Rust.
//!
//! A plugin is a WebAssembly component that exports one of the worlds of `stellatune:plugin@0.1.0`. This crate hides
//! the component model: implement a trait, name your type in [`export!`], build with
//! `cargo build --release --target wasm32-wasip2`. It is not for hosts, and it never looks at what a host is made of.
//!
//! Main items: the trait [`Decoder`] with [`PcmChunk`], the optional hooks of [`Lifecycle`], [`HostStream`] for the
//! bytes the host hands in, [`Error`] for saying no.
//!
//! ```
//! use std::io::Read;
//! use std::time::Duration;
//! use stellatune_plugin_sdk::{Decoder, DecoderInfo, Error, HostStream, PcmChunk, Result};
//!
//! /// Unsigned bytes, one channel, 8000 frames a second.
//! struct RawBytes {
//!     input: HostStream,
//! }
//!
//! impl Decoder for RawBytes {
//!     fn open(input: HostStream, ext_hint: Option<&str>) -> Result<Self> {
//!         match ext_hint {
//!             Some("raw") => Ok(Self { input }),
//!             _ => Err(Error::unsupported("only files that end in .raw")),
//!         }
//!     }
//!
//!     fn info(&mut self) -> Result<DecoderInfo> {
//!         Ok(DecoderInfo { seekable: self.input.is_seekable(), ..DecoderInfo::new(8000, 1) })
//!     }
//!
//!     fn read_pcm(&mut self, max_frames: u32) -> Result<PcmChunk> {
//!         let mut bytes = vec![0; max_frames.min(4096) as usize];
//!         let n = self.input.read(&mut bytes)?;
//!         if n == 0 {
//!             return Ok(PcmChunk::end());
//!         }
//!         let samples: Vec<f32> = bytes[..n].iter().map(|&b| (f32::from(b) - 128.0) / 128.0).collect();
//!         Ok(PcmChunk::from_samples(&samples, 1))
//!     }
//!
//!     fn seek(&mut self, position: Duration) -> Result<()> {
//!         self.input.seek_to((position.as_secs_f64() * 8000.0) as u64)?;
//!         Ok(())
//!     }
//! }
//!
//! stellatune_plugin_sdk::export!(decoder: RawBytes);
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

#[doc(hidden)]
pub mod bindings;
#[doc(hidden)]
pub mod glue;

mod decoder;
mod error;
mod export;
mod json;
mod lifecycle;
mod stream;
mod types;

pub use decoder::Decoder;
pub use error::{Error, Result};
pub use json::JsonText;
pub use lifecycle::{DisableReason, Lifecycle, NoHooks};
pub use stream::HostStream;
pub use types::{
    AudioTags, ConfigUpdateMode, ConfigUpdatePlan, DecoderInfo, EncodedAudioFormat, MediaMetadata, MetadataEntry,
    MetadataValue, PcmChunk,
};
