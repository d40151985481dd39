//! Ends a run that hangs, naming the case. A loose guard: no case is judged by how long it takes.

use std::{
    collections::HashMap,
    process,
    sync::{Mutex, Once, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// No case takes a tenth of this, on a machine that builds something else at the same time.
const HUNG: Duration = Duration::from_secs(120);

static RUNNING: Mutex<Option<HashMap<String, Instant>>> = Mutex::new(None);
static WATCHING: Once = Once::new();

/// Watches the trial `name` until dropped.
pub(crate) struct Watched(String);

pub(crate) fn watch(name: &str) -> Watched {
    WATCHING.call_once(|| {
        thread::spawn(run);
    });
    running(|trials| trials.insert(name.to_owned(), Instant::now()));
    Watched(name.to_owned())
}

impl Drop for Watched {
    fn drop(&mut self) {
        running(|trials| trials.remove(&self.0));
    }
}

fn run() {
    loop {
        thread::sleep(Duration::from_secs(1));
        running(|trials| {
            if let Some((name, _)) = trials.iter().find(|(_, began)| began.elapsed() > HUNG) {
                eprintln!("\n{name} hangs: it has run for {HUNG:?}");
                process::abort();
            }
        });
    }
}

fn running<T>(look: impl FnOnce(&mut HashMap<String, Instant>) -> T) -> T {
    look(RUNNING.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}
