//! The interfaces of `stellatune:plugin` that a guest imports.

use stellatune_plugin_core::{
    host::Host,
    table::ObjectId,
    types::{LaunchSpec, OpenRequest, SeekWhence, TransportOption},
};

use super::Imports;
use crate::canon::{
    Borrow, Kind, Own,
    kind::{Channel, HostStream, LockGuard, Process},
};

const HOST_STREAM: &str = "stellatune:plugin/host-stream@0.1.0";
const HTTP_CLIENT: &str = "stellatune:plugin/http-client@0.1.0";
const SIDECAR: &str = "stellatune:plugin/sidecar@0.1.0";

#[rustfmt::skip]
pub(super) fn add(imports: &mut Imports) {
    imports.resource_of(Kind::HostStream, |host, stream| host.stream_drop(ObjectId(stream)));
    imports.function_of(HOST_STREAM, "open", |host: &mut Host, (request,): (OpenRequest,)| host.stream_open(&request).map(Own::<HostStream>::of));
    imports.function_of(HOST_STREAM, "[method]host-stream-handle.read", |host: &mut Host, (stream, max_bytes): (Borrow<HostStream>, u32)| host.stream_read(stream.id(), max_bytes));
    imports.function_of(HOST_STREAM, "[method]host-stream-handle.seek", |host: &mut Host, (stream, offset, whence): (Borrow<HostStream>, i64, SeekWhence)| host.stream_seek(stream.id(), offset, whence));
    imports.function_of(HOST_STREAM, "[method]host-stream-handle.tell", |host: &mut Host, (stream,): (Borrow<HostStream>,)| host.stream_tell(stream.id()));
    imports.function_of(HOST_STREAM, "[method]host-stream-handle.size", |host: &mut Host, (stream,): (Borrow<HostStream>,)| host.stream_size(stream.id()));
    imports.function_of(HOST_STREAM, "[method]host-stream-handle.close", |host: &mut Host, (stream,): (Borrow<HostStream>,)| host.stream_close(stream.id()));

    imports.function_of(HTTP_CLIENT, "fetch-json", |host: &mut Host, (url,): (String,)| host.fetch_json(&url));

    imports.resource_of(Kind::LockGuard, |host, lock| host.lock_drop(ObjectId(lock)));
    imports.function_of(SIDECAR, "lock", |host: &mut Host, (name, timeout_ms): (String, Option<u32>)| host.sidecar_lock(&name, timeout_ms).map(Own::<LockGuard>::of));
    imports.function_of(SIDECAR, "[method]lock-guard.unlock", |host: &mut Host, (lock,): (Borrow<LockGuard>,)| host.lock_unlock(lock.id()));

    imports.resource_of(Kind::Process, |host, process| host.process_drop(ObjectId(process)));
    imports.function_of(SIDECAR, "launch", |host: &mut Host, (spec,): (LaunchSpec,)| host.sidecar_launch(&spec).map(Own::<Process>::of));
    imports.function_of(SIDECAR, "[method]process.open-control", |host: &mut Host, (process,): (Borrow<Process>,)| host.process_open_control(process.id()).map(Own::<Channel>::of));
    imports.function_of(SIDECAR, "[method]process.open-data", |host: &mut Host, (process, role, preferred): (Borrow<Process>, String, Vec<TransportOption>)| host.process_open_data(process.id(), &role, &preferred).map(Own::<Channel>::of));
    imports.function_of(SIDECAR, "[method]process.wait-exit", |host: &mut Host, (process, timeout_ms): (Borrow<Process>, Option<u32>)| host.process_wait_exit(process.id(), timeout_ms));
    imports.function_of(SIDECAR, "[method]process.terminate", |host: &mut Host, (process, grace_ms): (Borrow<Process>, u32)| host.process_terminate(process.id(), grace_ms));

    imports.resource_of(Kind::Channel, |host, channel| host.channel_drop(ObjectId(channel)));
    imports.function_of(SIDECAR, "[method]channel.transport", |host: &mut Host, (channel,): (Borrow<Channel>,)| host.channel_transport(channel.id()));
    imports.function_of(SIDECAR, "[method]channel.write", |host: &mut Host, (channel, data): (Borrow<Channel>, Vec<u8>)| host.channel_write(channel.id(), &data));
    imports.function_of(SIDECAR, "[method]channel.read", |host: &mut Host, (channel, max_bytes, timeout_ms): (Borrow<Channel>, u32, Option<u32>)| host.channel_read(channel.id(), max_bytes, timeout_ms));
    imports.function_of(SIDECAR, "[method]channel.close", |host: &mut Host, (channel,): (Borrow<Channel>,)| host.channel_close(channel.id()));
}
