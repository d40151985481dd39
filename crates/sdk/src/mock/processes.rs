//! Processes, channels and locks that do as a test wants.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::sidecar::TransportKind;

type Reply = Box<dyn FnMut(&[u8]) -> Vec<u8>>;

/// The far end of a channel.
pub struct Channel {
    transport: TransportKind,
    answer: Option<Reply>,
    pending: VecDeque<u8>,
}

impl Channel {
    /// Answers each write with bytes to read. The bytes may be read in pieces; nothing else comes.
    pub fn replying(answer: impl FnMut(&[u8]) -> Vec<u8> + 'static) -> Self {
        Self { transport: TransportKind::Stdio, answer: Some(Box::new(answer)), pending: VecDeque::new() }
    }

    /// Gives these bytes to read and then ends. What is written goes nowhere.
    pub fn saying(bytes: impl Into<Vec<u8>>) -> Self {
        Self { transport: TransportKind::Stdio, answer: None, pending: bytes.into().into() }
    }

    /// Over another transport than standard input and output.
    #[must_use]
    pub fn over(self, transport: TransportKind) -> Self {
        Self { transport, ..self }
    }

    fn write(&mut self, data: &[u8]) -> u32 {
        if let Some(answer) = &mut self.answer {
            self.pending.extend(answer(data));
        }
        u32::try_from(data.len()).unwrap_or(u32::MAX)
    }

    fn read(&mut self, max_bytes: u32, timeout_ms: Option<u32>) -> Result<Vec<u8>> {
        let ring = self.transport == TransportKind::SharedMemoryRing;
        if self.pending.is_empty() && self.answer.is_some() && !ring {
            return Err(match timeout_ms {
                Some(ms) => Error::timeout(format!("nothing came in {ms} ms")),
                None => Error::internal("the mock channel has nothing to read, so a real host would wait for ever"),
            });
        }
        let count = self.pending.len().min(max_bytes as usize);
        Ok(self.pending.drain(..count).collect())
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").field("transport", &self.transport).finish_non_exhaustive()
    }
}

/// A process to launch.
#[derive(Debug)]
pub struct Process {
    control: Rc<RefCell<Channel>>,
    data: Option<Rc<RefCell<Channel>>>,
    exit: Option<i32>,
}

impl Process {
    /// A process with this control channel, which runs until it is ended. Opened again, the channel is the same, as
    /// with the standard input and output of a real one.
    pub fn new(control: Channel) -> Self {
        Self { control: Rc::new(RefCell::new(control)), data: None, exit: None }
    }

    /// With a channel of its own for data.
    #[must_use]
    pub fn data(self, channel: Channel) -> Self {
        Self { data: Some(Rc::new(RefCell::new(channel))), ..self }
    }

    /// Has exited with this code.
    #[must_use]
    pub fn exited(self, code: i32) -> Self {
        Self { exit: Some(code), ..self }
    }
}

/// The imports of `sidecar`, as the generated ones look.
pub(crate) mod host {
    use super::*;
    use crate::mock::{Answer, LaunchSpec, State, current};
    use crate::sidecar::TransportOption;

    pub(crate) fn launch(spec: &LaunchSpec) -> Answer<Process> {
        let state = current()?;
        state.note(format!("launch {}", spec.executable));
        let process = state.ask("launch", |host| &mut host.launch, spec)?;
        Ok(Process { process, state, terminated: false.into() })
    }

    #[derive(Debug)]
    pub(crate) struct Process {
        process: super::Process,
        state: Rc<State>,
        terminated: std::cell::Cell<bool>,
    }

    impl Process {
        pub(crate) fn open_control(&self) -> Answer<Channel> {
            self.state.note("open-control");
            Ok(Channel { channel: Rc::clone(&self.process.control), state: Rc::clone(&self.state) })
        }

        pub(crate) fn open_data(&self, role: &str, _preferred: &[TransportOption]) -> Answer<Channel> {
            self.state.note(format!("open-data {role}"));
            let channel = self.process.data.as_ref().unwrap_or(&self.process.control);
            Ok(Channel { channel: Rc::clone(channel), state: Rc::clone(&self.state) })
        }

        pub(crate) fn wait_exit(&self, timeout_ms: Option<u32>) -> Answer<Option<i32>> {
            self.state.note("wait-exit");
            match (self.process.exit, timeout_ms) {
                (None, None) => {
                    Err(Error::internal("the mock process runs on, so a real host would wait for ever").into())
                }
                (exit, _) => Ok(exit),
            }
        }

        pub(crate) fn terminate(&self, grace_ms: u32) -> Answer<()> {
            self.state.note(format!("terminate {grace_ms}"));
            self.terminated.set(true);
            Ok(())
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            if !self.terminated.get() {
                self.state.note("drop process");
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct Channel {
        channel: Rc<RefCell<super::Channel>>,
        state: Rc<State>,
    }

    impl Channel {
        pub(crate) fn transport(&self) -> TransportKind {
            self.channel.borrow().transport
        }

        pub(crate) fn write(&self, data: &[u8]) -> Answer<u32> {
            Ok(self.channel.borrow_mut().write(data))
        }

        pub(crate) fn read(&self, max_bytes: u32, timeout_ms: Option<u32>) -> Answer<Vec<u8>> {
            Ok(self.channel.borrow_mut().read(max_bytes, timeout_ms)?)
        }

        pub(crate) fn close(&self) {
            self.state.note("close channel");
        }
    }

    pub(crate) fn lock(name: &str, timeout_ms: Option<u32>) -> Answer<LockGuard> {
        let (state, name) = (current()?, name.trim());
        if name.is_empty() {
            return Err(Error::invalid_arg("a lock has a name").into());
        }
        state.note(format!("lock {name}"));
        if !state.locks.borrow_mut().insert(name.to_owned()) {
            return Err(match timeout_ms {
                Some(ms) => Error::timeout(format!("the lock {name} was held for {ms} ms")),
                None => Error::internal(format!("the lock {name} is held, so a real host would wait for ever")),
            }
            .into());
        }
        Ok(LockGuard { name: name.to_owned(), state })
    }

    #[derive(Debug)]
    pub(crate) struct LockGuard {
        name: String,
        state: Rc<State>,
    }

    impl LockGuard {
        pub(crate) fn unlock(&self) {
            self.state.note(format!("unlock {}", self.name));
            self.state.locks.borrow_mut().remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::time::Duration;

    use super::*;
    use crate::mock::Host;
    use crate::sidecar::{Launch, TransportOption, lock};

    #[test]
    fn a_process_is_launched_talked_to_and_ended() {
        let answer = |sent: &[u8]| sent.repeat(2);
        let host = Host::new()
            .launch(move |spec| {
                assert_eq!((&*spec.args[0], &*spec.env[0].1), ("-q", "1"));
                assert_eq!(spec.preferred_control[0].priority, 9);
                let data = Channel::saying(*b"pcm").over(TransportKind::LoopbackTcp);
                Ok(Process::new(Channel::replying(answer)).data(data).exited(3))
            })
            .install();
        let loopback = TransportOption::new(TransportKind::LoopbackTcp, 9);
        let launch = Launch::new("helper").arg("-q").env("PORT", "1").control(loopback).data(loopback).shared();
        let process = launch.start().unwrap();
        let mut control = process.open_control().unwrap();
        assert_eq!(control.write(b"ab").unwrap(), 2);
        let mut read = [0; 3];
        control.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"aba");
        control.set_read_timeout(Some(Duration::from_millis(5)));
        assert_eq!(control.read_chunk(9).unwrap(), b"b");
        assert_eq!(control.read(&mut read).unwrap_err().kind(), ErrorKind::TimedOut);
        let mut data = process.open_data("pcm", &[]).unwrap();
        assert_eq!(data.transport(), TransportKind::LoopbackTcp);
        let mut all = Vec::new();
        data.read_to_end(&mut all).unwrap();
        assert_eq!(all, b"pcm");
        assert_eq!(process.wait_exit(None).unwrap(), Some(3));
        process.terminate(Duration::from_millis(200)).unwrap();
        drop((control, data));
        let told = ["launch helper", "open-control", "open-data pcm", "wait-exit", "terminate 200"];
        assert_eq!(host.events(), [&told[..], &["close channel", "close channel"]].concat());
    }

    #[test]
    fn a_ring_has_no_end() {
        let ring = || Channel::replying(<[u8]>::to_vec).over(TransportKind::SharedMemoryRing);
        let _host = Host::new().launch(move |_| Ok(Process::new(ring()))).install();
        let process = Launch::new("helper").start().unwrap();
        let mut channel = process.open_control().unwrap();
        assert_eq!(channel.read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(channel.read(&mut []).unwrap(), 0);
        channel.write_all(b"x").unwrap();
        assert_eq!(channel.read(&mut [0; 4]).unwrap(), 1);
    }

    #[test]
    fn a_lock_is_held_until_its_guard_is_dropped() {
        let _host = Host::new().install();
        let guard = lock(" name ", None).unwrap();
        assert!(matches!(lock("name", Some(Duration::ZERO)), Err(Error::Timeout(_))));
        drop(guard);
        drop(lock("name", Some(Duration::ZERO)).unwrap());
        assert!(matches!(lock(" ", None), Err(Error::InvalidArg(_))));
    }
}
