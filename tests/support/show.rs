//! Values as one short line each: long ones as their length and a hash.

use std::{
    fmt::{self, Debug},
    hash::{DefaultHasher, Hash, Hasher},
};

use stellatune_plugin_core::{
    capability::{OpenedHandle, OpenedStream},
    error::{CallError, CallResult, PluginError, Trap},
    host::HostStream,
    types::{EncodedChunk, MediaMetadata, MetadataEntry, MetadataValue, PcmF32Chunk},
};

/// Values of this many bytes are written as they are.
const SHORT: usize = 64;

pub(crate) fn bytes(bytes: &[u8]) -> String {
    if bytes.len() <= SHORT {
        return format!("{bytes:02x?}");
    }
    format!("{} bytes #{:016x}", bytes.len(), hash(bytes))
}

pub(crate) fn text(text: &str) -> String {
    if text.len() <= 4 * SHORT {
        return format!("{text:?}");
    }
    format!("text of {} bytes #{:016x}", text.len(), hash(text))
}

/// Debug output, which is hashed where it is long.
fn debug(value: &impl Debug) -> String {
    text_of(format!("{value:?}"))
}

fn text_of(shown: String) -> String {
    if shown.len() <= 16 * SHORT { shown } else { format!("{} characters #{:016x}", shown.len(), hash(&shown)) }
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// An argument or an answer.
pub(crate) trait Show {
    fn show(&self) -> String;
}

/// Refusals with their text, traps by their kind alone.
pub(crate) fn answer<T: Show>(answer: &CallResult<T>) -> String {
    match answer {
        Ok(value) => value.show(),
        Err(CallError::Plugin(refusal)) => refused(refusal),
        Err(CallError::Trap(trap)) => trapped(trap),
    }
}

fn refused(refusal: &PluginError) -> String {
    format!("refusal {}: {}", refusal.case(), text(refusal.message()))
}

pub(crate) fn trapped(trap: &Trap) -> String {
    format!("trap {}", trap.kind.name())
}

impl Show for Vec<u8> {
    fn show(&self) -> String {
        bytes(self)
    }
}

impl Show for String {
    fn show(&self) -> String {
        text(self)
    }
}

impl Show for PcmF32Chunk {
    fn show(&self) -> String {
        format!("{} as {} frames, eof {}", bytes(&self.interleaved_f32le), self.frames, self.eof)
    }
}

impl Show for EncodedChunk {
    fn show(&self) -> String {
        format!("{}, eof {}", bytes(&self.bytes), self.eof)
    }
}

impl Show for MediaMetadata {
    fn show(&self) -> String {
        let Self { tags, duration_ms, format, extras } = self;
        let extras: Vec<_> = extras.iter().map(Extra).collect();
        text_of(format!("{tags:?} {duration_ms:?} {format:?} {extras:?}"))
    }
}

/// An entry whose value may be a cover of megabytes, and whose NaN may have any payload.
struct Extra<'a>(&'a MetadataEntry);

impl Debug for Extra<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.0.key)?;
        match &self.0.value {
            MetadataValue::Bytes(cover) => f.write_str(&bytes(cover)),
            other => write!(f, "{other:?}"),
        }
    }
}

impl Show for OpenedStream {
    fn show(&self) -> String {
        let Self { handle, ext_hint, metadata } = self;
        format!("{}, {ext_hint:?}, {:?}", handle.show(), metadata.as_ref().map(Show::show))
    }
}

impl Show for OpenedHandle {
    fn show(&self) -> String {
        match self {
            Self::Passthrough(stream) => format!("passthrough {}", if stream.is_some() { "open" } else { "closed" }),
            Self::Processed(id) => format!("processed {id:?}"),
        }
    }
}

impl Show for Box<dyn HostStream> {
    fn show(&self) -> String {
        "a stream".to_owned()
    }
}

macro_rules! as_debug {
    ($($type:ty),+ $(,)?) => {
        $(impl Show for $type {
            fn show(&self) -> String {
                debug(self)
            }
        })+
    };
}

as_debug!(
    (),
    u16,
    u32,
    u64,
    Option<i32>,
    Option<String>,
    stellatune_plugin_core::table::ObjectId,
    stellatune_plugin_core::types::ConfigUpdatePlan,
    stellatune_plugin_core::types::DecoderInfo,
    Vec<stellatune_plugin_core::types::LyricCandidate>,
    stellatune_plugin_core::types::NegotiatedSpec,
    stellatune_plugin_core::types::RuntimeStatus,
    Option<stellatune_plugin_core::types::CoreModuleSpec>,
);
