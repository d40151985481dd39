//! Handles: what owns or borrows a resource, told apart by kind ("lift_own", "lift_borrow", "lower_own", "lower_borrow").

use std::{fmt, marker::PhantomData};

use stellatune_plugin_core::{error::Trap, table::ObjectId};

use super::{Bound, Check, Lift, Lower, Shape, Transfer, flat::Values, scalar::expect};
use crate::component::plan::Type;

/// Lists the resources that cross the boundary: with an interface and a name those of the host, without those of guests.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $(= $interface:literal $name:literal)?;)+) => {
        /// A kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),+ }

        /// How many kinds there are.
        pub(crate) const KINDS: usize = Kind::ALL.len();

        impl Kind {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$kind),+];

            /// The interface, without a WASI patch version, and the name of a resource of the host.
            pub(crate) fn import(self) -> Option<(&'static str, &'static str)> {
                match self {
                    $(Self::$kind => import!($($interface $name)?),)+
                }
            }
        }

        /// The kinds, as types.
        pub(crate) mod kind {
            use super::{Kind, Resource};

            $(
                $(#[$doc])*
                pub(crate) enum $kind {}

                impl Resource for $kind {
                    const KIND: Kind = Kind::$kind;
                }
            )+
        }
    };
}

macro_rules! import {
    () => {
        None
    };
    ($interface:literal $name:literal) => {
        Some(($interface, $name))
    };
}

kinds! {
    /// `host-stream.host-stream-handle`
    HostStream = "stellatune:plugin/host-stream@0.1.0" "host-stream-handle";
    /// `sidecar.process`
    Process = "stellatune:plugin/sidecar@0.1.0" "process";
    /// `sidecar.lock-guard`
    LockGuard = "stellatune:plugin/sidecar@0.1.0" "lock-guard";
    /// `sidecar.channel`
    Channel = "stellatune:plugin/sidecar@0.1.0" "channel";
    /// `wasi:io/error`
    IoError = "wasi:io/error@0.2" "error";
    /// `wasi:io/poll`
    Pollable = "wasi:io/poll@0.2" "pollable";
    /// `wasi:io/streams`
    InputStream = "wasi:io/streams@0.2" "input-stream";
    /// `wasi:io/streams`
    OutputStream = "wasi:io/streams@0.2" "output-stream";
    /// `wasi:cli/terminal-input`
    TerminalInput = "wasi:cli/terminal-input@0.2" "terminal-input";
    /// `wasi:cli/terminal-output`
    TerminalOutput = "wasi:cli/terminal-output@0.2" "terminal-output";
    /// `wasi:filesystem/types`
    Descriptor = "wasi:filesystem/types@0.2" "descriptor";
    /// `decoder.session`
    DecoderSession;
    /// `source.catalog`
    Catalog;
    /// `source.source-stream`
    SourceStream;
    /// `lyrics.provider`
    Provider;
    /// `output-sink.session`
    SinkSession;
    /// `dsp.processor`
    Processor;
}

/// A kind of resource, as a type.
pub(crate) trait Resource: 'static {
    const KIND: Kind;
}

/// A handle that owns: what it stands for, by its number in the host's table, or by what the guest gave it.
pub(crate) struct Own<K> {
    pub(crate) rep: u32,
    kind: PhantomData<K>,
}

/// A handle that is lent for a call.
pub(crate) struct Borrow<K> {
    pub(crate) rep: u32,
    kind: PhantomData<K>,
}

impl<K> Own<K> {
    pub(crate) fn new(rep: u32) -> Self {
        Self { rep, kind: PhantomData }
    }

    pub(crate) fn of(id: ObjectId) -> Self {
        Self::new(id.0)
    }

    pub(crate) fn id(&self) -> ObjectId {
        ObjectId(self.rep)
    }
}

impl<K> Borrow<K> {
    pub(crate) fn new(rep: u32) -> Self {
        Self { rep, kind: PhantomData }
    }

    pub(crate) fn id(&self) -> ObjectId {
        ObjectId(self.rep)
    }
}

impl<K: Resource> fmt::Debug for Own<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "own {:?} {}", K::KIND, self.rep)
    }
}

macro_rules! handle {
    ($handle:ident, $case:ident, $text:literal) => {
        impl<K: Resource> Shape for $handle<K> {
            const SIZE: usize = 4;
            const ALIGN: usize = 4;
            type Flat = (i32, ());

            fn check(check: &mut Check<'_>, ty: &Type) -> Result<(), String> {
                match ty {
                    Type::$case(handle) => check.bind(K::KIND, *handle),
                    other => expect(false, $text, other),
                }
            }
        }

        impl<K: Resource> Lower for $handle<K> {
            fn lower(&self, transfer: &mut Transfer<'_>, values: &mut Values) -> Result<(), Trap> {
                self.give(transfer)?.lower(transfer, values)
            }

            fn store(&self, transfer: &mut Transfer<'_>, at: usize) -> Result<(), Trap> {
                self.give(transfer)?.store(transfer, at)
            }
        }

        impl<K: Resource> Lift for $handle<K> {
            fn lift(transfer: &mut Transfer<'_>, values: &mut Values) -> Result<Self, Trap> {
                let handle = u32::lift(transfer, values)?;
                Self::take(transfer, handle)
            }

            fn load(transfer: &mut Transfer<'_>, at: usize) -> Result<Self, Trap> {
                let handle = u32::load(transfer, at)?;
                Self::take(transfer, handle)
            }
        }
    };
}

handle!(Own, Own, "own");
handle!(Borrow, Borrow, "borrow");

impl<K: Resource> Own<K> {
    fn give(&self, transfer: &mut Transfer<'_>) -> Result<u32, Trap> {
        let Bound { handle, .. } = transfer.bound(K::KIND)?;
        transfer.state().handles.insert_own(handle.instance, handle.resource, self.rep)
    }

    fn take(transfer: &mut Transfer<'_>, handle: u32) -> Result<Self, Trap> {
        let bound = transfer.bound(K::KIND)?.handle;
        transfer.state().handles.take_own(bound.instance, bound.resource, handle).map(Self::new)
    }
}

impl<K: Resource> Borrow<K> {
    fn give(&self, transfer: &mut Transfer<'_>) -> Result<u32, Trap> {
        let Bound { handle, own } = transfer.bound(K::KIND)?;
        // An instance gets what its own resources stand for, without a handle.
        if own {
            return Ok(self.rep);
        }
        transfer.state().handles.insert_borrow(handle.instance, handle.resource, self.rep)
    }

    fn take(transfer: &mut Transfer<'_>, handle: u32) -> Result<Self, Trap> {
        let bound = transfer.bound(K::KIND)?.handle;
        transfer.state().handles.lend(bound.instance, bound.resource, handle).map(Self::new)
    }
}
