//! The one file of type translation: between the types `bindgen!` makes and those of core, and nothing else.

use stellatune_plugin_core::{capability, error, table::ObjectId, types, wasi};
use wasmtime::component::Resource;

use crate::bindings::{
    exports::stellatune::plugin::{lifecycle, lyrics, output_sink},
    stellatune::plugin::{common, host_stream, hot_path, sidecar},
    wasi::{clocks::wall_clock, io::streams},
};

/// Translates records field by field, in one direction.
macro_rules! record {
    ($from:ty => $to:ty { $($field:ident),+ $(,)? }) => {
        impl From<$from> for $to {
            fn from(from: $from) -> Self {
                Self { $($field: from.$field.into()),+ }
            }
        }
    };
}

/// Translates enums and variants case by case, in one direction.
macro_rules! cases {
    ($($from:ident)::+ => $to:ty { $($case:ident $(($payload:ident))?),+ $(,)? }) => {
        impl From<$($from)::+> for $to {
            fn from(from: $($from)::+) -> Self {
                use $($from)::+ as Case;
                match from {
                    $(Case::$case $(($payload))? => Self::$case $(($payload))?,)+
                }
            }
        }
    };
}

/// A handle the host made, as the table it is in names it.
pub(crate) fn id<T: 'static>(handle: &Resource<T>) -> ObjectId {
    ObjectId(handle.rep())
}

/// A handle the guest is to own.
pub(crate) fn own<T: 'static>(id: ObjectId) -> Resource<T> {
    Resource::new_own(id.0)
}

/// A list, item by item.
pub(crate) fn list<T, U: From<T>>(items: Vec<T>) -> Vec<U> {
    items.into_iter().map(U::from).collect()
}

// Guest to host.

cases!(common::PluginError => error::PluginError {
    InvalidArg(text), NotFound(text), Io(text), Timeout(text), Unsupported(text), Denied(text), Internal(text),
});
cases!(common::SeekWhence => types::SeekWhence { Start, Current, End });
cases!(common::MetadataValue => types::MetadataValue {
    Text(value), Boolean(value), Uint32(value), Uint64(value), Int64(value), Float64(value), Bytes(value),
});
cases!(common::ConfigUpdateMode => types::ConfigUpdateMode { HotApply, Recreate, Reject });
cases!(hot_path::SampleFormat => types::SampleFormat { F32le, I16le, I32le });
cases!(hot_path::Role => types::HotPathRole { DspTransform, OutputSink });
cases!(host_stream::StreamOpenKind => types::StreamOpenKind { File, Http, Tcp, Udp });
cases!(host_stream::HttpMethod => types::HttpMethod { Get, Post, Put, Delete, Head, Patch });
cases!(sidecar::LaunchScope => types::LaunchScope { Instance, PackageShared });
cases!(sidecar::TransportKind => types::TransportKind {
    Stdio, NamedPipe, UnixSocket, LoopbackTcp, SharedMemoryRing,
});

record!(common::EncodedAudioFormat => types::EncodedAudioFormat {
    codec, sample_rate, channels, bitrate_kbps, container,
});
record!(common::AudioTags => types::AudioTags {
    title, album, artists, album_artists, genres, track_number, track_total, disc_number, disc_total, year, comment,
});
record!(common::MetadataEntry => types::MetadataEntry { key, value });
record!(common::EncodedChunk => types::EncodedChunk { bytes, eof });
record!(common::PcmF32Chunk => types::PcmF32Chunk { interleaved_f32le, frames, eof });
record!(common::DecoderInfo => types::DecoderInfo {
    sample_rate, channels, duration_ms, seekable, encoder_delay_frames, encoder_padding_frames,
});
record!(common::ConfigUpdatePlan => types::ConfigUpdatePlan { mode, reason });
record!(common::AudioSpec => types::AudioSpec { sample_rate, channels });
record!(hot_path::BufferLayout => types::BufferLayout {
    in_offset, out_offset, max_frames, channels, sample_format, interleaved,
});
record!(hot_path::CoreModuleSpec => types::CoreModuleSpec {
    role, wasm_rel_path, abi_version, memory_export, init_export, process_export, reset_export, drop_export, buffer,
});
record!(host_stream::Header => types::Header { name, value });
record!(sidecar::TransportOption => types::TransportOption { kind, priority, max_frame_bytes });
record!(lyrics::LyricCandidate => types::LyricCandidate { id, title, artist });
record!(output_sink::NegotiatedSpec => types::NegotiatedSpec { spec, preferred_chunk_frames, prefer_track_rate });
record!(output_sink::RuntimeStatus => types::RuntimeStatus { queued_samples, running });

impl From<common::MediaMetadata> for types::MediaMetadata {
    fn from(from: common::MediaMetadata) -> Self {
        Self {
            tags: from.tags.into(),
            duration_ms: from.duration_ms,
            format: from.format.into(),
            extras: list(from.extras),
        }
    }
}

impl From<host_stream::OpenRequest> for types::OpenRequest {
    fn from(from: host_stream::OpenRequest) -> Self {
        Self {
            kind: from.kind.into(),
            target: from.target,
            method: from.method.map(Into::into),
            headers: list(from.headers),
            body: from.body,
            connect_timeout_ms: from.connect_timeout_ms,
            read_timeout_ms: from.read_timeout_ms,
        }
    }
}

impl From<sidecar::LaunchSpec> for types::LaunchSpec {
    fn from(from: sidecar::LaunchSpec) -> Self {
        Self {
            scope: from.scope.into(),
            executable: from.executable,
            args: from.args,
            preferred_control: list(from.preferred_control),
            preferred_data: list(from.preferred_data),
            env: from.env,
        }
    }
}

/// An opened stream, but for the handle, which the instance's tables resolve.
pub(crate) fn opened(
    handle: capability::OpenedHandle,
    ext_hint: Option<String>,
    metadata: Option<common::MediaMetadata>,
) -> capability::OpenedStream {
    capability::OpenedStream { handle, ext_hint, metadata: metadata.map(Into::into) }
}

// Host to guest.

cases!(error::PluginError => common::PluginError {
    InvalidArg(text), NotFound(text), Io(text), Timeout(text), Unsupported(text), Denied(text), Internal(text),
});
cases!(types::TransportKind => sidecar::TransportKind {
    Stdio, NamedPipe, UnixSocket, LoopbackTcp, SharedMemoryRing,
});
cases!(types::DisableReason => lifecycle::DisableReason { HostDisable, Unload, Shutdown, Reload });
record!(types::AudioSpec => common::AudioSpec { sample_rate, channels });

impl From<wasi::StreamError> for streams::StreamError {
    fn from(from: wasi::StreamError) -> Self {
        match from {
            wasi::StreamError::LastOperationFailed(error) => Self::LastOperationFailed(own(error)),
            wasi::StreamError::Closed => Self::Closed,
        }
    }
}

/// Seconds and nanoseconds.
pub(crate) fn datetime((seconds, nanoseconds): (u64, u32)) -> wall_clock::Datetime {
    wall_clock::Datetime { seconds, nanoseconds }
}
