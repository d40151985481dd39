//! The conformance suite: every case on every engine compiled in, one trial each, named `<engine>/<group>/<case>`.
//!
//! A case is written once and knows no engine ([`support::Case`], `cases/`). Every fixture must be used by a case, a
//! run without any trial fails, and what an engine is known not to do is data with a reason (`support/gaps.rs`), which
//! is still run and must still fail. Here is only what makes trials of cases.

mod cases;
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    sync::Arc,
};

use libtest_mimic::{Arguments, Trial};

use support::{Case, Subject, gaps, watchdog};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let cases: Vec<Arc<Case>> = cases::all().into_iter().map(Arc::new).collect();
    let subjects: Vec<Arc<Subject>> =
        support::engines().into_iter().map(|engine| Arc::new(Subject::new(engine))).collect();
    let mut trials = Vec::new();
    for subject in &subjects {
        for case in &cases {
            trials.push(trial(subject, case));
        }
    }
    if trials.is_empty() {
        eprintln!("no trial: no engine is compiled in, so nothing would be tested");
        return ExitCode::FAILURE;
    }
    trials.extend(suite(&subjects, &cases));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(subject: &Arc<Subject>, case: &Arc<Case>) -> Trial {
    let name = format!("{}/{}", subject.name(), case.name);
    let gap = gaps::of(subject.name(), &case.name);
    let (subject, case, title) = (Arc::clone(subject), Arc::clone(case), name.clone());
    Trial::test(name, move || {
        let _watched = watchdog::watch(&title);
        let Some(gap) = gap else {
            (case.run)(&subject);
            return Ok(());
        };
        match catch_unwind(AssertUnwindSafe(|| (case.run)(&subject))) {
            Ok(()) => Err(format!("this gap closed, take it out of the list: {}", gap.reason).into()),
            Err(_) => Ok(()),
        }
    })
}

/// What is true of the suite itself.
fn suite(subjects: &[Arc<Subject>], cases: &[Arc<Case>]) -> Vec<Trial> {
    let engines: Vec<_> = subjects.iter().map(|subject| subject.name().to_owned()).collect();
    let names: Vec<_> = cases.iter().map(|case| case.name.clone()).collect();
    let used: Vec<_> = cases.iter().flat_map(|case| case.fixtures.iter().copied()).collect();
    let mut trials = vec![
        Trial::test("suite/gaps/name-cases", move || Ok(gaps::check(&engines, &names)?)),
        Trial::test("suite/fixtures/are-found", || Ok(support::fixture::check()?)),
    ];
    trials.extend(cases::together::trials(subjects));
    for fixture in support::fixture::all() {
        if !used.contains(&fixture.as_str()) {
            trials.push(Trial::test(format!("suite/fixtures/{fixture}"), || Err("no case uses this fixture".into())));
        }
    }
    trials
}
