//! A thread that runs guests, one call at a time: the urgent first, plugins in turn, and none for ever behind another.
//!
//! Each guest has a seat with a bounded queue. The thread ends with its last guest; a seat is taken by handing the
//! guest's start over, so that an instance lives and dies on one thread. Not here: which worker a guest goes to
//! (`schedule`).

use std::{
    cell::Cell,
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex};

use super::{Guest, Shared};
use crate::error::{Error, ErrorKind, Result};

/// Jobs that wait for one guest. A session sends one at a time, so this many sessions are served.
pub(crate) const QUEUE: usize = 64;

/// Stack of a worker: an engine's guest stack (512 KiB) and the host imports below it fit many times.
const STACK_BYTES: usize = 4 * 1024 * 1024;

/// One job in so many goes to whoever waits longest for a turn, however urgent the others are.
const FAIR: u64 = 8;

/// How soon a job is due. Within one urgency, plugins take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// Audio that is playing waits for it.
    RealTime,
    /// A person waits for it.
    #[default]
    Interactive,
    /// Nobody waits for it: scans, warm-up, closing.
    Background,
}

impl Priority {
    const ALL: [Self; 3] = [Self::RealTime, Self::Interactive, Self::Background];
}

pub(super) type Job = Box<dyn FnOnce(&mut Guest) + Send>;

type Start = Box<dyn FnOnce() -> Option<Guest> + Send>;

/// Names a worker of this process.
pub(crate) type WorkerId = u64;

/// A handle to a worker; the thread does not live for it.
#[derive(Clone)]
pub(crate) struct Worker(Arc<Desk>);

struct Desk {
    id: WorkerId,
    rota: Mutex<Rota>,
    bell: Condvar,
}

#[derive(Default)]
struct Rota {
    seats: Vec<Seat>,
    next_seat: u64,
    /// Jobs given out so far.
    picks: u64,
    /// Whether the thread is at its end.
    closed: bool,
}

struct Seat {
    number: u64,
    plugin: Arc<str>,
    shared: Arc<Shared>,
    start: Option<Start>,
    jobs: [VecDeque<Job>; 3],
    /// Whether there are objects to be closed.
    tidy: bool,
    /// Whether nobody can send jobs any more.
    leaving: bool,
    /// When a job of it was given out last.
    served: u64,
}

/// A guest that is to be started on a worker.
pub(crate) struct Newcomer {
    pub(super) plugin: Arc<str>,
    pub(super) shared: Arc<Shared>,
    pub(super) start: Start,
}

/// What a worker does next.
enum Work {
    Start(u64, Start),
    Job(u64, Job),
    Tidy(u64),
    End(u64),
}

/// Why a job was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Gone,
}

thread_local! {
    static CURRENT: Cell<Option<WorkerId>> = const { Cell::new(None) };
}

/// The worker this code runs on, when a host import or a log of a guest called it.
pub(crate) fn current() -> Option<WorkerId> {
    CURRENT.get()
}

impl Worker {
    /// Starts a thread for `newcomer`.
    ///
    /// # Errors
    /// `io` where the system has no thread left.
    pub(crate) fn spawn(name: &str, newcomer: Newcomer) -> Result<(Self, u64)> {
        Self::spawn_with(name, STACK_BYTES, newcomer)
    }

    /// As [`spawn`](Self::spawn), with a stack of that size.
    pub(crate) fn spawn_with(name: &str, stack_bytes: usize, newcomer: Newcomer) -> Result<(Self, u64)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let desk = Arc::new(Desk { id, rota: Mutex::default(), bell: Condvar::new() });
        let seat = desk.rota.lock().seat(newcomer);
        let worker = Self(Arc::clone(&desk));
        // Linux shows 15 bytes of a thread's name.
        let name = name.chars().take(15).collect();
        let spawned = thread::Builder::new().name(name).stack_size(stack_bytes).spawn(move || run(&desk));
        match spawned {
            Ok(_) => Ok((worker, seat)),
            Err(error) => {
                worker.0.close();
                let text = format!("cannot start a thread for the plugin: {error}");
                Err(Error::new(ErrorKind::Io, text).source_error(error))
            }
        }
    }

    /// Seats `newcomer` beside the others; gives it back where the thread is at its end.
    pub(crate) fn sit(&self, newcomer: Newcomer) -> Result<u64, Newcomer> {
        let mut rota = self.0.rota.lock();
        if rota.closed {
            return Err(newcomer);
        }
        let seat = rota.seat(newcomer);
        self.0.bell.notify_one();
        Ok(seat)
    }

    pub(crate) fn id(&self) -> WorkerId {
        self.0.id
    }

    /// The plugins of the guests that sit here, one entry for each; empty once the thread is at its end.
    pub(crate) fn plugins(&self) -> Vec<Arc<str>> {
        self.0.rota.lock().seats.iter().map(|seat| Arc::clone(&seat.plugin)).collect()
    }

    /// Queues a job.
    pub(super) fn push(&self, seat: u64, priority: Priority, job: Job) -> Result<(), NotTaken> {
        let mut rota = self.0.rota.lock();
        let Some(seat) = rota.find(seat) else { return Err(NotTaken::Gone) };
        if seat.leaving || seat.shared.ending() {
            return Err(NotTaken::Gone);
        }
        if seat.jobs.iter().map(VecDeque::len).sum::<usize>() >= QUEUE {
            return Err(NotTaken::Full);
        }
        seat.jobs[priority as usize].push_back(job);
        self.0.bell.notify_one();
        Ok(())
    }

    /// Has a guest's orphans closed when there is nothing more urgent.
    pub(super) fn tidy(&self, seat: u64) {
        if let Some(seat) = self.0.rota.lock().find(seat) {
            seat.tidy = true;
        }
        self.0.bell.notify_one();
    }

    /// Has a guest end after the jobs it has.
    pub(super) fn leave(&self, seat: u64) {
        if let Some(seat) = self.0.rota.lock().find(seat) {
            seat.leaving = true;
        }
        self.0.bell.notify_one();
    }

    /// Looks again at who is ending.
    pub(super) fn ring(&self) {
        let _rota = self.0.rota.lock();
        self.0.bell.notify_one();
    }
}

impl Desk {
    /// Waits for work; `None` when the last guest is gone.
    fn next(&self) -> Option<Work> {
        let mut rota = self.rota.lock();
        loop {
            if let Some(work) = rota.pick() {
                return Some(work);
            }
            if rota.seats.is_empty() {
                rota.closed = true;
                return None;
            }
            self.bell.wait(&mut rota);
        }
    }

    /// Removes the seat of a guest that is gone.
    fn free(&self, number: u64) {
        let seat = {
            let mut rota = self.rota.lock();
            let at = rota.seats.iter().position(|seat| seat.number == number);
            at.map(|at| rota.seats.remove(at))
        };
        // Jobs may hold the last handle to a guest of this very worker, so they go without the lock.
        drop(seat);
    }

    fn close(&self) {
        let seats = {
            let mut rota = self.rota.lock();
            rota.closed = true;
            std::mem::take(&mut rota.seats)
        };
        drop(seats);
    }
}

impl Rota {
    fn seat(&mut self, newcomer: Newcomer) -> u64 {
        let number = self.next_seat;
        self.next_seat += 1;
        let Newcomer { plugin, shared, start } = newcomer;
        self.seats.push(Seat {
            number,
            plugin,
            shared,
            start: Some(start),
            jobs: Default::default(),
            tidy: false,
            leaving: false,
            served: 0,
        });
        number
    }

    fn find(&mut self, number: u64) -> Option<&mut Seat> {
        self.seats.iter_mut().find(|seat| seat.number == number)
    }

    fn pick(&mut self) -> Option<Work> {
        if let Some(seat) = self.seats.iter().find(|seat| seat.shared.ending()) {
            return Some(Work::End(seat.number));
        }
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.start.is_some()) {
            return seat.start.take().map(|start| Work::Start(seat.number, start));
        }
        self.picks += 1;
        let job = if self.picks.is_multiple_of(FAIR) {
            let waiting = |seat: &Seat| seat.jobs.iter().any(|jobs| !jobs.is_empty());
            self.turn(waiting).and_then(|at| self.take(at, Priority::ALL.into_iter().rev()))
        } else {
            Priority::ALL.into_iter().find_map(|priority| {
                let at = self.turn(|seat| !seat.jobs[priority as usize].is_empty())?;
                self.take(at, [priority].into_iter())
            })
        };
        if job.is_some() {
            return job;
        }
        if let Some(seat) = self.seats.iter_mut().find(|seat| seat.tidy) {
            seat.tidy = false;
            return Some(Work::Tidy(seat.number));
        }
        self.seats.iter().find(|seat| seat.leaving).map(|seat| Work::End(seat.number))
    }

    /// Of the seats that `may`, the one whose plugin was served longest ago.
    fn turn(&self, may: impl Fn(&Seat) -> bool) -> Option<usize> {
        let of_plugin = |plugin: &Arc<str>| {
            let seats = self.seats.iter().filter(|seat| seat.plugin == *plugin);
            seats.map(|seat| seat.served).max()
        };
        let seats = self.seats.iter().enumerate().filter(|(_, seat)| may(seat));
        seats.min_by_key(|(_, seat)| (of_plugin(&seat.plugin), seat.served)).map(|(at, _)| at)
    }

    fn take(&mut self, at: usize, mut priorities: impl Iterator<Item = Priority>) -> Option<Work> {
        let seat = &mut self.seats[at];
        seat.served = self.picks;
        let job = priorities.find_map(|priority| seat.jobs[priority as usize].pop_front());
        job.map(|job| Work::Job(seat.number, job))
    }
}

/// Leaves no job behind unanswered, however the thread ends.
struct Closing<'a>(&'a Desk);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn run(desk: &Desk) {
    CURRENT.set(Some(desk.id));
    let _closing = Closing(desk);
    let mut guests: HashMap<u64, Guest> = HashMap::new();
    while let Some(work) = desk.next() {
        let number = match work {
            Work::Start(number, start) => {
                if let Some(guest) = start() {
                    guests.insert(number, guest);
                }
                number
            }
            Work::Job(number, job) => {
                if let Some(guest) = guests.get_mut(&number) {
                    guest.tidy();
                    if guest.lives() {
                        job(guest);
                    }
                }
                number
            }
            Work::Tidy(number) => {
                if let Some(guest) = guests.get_mut(&number) {
                    guest.tidy();
                }
                number
            }
            Work::End(number) => {
                if let Some(guest) = guests.remove(&number) {
                    guest.end();
                }
                number
            }
        };
        if !guests.get(&number).is_some_and(Guest::lives) {
            desk.free(number);
            guests.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rota whose seats, one for each plugin named, never start.
    fn rota(plugins: &[&str]) -> Rota {
        let mut rota = Rota::default();
        for plugin in plugins {
            let shared = Arc::new(Shared::new());
            rota.seat(Newcomer { plugin: (*plugin).into(), shared, start: Box::new(|| None) });
        }
        for seat in &mut rota.seats {
            seat.start = None;
        }
        rota
    }

    fn fill(rota: &mut Rota, seat: usize, priority: Priority, jobs: usize) {
        for _ in 0..jobs {
            rota.seats[seat].jobs[priority as usize].push_back(Box::new(|_| ()));
        }
    }

    fn served(rota: &mut Rota, picks: usize) -> Vec<u64> {
        let work = (0..picks).map_while(|_| rota.pick());
        work.map(|work| if let Work::Job(seat, _) = work { seat } else { panic!("only jobs wait") }).collect()
    }

    /// G23: however much one plugin asks for, and from however many guests, the other gets every second turn.
    #[test]
    fn a_flood_of_one_plugin_leaves_the_others_their_turns() {
        let mut rota = rota(&["flood", "flood", "flood", "calm"]);
        (0..3).for_each(|seat| fill(&mut rota, seat, Priority::Interactive, 64));
        fill(&mut rota, 3, Priority::Interactive, 20);
        let served = served(&mut rota, 40);
        assert_eq!(served.iter().filter(|seat| **seat == 3).count(), 20, "{served:?}");
        assert!((0..3).all(|seat| served.contains(&seat)), "and the flood's own guests take turns: {served:?}");
    }

    #[test]
    fn the_urgent_come_first_and_the_patient_come_too() {
        let mut rota = rota(&["a", "b"]);
        fill(&mut rota, 0, Priority::RealTime, 100);
        fill(&mut rota, 1, Priority::Background, 3);
        let served = served(&mut rota, 32);
        assert_eq!(served[..7], [0; 7], "the urgent first");
        assert_eq!(served.iter().filter(|seat| **seat == 1).count(), 3, "{served:?}");
    }
}
