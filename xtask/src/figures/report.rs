//! Outcomes as a table for people, and as one JSON document.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{Measured, Outcome, Status, stats::Spread};

/// One line for each row, and below it what its value was taken from.
pub(super) fn table(outcomes: &[Outcome]) -> String {
    let mut text =
        format!("{:<5}{:<9}{:>12}{:>12}  {:<8}{:>7}  promise\n", "id", "status", "measured", "at most", "unit", "n");
    for outcome in outcomes {
        let row = outcome.row;
        let (value, n) = match &outcome.result {
            Some(Ok(measured)) => (number(measured.value), measured.n.to_string()),
            _ => ("-".to_owned(), "-".to_owned()),
        };
        let (status, most) = (name(outcome.status()), number(row.at_most));
        let line = format!("{:<5}{status:<9}{value:>12}{most:>12}  {:<8}{n:>7}  {}", row.id, row.unit, row.promise);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{line}");
        match &outcome.result {
            Some(Ok(measured)) => details(&mut text, measured),
            Some(Err(why)) => _ = writeln!(text, "      {why:#}"),
            None => {}
        }
    }
    text
}

/// The machine, and every row with what its value was taken from.
pub(super) fn document(outcomes: &[Outcome]) -> Value {
    let rows: Vec<Value> = outcomes.iter().map(row).collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let machine = json!({ "cores": cores, "arch": std::env::consts::ARCH, "os": std::env::consts::OS });
    json!({ "machine": machine, "rows": rows })
}

fn row(outcome: &Outcome) -> Value {
    let row = outcome.row;
    let mut document = json!({
        "id": row.id,
        "promise": row.promise,
        "measured": null,
        "unit": row.unit,
        "n": 0,
        "target": row.at_most,
        "status": name(outcome.status()),
    });
    match &outcome.result {
        Some(Ok(measured)) => {
            document["measured"] = json!(measured.value);
            document["n"] = json!(measured.n);
            let spreads = measured.spreads.iter().map(|(name, unit, spread)| ((*name).to_owned(), ranks(spread, unit)));
            document["spreads"] = Value::Object(spreads.collect::<Map<_, _>>());
            document["faults"] = json!(measured.faults);
        }
        Some(Err(why)) => document["faults"] = json!([format!("{why:#}")]),
        None => {}
    }
    document
}

fn ranks(spread: &Spread, unit: &str) -> Value {
    let Spread { min, p50, p90, p99, max } = spread;
    json!({ "unit": unit, "min": min, "p50": p50, "p90": p90, "p99": p99, "max": max })
}

fn details(text: &mut String, measured: &Measured) {
    for (name, unit, Spread { min, p50, p90, p99, max }) in &measured.spreads {
        let [min, p50, p90, p99, max] = [min, p50, p90, p99, max].map(|value| number(*value));
        let _ = writeln!(text, "      {name:<38} min {min}  p50 {p50}  p90 {p90}  p99 {p99}  max {max} {unit}");
    }
    for fault in &measured.faults {
        let _ = writeln!(text, "      fault: {fault}");
    }
}

fn number(value: f64) -> String {
    if value == value.trunc() { format!("{value}") } else { format!("{value:.3}") }
}

fn name(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Short => "short",
        Status::NotRun => "not_run",
    }
}
