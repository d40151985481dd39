//! What happened at the engine seam during a case, as lines that must be the same on every engine.
//!
//! [`super::recording`] writes them: calls with their arguments, answers, what the guest called of the host, lines of
//! log. Traps are written as their kind, since each engine words its own; everything else is compared to the letter.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Case, gaps};

/// How much of a transcript must be the same.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Same {
    /// Every line.
    All,
    /// What is called of the guest and what it answers; what it does in between varies for the reason given.
    Calls(&'static str),
    /// Nothing, for the reason given.
    Nothing(&'static str),
}

/// A case on one engine: the lines of each instance, in the order they were started.
#[derive(Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<Vec<Record>>>);

/// What happened to one instance.
#[derive(Clone, Default)]
pub(crate) struct Record(Arc<Mutex<Vec<Line>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    /// Whether it is about what the guest asked of the host.
    host: bool,
    text: String,
}

impl Transcript {
    /// Begins the record of one more instance.
    pub(crate) fn record(&self, title: impl Into<String>) -> Record {
        let record = Record::default();
        record.call(title);
        lock(&self.0).push(record.clone());
        record
    }

    fn lines(&self, same: Same) -> Vec<Line> {
        let records = lock(&self.0);
        let lines = records.iter().flat_map(|record| lock(&record.0).clone());
        match same {
            Same::All => lines.collect(),
            Same::Calls(_) => lines.filter(|line| !line.host).collect(),
            Same::Nothing(_) => Vec::new(),
        }
    }
}

impl Record {
    /// A line about a call of the guest.
    pub(crate) fn call(&self, text: impl Into<String>) {
        lock(&self.0).push(Line { host: false, text: text.into() });
    }

    /// A line about what the guest asked of the host.
    pub(crate) fn host(&self, text: impl Into<String>) {
        lock(&self.0).push(Line { host: true, text: text.into() });
    }
}

/// The first difference between two transcripts, with the lines before it.
fn difference(
    same: Same,
    (oracle, expected): (&str, &Transcript),
    (engine, got): (&str, &Transcript),
) -> Option<String> {
    let (expected, got) = (expected.lines(same), got.lines(same));
    let at = (0..expected.len().max(got.len())).find(|at| expected.get(*at) != got.get(*at))?;
    let mut text = format!("the engines differ in line {at}");
    for line in &expected[at.saturating_sub(4)..at] {
        let _ = write!(text, "\n    {}", line.text);
    }
    for (name, lines) in [(oracle, &expected), (engine, &got)] {
        let _ = write!(text, "\n  {name}: {}", lines.get(at).map_or("(nothing more)", |line| &line.text));
    }
    Some(text)
}

/// Collects the transcripts of all trials, and compares a case as soon as it has run on two engines.
pub(crate) struct Board {
    /// The engines, the one that is right when they differ first.
    engines: Vec<&'static str>,
    done: Mutex<HashMap<String, BTreeMap<&'static str, Transcript>>>,
    tally: Mutex<Tally>,
}

/// What the comparisons came to.
#[derive(Default)]
struct Tally {
    cases: BTreeMap<&'static str, usize>,
    equal: usize,
    different: usize,
    /// Of the equal ones, those whose calls alone were compared.
    calls: usize,
    known: usize,
    passed_over: usize,
    /// Why transcripts were compared in part or not at all, and of how many cases.
    reasons: BTreeMap<&'static str, usize>,
}

impl Board {
    pub(crate) fn new(engines: Vec<&'static str>) -> Self {
        Self { engines, done: Mutex::default(), tally: Mutex::default() }
    }

    /// Takes the transcript of a case that ended well.
    ///
    /// # Errors
    /// The first line that differs from another engine's, where it is not known to; or that a known difference is gone.
    pub(crate) fn done(&self, case: &Case, engine: &'static str, transcript: Transcript) -> Result<(), String> {
        *lock(&self.tally).cases.entry(engine).or_default() += 1;
        let mut done = lock(&self.done);
        let others = done.entry(case.name.clone()).or_default();
        others.insert(engine, transcript);
        let oracle = self.engines[0];
        let Some(expected) = others.get(oracle) else { return Ok(()) };
        let mut faults = Vec::new();
        // The oracle may come last.
        for (other, got) in others.iter().filter(|(name, _)| **name != oracle && (engine == oracle || **name == engine))
        {
            faults.extend(self.compare(case, (oracle, expected), (*other, got)).err());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }

    fn compare(&self, case: &Case, expected: (&str, &Transcript), got: (&str, &Transcript)) -> Result<(), String> {
        let mut tally = lock(&self.tally);
        if let Same::Calls(reason) | Same::Nothing(reason) = case.same {
            *tally.reasons.entry(reason).or_default() += 1;
        }
        if let Same::Nothing(_) = case.same {
            tally.passed_over += 1;
            return Ok(());
        }
        match (difference(case.same, expected, got), gaps::difference(got.0, &case.name)) {
            (None, None) => {
                tally.equal += 1;
                tally.calls += usize::from(matches!(case.same, Same::Calls(_)));
                Ok(())
            }
            (Some(_), Some(_)) => {
                tally.known += 1;
                Ok(())
            }
            (Some(text), None) => {
                tally.different += 1;
                Err(text)
            }
            (None, Some(known)) => Err(format!("this difference closed, take it out of the list: {}", known.reason)),
        }
    }

    /// What was compared.
    pub(crate) fn summary(&self) -> String {
        let Tally { cases, equal, different, calls, known, passed_over, reasons } = &*lock(&self.tally);
        let counts: Vec<_> = cases.iter().map(|(engine, count)| format!("{count} cases on {engine}")).collect();
        let mut text = format!("transcripts: {}", counts.join(", "));
        if self.engines.len() < 2 {
            return text + "; one engine, so there was nothing to compare them with";
        }
        let _ = write!(
            text,
            "; {equal} equal (of {calls} the calls alone), {different} different, {known} known to differ, \
             {passed_over} not compared"
        );
        for (reason, count) in reasons {
            let _ = write!(text, "\n  {count} in part or not at all: {reason}");
        }
        text
    }
}

/// A case that failed elsewhere has spoilt nothing here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Proves that a difference is seen, wherever it is, and only where it counts.
pub(crate) fn check() -> Result<(), String> {
    let transcript = |lines: &[(bool, &str)]| {
        let transcript = Transcript::default();
        let record = transcript.record("an instance");
        for (host, text) in lines {
            if *host { record.host(*text) } else { record.call(*text) }
        }
        transcript
    };
    let whole: &[_] = &[(false, "read(1)"), (true, "tell"), (false, "= 4 bytes")];
    type Lines<'a> = &'a [(bool, &'a str)];
    let cases: [(Same, Lines<'_>, bool); 6] = [
        (Same::All, whole, false),
        (Same::All, &whole[..2], true),
        (Same::All, &[(false, "read(1)"), (true, "size"), (false, "= 4 bytes")], true),
        (Same::Calls(""), &[(false, "read(1)"), (true, "size"), (false, "= 4 bytes")], false),
        (Same::Calls(""), &[(false, "read(1)"), (true, "tell"), (false, "= 5 bytes")], true),
        (Same::Nothing(""), &[], false),
    ];
    for (same, lines, differs) in cases {
        let found = difference(same, ("one", &transcript(whole)), ("other", &transcript(lines)));
        if found.is_some() != differs {
            return Err(format!("{same:?} of {lines:?}: {found:?}"));
        }
    }
    Ok(())
}
