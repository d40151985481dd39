//! The conformance suite: every case on every engine compiled in, one trial each, named `<engine>/<group>/<case>`.
//!
//! A case is written once and knows no engine ([`support::Case`], `cases/`). Every fixture must be used by a case, a
//! run without any trial fails, and what an engine is known not to do is data with a reason (`support/gaps.rs`), which
//! is still run and must still fail. Where several engines are compiled in, the transcripts of a case
//! (`support/transcript.rs`) must be equal as well. Here is only what makes trials of cases.
//!
//! `CONFORMANCE_TWICE=1` runs every engine twice, as if it were two: a transcript that differs from itself names a case
//! whose transcript must not be compared in full.

mod cases;
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Trial};

use support::{Case, Subject, gaps, transcript, transcript::Board, watchdog};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases: Vec<Arc<Case>> = cases::all().into_iter().map(Arc::new).collect();
    let engines: Vec<Arc<Subject>> =
        support::engines().into_iter().map(|engine| Arc::new(Subject::new(engine))).collect();
    let mut subjects: Vec<_> = engines.iter().map(|subject| (subject.name(), Arc::clone(subject))).collect();
    if std::env::var_os("CONFORMANCE_TWICE").is_some() {
        let again = |(name, subject): &(&'static str, Arc<Subject>)| (again(name), Arc::clone(subject));
        subjects = subjects.iter().flat_map(|subject| [subject.clone(), again(subject)]).collect();
    }
    let board = Arc::new(Board::new(subjects.iter().map(|(name, _)| *name).collect()));
    let mut trials = Vec::new();
    for (name, subject) in &subjects {
        for case in &cases {
            trials.push(trial(name, subject, case, &board));
        }
    }
    if trials.is_empty() {
        eprintln!("no trial: no engine is compiled in, so nothing would be tested");
        return ExitCode::FAILURE;
    }
    let names: Vec<_> = subjects.iter().map(|(name, _)| *name).collect();
    trials.extend(suite(&names, &cases));
    trials.extend(cases::together::trials(&engines));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        println!("{}\n", board.summary());
    }
    conclusion.exit_code()
}

/// The name of an engine's second run.
fn again(name: &'static str) -> &'static str {
    match name {
        "wasmtime" => "wasmtime-again",
        "wasmer" => "wasmer-again",
        _ => "again",
    }
}

fn trial(engine: &'static str, subject: &Subject, case: &Arc<Case>, board: &Arc<Board>) -> Trial {
    let name = format!("{engine}/{}", case.name);
    let gap = gaps::of(engine, &case.name);
    let (subject, case, board, title) = (subject.trial(), Arc::clone(case), Arc::clone(board), name.clone());
    Trial::test(name, move || {
        let _watched = watchdog::watch(&title);
        let Some(gap) = gap else {
            (case.run)(&subject);
            return Ok(board.done(&case, engine, subject.transcript().clone())?);
        };
        match catch_unwind(AssertUnwindSafe(|| (case.run)(&subject))) {
            Ok(()) => Err(format!("this gap closed, take it out of the list: {}", gap.reason).into()),
            Err(_) => Ok(()),
        }
    })
}

/// What is true of the suite itself.
fn suite(engines: &[&str], cases: &[Arc<Case>]) -> Vec<Trial> {
    let engines: Vec<_> = engines.iter().map(|name| (*name).to_owned()).collect();
    let names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
    let used: Vec<_> = cases.iter().flat_map(|case| case.fixtures.iter().copied()).collect();
    let mut trials = vec![
        Trial::test("suite/gaps/name-cases", move || Ok(gaps::check(&engines, &names)?)),
        Trial::test("suite/transcripts/show-differences", || Ok(transcript::check()?)),
        Trial::test("suite/fixtures/are-found", || Ok(support::fixture::check()?)),
    ];
    for fixture in support::fixture::all() {
        if !used.contains(&fixture.as_str()) {
            trials.push(Trial::test(format!("suite/fixtures/{fixture}"), || Err("no case uses this fixture".into())));
        }
    }
    trials
}
