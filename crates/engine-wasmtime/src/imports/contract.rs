//! The interfaces of `stellatune:plugin` that a guest imports.

use stellatune_plugin_core::{error::CallError, host::Host};
use wasmtime::component::Resource;

use crate::{
    bindings::stellatune::plugin::{
        host_stream::{self, HostStreamHandle, OpenRequest, SeekWhence},
        hot_path, http_client,
        sidecar::{self, Channel, LaunchSpec, LockGuard, Process, TransportKind, TransportOption},
    },
    convert::{id, list, own},
};

impl host_stream::Host for Host {
    fn open(&mut self, request: OpenRequest) -> Result<Resource<HostStreamHandle>, CallError> {
        self.stream_open(&request.into()).map(own)
    }
}

impl host_stream::HostHostStreamHandle for Host {
    fn read(&mut self, stream: Resource<HostStreamHandle>, max_bytes: u32) -> Result<Vec<u8>, CallError> {
        self.stream_read(id(&stream), max_bytes)
    }

    fn seek(&mut self, stream: Resource<HostStreamHandle>, offset: i64, whence: SeekWhence) -> Result<u64, CallError> {
        self.stream_seek(id(&stream), offset, whence.into())
    }

    fn tell(&mut self, stream: Resource<HostStreamHandle>) -> Result<u64, CallError> {
        self.stream_tell(id(&stream))
    }

    fn size(&mut self, stream: Resource<HostStreamHandle>) -> Result<u64, CallError> {
        self.stream_size(id(&stream))
    }

    fn close(&mut self, stream: Resource<HostStreamHandle>) -> wasmtime::Result<()> {
        Ok(self.stream_close(id(&stream))?)
    }

    fn drop(&mut self, stream: Resource<HostStreamHandle>) -> wasmtime::Result<()> {
        Ok(self.stream_drop(id(&stream))?)
    }
}

impl http_client::Host for Host {
    fn fetch_json(&mut self, url: String) -> Result<String, CallError> {
        Self::fetch_json(self, &url)
    }
}

impl hot_path::Host for Host {}

impl sidecar::Host for Host {
    fn lock(&mut self, name: String, timeout_ms: Option<u32>) -> Result<Resource<LockGuard>, CallError> {
        self.sidecar_lock(&name, timeout_ms).map(own)
    }

    fn launch(&mut self, spec: LaunchSpec) -> Result<Resource<Process>, CallError> {
        self.sidecar_launch(&spec.into()).map(own)
    }
}

impl sidecar::HostLockGuard for Host {
    fn unlock(&mut self, lock: Resource<LockGuard>) -> wasmtime::Result<()> {
        Ok(self.lock_unlock(id(&lock))?)
    }

    fn drop(&mut self, lock: Resource<LockGuard>) -> wasmtime::Result<()> {
        Ok(self.lock_drop(id(&lock))?)
    }
}

impl sidecar::HostProcess for Host {
    fn open_control(&mut self, process: Resource<Process>) -> Result<Resource<Channel>, CallError> {
        self.process_open_control(id(&process)).map(own)
    }

    fn open_data(
        &mut self,
        process: Resource<Process>,
        role: String,
        preferred: Vec<TransportOption>,
    ) -> Result<Resource<Channel>, CallError> {
        self.process_open_data(id(&process), &role, &list(preferred)).map(own)
    }

    fn wait_exit(&mut self, process: Resource<Process>, timeout_ms: Option<u32>) -> Result<Option<i32>, CallError> {
        self.process_wait_exit(id(&process), timeout_ms)
    }

    fn terminate(&mut self, process: Resource<Process>, grace_ms: u32) -> Result<(), CallError> {
        self.process_terminate(id(&process), grace_ms)
    }

    fn drop(&mut self, process: Resource<Process>) -> wasmtime::Result<()> {
        Ok(self.process_drop(id(&process))?)
    }
}

impl sidecar::HostChannel for Host {
    fn transport(&mut self, channel: Resource<Channel>) -> wasmtime::Result<TransportKind> {
        Ok(self.channel_transport(id(&channel))?.into())
    }

    fn write(&mut self, channel: Resource<Channel>, data: Vec<u8>) -> Result<u32, CallError> {
        self.channel_write(id(&channel), &data)
    }

    fn read(
        &mut self,
        channel: Resource<Channel>,
        max_bytes: u32,
        timeout_ms: Option<u32>,
    ) -> Result<Vec<u8>, CallError> {
        self.channel_read(id(&channel), max_bytes, timeout_ms)
    }

    fn close(&mut self, channel: Resource<Channel>) -> wasmtime::Result<()> {
        Ok(self.channel_close(id(&channel))?)
    }

    fn drop(&mut self, channel: Resource<Channel>) -> wasmtime::Result<()> {
        Ok(self.channel_drop(id(&channel))?)
    }
}
