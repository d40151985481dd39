//! `cargo xtask figures`: every published promise as a row that is measured now (docs/performance.md).
//!
//! A row is a static and a function in a file of its own. Rows that measure time want a quiet machine; CI runs the
//! others.

mod bombs;
mod cuts;
mod decode;
mod edge;
mod flac;
mod hostile;
mod hot;
mod isolation;
mod loops;
mod mutants;
mod panics;
pub(crate) mod quiet;
mod report;
mod roundtrip;
mod runaway;
mod seed;
mod soak;
mod start;
mod stats;
mod wav;

#[path = "../../../tests/support/audio.rs"]
#[allow(dead_code, reason = "the conformance suite uses the rest")]
mod audio;
#[path = "../../../benches/common/mod.rs"]
#[allow(dead_code, reason = "the benches use the rest")]
mod common;
#[path = "../../../tests/support/contract.rs"]
mod contract;
#[path = "../../../tests/support/imports.rs"]
mod imports;
#[path = "../../../tests/support/places.rs"]
mod places;
#[path = "../../../tests/support/random.rs"]
#[allow(dead_code, reason = "the conformance suite uses the rest")]
mod random;
#[path = "../../../tests/support/wat.rs"]
#[allow(dead_code, reason = "the conformance suite uses the rest")]
mod wat;

use std::time::Instant;

use anyhow::{Result, bail};
use stats::Spread;

/// Every promise, in the order they are printed.
static ROWS: [&Row; 29] = [
    &cuts::WASMTIME,
    &start::ROW,
    &decode::FLAC,
    &flac::ROW,
    &wav::ROW,
    &hostile::ROW,
    &decode::MP3,
    &hot::WASMTIME,
    &hot::WASMTIME_IN_PLACE,
    &runaway::ROW,
    &bombs::MEMORY,
    &bombs::COMPILE,
    &loops::LOOPS,
    &panics::ROW,
    &loops::SHUTDOWN,
    &quiet::ROW,
    &soak::ROW,
    &isolation::ROW,
    &roundtrip::ROW,
    &mutants::ROW,
    &cuts::WASMER,
    &hot::WASMER,
    &hot::WASMER_IN_PLACE,
    &decode::FLAC_ON_WASMER,
    &decode::MP3_ON_WASMER,
    &start::ON_WASMER,
    &decode::METER,
    &hot::COMPONENT,
    &hot::COMPONENT_ON_WASMER,
];

/// A published promise.
struct Row {
    id: &'static str,
    promise: &'static str,
    /// Whether it measures time.
    timed: bool,
    unit: &'static str,
    /// The target: the most the value may be.
    at_most: f64,
    /// The engine it is about, if it is about one: without it, the row is run only when it is named, and fails.
    engine: Option<&'static str>,
    measure: fn(&Settings) -> Result<Measured>,
}

/// How much is measured.
struct Settings {
    full: bool,
}

impl Settings {
    /// Rounds to run: `short` give a figure, five times as many the one that is published.
    fn rounds(&self, short: usize) -> usize {
        if self.full { short * 5 } else { short }
    }
}

/// What a row came to.
struct Measured {
    value: f64,
    n: usize,
    /// Name, unit and distribution of what the value was taken from.
    spreads: Vec<(&'static str, &'static str, Spread)>,
    /// What went wrong; with any, the promise is not kept.
    faults: Vec<String>,
}

/// A row with what it came to; `None` where it was not asked for.
struct Outcome {
    row: &'static Row,
    result: Option<Result<Measured>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ok,
    Short,
    NotRun,
}

impl Outcome {
    fn status(&self) -> Status {
        match &self.result {
            None => Status::NotRun,
            // No number is not at most anything.
            Some(Ok(measured)) if measured.faults.is_empty() && measured.value <= self.row.at_most => Status::Ok,
            Some(_) => Status::Short,
        }
    }
}

/// What is asked on the command line.
struct Asked {
    ids: Vec<String>,
    json: bool,
    untimed: bool,
    settings: Settings,
}

impl Asked {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut asked = Self { ids: Vec::new(), json: false, untimed: false, settings: Settings { full: false } };
        for argument in arguments {
            match argument.as_str() {
                "--json" => asked.json = true,
                "--full" => asked.settings.full = true,
                "--untimed" => asked.untimed = true,
                id => match ROWS.iter().find(|row| row.id.eq_ignore_ascii_case(id)) {
                    Some(row) => asked.ids.push(row.id.to_owned()),
                    None => bail!("unknown row or option `{id}`; rows are {}", ROWS.map(|row| row.id).join(", ")),
                },
            }
        }
        Ok(asked)
    }

    fn includes(&self, row: &Row) -> bool {
        let named = self.ids.iter().any(|id| id == row.id);
        let there = row.engine.is_none_or(|engine| stellatune_plugins::engines().contains(&engine));
        (named || (self.ids.is_empty() && there)) && !(self.untimed && row.timed)
    }
}

/// Measures the rows asked for and prints all.
///
/// # Errors
/// Unknown arguments, no row to run, or a row that is not kept.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let asked = Asked::parse(arguments)?;
    let outcomes: Vec<Outcome> = ROWS.iter().map(|row| outcome(row, &asked)).collect();
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&report::document(&outcomes))?);
    } else {
        print!("{}", report::table(&outcomes));
    }
    let ran = outcomes.iter().filter(|outcome| outcome.status() != Status::NotRun).count();
    let short: Vec<_> = outcomes.iter().filter(|it| it.status() == Status::Short).map(|it| it.row.id).collect();
    match (ran, short.is_empty()) {
        (0, _) => bail!("no row was asked for: --untimed leaves out those that measure time"),
        (_, true) => Ok(()),
        _ => bail!("not kept: {}", short.join(", ")),
    }
}

fn outcome(row: &'static Row, asked: &Asked) -> Outcome {
    if !asked.includes(row) {
        return Outcome { row, result: None };
    }
    eprint!("{} … ", row.id);
    let began = Instant::now();
    let result = (row.measure)(&asked.settings);
    eprintln!("{:.1} s", began.elapsed().as_secs_f64());
    Outcome { row, result: Some(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ROW: Row = Row {
        id: "T",
        promise: "",
        timed: false,
        unit: "",
        at_most: 1.0,
        engine: None,
        measure: |_| bail!("not measured here"),
    };

    fn status(value: f64, faults: &[&str]) -> Status {
        let faults = faults.iter().map(|fault| (*fault).to_owned()).collect();
        let measured = Measured { value, n: 1, spreads: Vec::new(), faults };
        Outcome { row: &ROW, result: Some(Ok(measured)) }.status()
    }

    #[test]
    fn only_a_value_within_the_target_without_a_fault_is_ok() {
        assert_eq!(status(1.0, &[]), Status::Ok);
        assert_eq!(status(1.01, &[]), Status::Short);
        assert_eq!(status(f64::NAN, &[]), Status::Short);
        assert_eq!(status(0.0, &["one run was not cut"]), Status::Short);
        let failed = Outcome { row: &ROW, result: Some((ROW.measure)(&Settings { full: false })) };
        assert_eq!(failed.status(), Status::Short);
    }

    #[test]
    fn rows_are_asked_for_by_id_and_by_clock() {
        let asked = |arguments: &[&str]| -> Result<Vec<&str>> {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            let asked = Asked::parse(&arguments)?;
            Ok(ROWS.iter().filter(|row| asked.includes(row)).map(|row| row.id).collect())
        };
        let there = |row: &&&Row| row.engine.is_none_or(|engine| stellatune_plugins::engines().contains(&engine));
        assert_eq!(asked(&[]).unwrap().len(), ROWS.iter().filter(there).count());
        assert_eq!(asked(&["a4", "A1"]).unwrap(), ["A1", "A4"]);
        assert_eq!(asked(&["c3"]).unwrap(), ["C3"], "named, whatever is compiled in");
        assert_eq!(asked(&["--untimed"]).unwrap(), ["A4", "A5", "A6", "B6", "B7", "B9", "B13", "B15", "C1", "C2"]);
        assert!(asked(&["A99"]).is_err());
    }
}
