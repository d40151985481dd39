//! Named limits with the reason for each value. The manifest may lower them, only the host may raise them.
//!
//! [`Limits`] bounds what one instance may hold, [`Budgets`] what one call may take.

use std::{ops::RangeInclusive, time::Duration};

const MIB: usize = 1024 * 1024;

/// What one instance may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of linear memory, over all memories of the instance together.
    pub memory_bytes: usize,
    /// Elements of tables, over all tables together. A large guest's function table has some 10,000.
    pub table_elements: usize,
    /// Handles in the component's own tables. Real plugins hold below ten.
    pub handles: usize,
    /// Host resources of each kind (streams, processes, channels, locks, pollables) held at once.
    pub host_resources: usize,
    /// Core instances a component may be made of. Toolchains emit three to six.
    pub core_instances: usize,
    /// Lines of log a second, after a burst of as many; more is counted and dropped.
    pub log_lines_per_second: u32,
}

impl Limits {
    /// For decoders, DSPs and output sinks: a decoder's tables and a large cover fit many times.
    pub const AUDIO: Self = Self {
        memory_bytes: 64 * MIB,
        table_elements: 100_000,
        handles: 4_096,
        host_resources: 256,
        core_instances: 32,
        log_lines_per_second: 100,
    };

    /// For hot-path modules, of which a player may run a dozen and which hold little more than two blocks and delay lines.
    pub const HOT: Self = Self { memory_bytes: 16 * MIB, table_elements: 10_000, core_instances: 1, ..Self::AUDIO };

    /// For sources and lyrics providers, which hold whole catalogues as JSON.
    pub const CATALOG: Self = Self { memory_bytes: 128 * MIB, ..Self::AUDIO };
}

/// What one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Time in guest code: what a processor works for it, host waits not counted (docs/decisions/0023).
    pub guest: Duration,
    /// Time from call to return, host waits included.
    pub wall: Duration,
    /// Bytes the guest may hand to the host in the lists and strings of one transfer: a call's answer, or the arguments
    /// of one import during it.
    pub boundary_bytes: usize,
}

/// The classes of calls that share a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallClass {
    /// Instantiation, with its start functions.
    Start,
    /// `lifecycle.on-enable`.
    Enable,
    /// `lifecycle.on-disable`.
    Disable,
    /// Calls that may read or wait for a stream or a network: decoder, source and lyrics calls.
    Stream,
    /// As `Stream`, but the answer may carry cover art.
    Metadata,
    /// Control of an output sink, which may wait for its sidecar.
    SinkControl,
    /// Audio blocks of a DSP or a sink.
    Block,
}

/// The budget of each class of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budgets {
    /// `Start`: compiled code only has to run its initialisers.
    pub start: Budget,
    /// `Enable`: a plugin may wait for a sidecar that starts.
    pub enable: Budget,
    /// `Disable`: a user who quits must not wait.
    pub disable: Budget,
    /// `Stream`: a real source waits up to 26 s for its sidecar.
    pub stream: Budget,
    /// `Metadata`: covers of 20 MiB exist.
    pub metadata: Budget,
    /// `SinkControl`: opening a device through a sidecar takes seconds.
    pub sink_control: Budget,
    /// `Block`: a block lasts milliseconds; 100 ms is a plugin that hangs.
    pub block: Budget,
}

impl Budgets {
    /// The budget of one class.
    pub fn of(&self, class: CallClass) -> &Budget {
        match class {
            CallClass::Start => &self.start,
            CallClass::Enable => &self.enable,
            CallClass::Disable => &self.disable,
            CallClass::Stream => &self.stream,
            CallClass::Metadata => &self.metadata,
            CallClass::SinkControl => &self.sink_control,
            CallClass::Block => &self.block,
        }
    }
}

impl Default for Budgets {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let plain = |wall| Budget { guest: seconds(2), wall, boundary_bytes: 8 * MIB };
        let block = Duration::from_millis(100);
        Self {
            start: plain(seconds(10)),
            enable: plain(seconds(10)),
            disable: plain(seconds(1)),
            stream: plain(seconds(35)),
            metadata: Budget { boundary_bytes: 32 * MIB, ..plain(seconds(35)) },
            sink_control: Budget { guest: block, ..plain(seconds(10)) },
            block: Budget { guest: block, ..plain(seconds(10)) },
        }
    }
}

/// Bytes one `read` of a stream or channel hands over at most; a larger request is answered with less.
pub const READ_BYTES: u32 = 1024 * 1024;

/// Bytes of a component that is still compiled; the largest real one (JavaScript, Python) has 18 MB.
pub const COMPONENT_BYTES: usize = 64 * MIB;

/// Rates a stream may have, in Hz: DSD played as PCM reaches 768 kHz.
pub const SAMPLE_RATES: RangeInclusive<u32> = 1..=768_000;

/// Channels a stream may have: third-order ambisonics has 16.
pub const CHANNELS: RangeInclusive<u16> = 1..=64;

/// Time of a processor that compiling a component may take. What passes the checks of `world` and is found in real plugins
/// takes seconds at most; the rest is a bomb. // B8
pub const COMPILE: Duration = Duration::from_secs(10);

/// Bytes of an ability's settings. Real ones have a thousand.
pub const CONFIG_BYTES: usize = 64 * 1024;

/// Bytes of an error text that is kept from a guest.
pub const ERROR_TEXT_BYTES: usize = 4 * 1024;

/// Calls of one plugin that wait or run at once, over all of its instances; more are answered `busy`. A player with an
/// analyser and a scan has some ten.
pub const PLUGIN_CALLS: usize = 256;

/// Instances one component may have, whatever its manifest asks for: each may take a thread.
pub const INSTANCES: usize = 16;

/// Linear memories of one component. Each reserves gigabytes of address space; toolchains emit one or two.
pub const MEMORIES: u32 = 8;

/// Tables of one component. Toolchains emit one for each core instance that has function pointers.
pub const TABLES: u32 = 32;
