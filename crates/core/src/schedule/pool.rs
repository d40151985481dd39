//! Where instances live: a worker of their own, or one of a pool (docs/decisions/0020).

use std::{num::NonZero, sync::Arc, thread};

use parking_lot::Mutex;

use crate::{
    actor::{Newcomer, Worker, WorkerId},
    error::{Error, ErrorKind, Result},
    manifest::{Pool, Threading, ThreadingModel},
};

/// Threads of instances that have one of their own. A player with every kind of plugin has some twenty.
const DEDICATED: usize = 512;

/// Threads of the `io` pool. Each serves one plugin only.
const IO: usize = 32;

/// Threads of the `io` pool one plugin may have; its further instances share them.
const IO_EACH: usize = 4;

/// The workers of a runtime.
pub(crate) struct Pools {
    dedicated: Mutex<Vec<Worker>>,
    io: Mutex<Vec<Worker>>,
    cpu: Mutex<Vec<Worker>>,
    spawn: Spawn,
}

/// Starts a worker's thread: [`Worker::spawn`] but in tests.
type Spawn = Box<dyn Fn(&str, Newcomer) -> Result<(Worker, u64)> + Send + Sync>;

impl Default for Pools {
    fn default() -> Self {
        Self::spawning(Worker::spawn)
    }
}

/// Where an instance wants to live.
pub(crate) struct Place<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) component: &'a str,
    pub(crate) threading: Threading,
    /// A worker it must not share: that of a stream it will read.
    pub(crate) avoid: Option<WorkerId>,
}

impl Pools {
    pub(super) fn spawning(spawn: impl Fn(&str, Newcomer) -> Result<(Worker, u64)> + Send + Sync + 'static) -> Self {
        Self { dedicated: Mutex::default(), io: Mutex::default(), cpu: Mutex::default(), spawn: Box::new(spawn) }
    }

    /// Seats an instance.
    ///
    /// # Errors
    /// `busy` where no thread may be added and none may be shared, `io` where the system has none.
    pub(crate) fn seat(&self, place: &Place<'_>, newcomer: Newcomer) -> Result<(Worker, u64)> {
        match (place.threading.model, place.threading.pool) {
            (ThreadingModel::Dedicated, _) => {
                let mut workers = self.dedicated.lock();
                alive(&mut workers);
                if workers.len() >= DEDICATED {
                    return Err(full());
                }
                self.add(&mut workers, &format!("st-{}", place.component), newcomer)
            }
            (ThreadingModel::SharedPool, Pool::Io) => self.seat_io(place, newcomer),
            (ThreadingModel::SharedPool, Pool::Cpu) => self.seat_cpu(place, newcomer),
        }
    }

    /// A blocked import blocks its worker, so that an `io` worker hosts one plugin. The first half of the pool is there for
    /// all, the second for plugins that have no worker yet: a flood of instances leaves the others theirs.
    fn seat_io(&self, place: &Place<'_>, newcomer: Newcomer) -> Result<(Worker, u64)> {
        let mut workers = self.io.lock();
        let plugins = alive(&mut workers);
        let own: Vec<usize> =
            (0..workers.len()).filter(|at| plugins[*at].iter().any(|it| **it == *place.plugin)).collect();
        let may_add = match own.len() {
            0 => workers.len() < IO,
            some => some < IO_EACH && workers.len() < IO / 2,
        };
        if may_add {
            return self.add(&mut workers, &format!("st-io-{}", place.component), newcomer);
        }
        let own = own.into_iter().filter(|at| Some(workers[*at].id()) != place.avoid);
        let least = own.min_by_key(|at| plugins[*at].len()).map(|at| workers[at].clone());
        self.share(&mut workers, least, "st-io", newcomer)
    }

    /// As many workers as the machine computes with, each beside the fewest others.
    fn seat_cpu(&self, place: &Place<'_>, newcomer: Newcomer) -> Result<(Worker, u64)> {
        let most = thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8);
        let mut workers = self.cpu.lock();
        let plugins = alive(&mut workers);
        if workers.len() < most {
            return self.add(&mut workers, &format!("st-cpu-{}", place.component), newcomer);
        }
        let others = (0..workers.len()).filter(|at| Some(workers[*at].id()) != place.avoid);
        let least = others.min_by_key(|at| plugins[*at].len()).map(|at| workers[at].clone());
        self.share(&mut workers, least, "st-cpu", newcomer)
    }

    fn add(&self, workers: &mut Vec<Worker>, name: &str, newcomer: Newcomer) -> Result<(Worker, u64)> {
        let (worker, seat) = (self.spawn)(name, newcomer)?;
        workers.push(worker.clone());
        Ok((worker, seat))
    }

    fn share(
        &self,
        workers: &mut Vec<Worker>,
        worker: Option<Worker>,
        name: &str,
        newcomer: Newcomer,
    ) -> Result<(Worker, u64)> {
        let Some(worker) = worker else { return Err(full()) };
        match worker.sit(newcomer) {
            Ok(seat) => Ok((worker, seat)),
            // It has ended meanwhile, which leaves room for another.
            Err(newcomer) => self.add(workers, name, newcomer),
        }
    }

    /// Threads there are now: dedicated, `io`, `cpu`.
    #[cfg(test)]
    pub(crate) fn threads(&self) -> [usize; 3] {
        [&self.dedicated, &self.io, &self.cpu].map(|workers| alive(&mut workers.lock()).len())
    }
}

/// Forgets workers whose thread is at its end; yields the plugins on each of the others.
fn alive(workers: &mut Vec<Worker>) -> Vec<Vec<Arc<str>>> {
    let mut plugins = Vec::with_capacity(workers.len());
    workers.retain(|worker| {
        let found = worker.plugins();
        let alive = !found.is_empty();
        if alive {
            plugins.push(found);
        }
        alive
    });
    plugins
}

fn full() -> Error {
    Error::new(ErrorKind::Busy, "all threads for plugins are in use").help("try again when something has been closed")
}
