//! C1: values of random types that do not come back as they went, on any engine.
//!
//! A seed makes the types of a function, a component that hands its arguments back (by itself, and through the host), and
//! values. Each value goes through the component on Wasmtime, whose own component model is the oracle, and on Wasmer with
//! our component layer; both must give back what went in. `ZOO_SEED` replays a run; a fault names its component.

mod echo;
mod oracle;
mod types;

use anyhow::{Context, Result, anyhow};
use stellatune_plugin_engine_wasmer::testing;
use wit_component::StringEncoding;

use self::{
    echo::FUNCTIONS,
    oracle::Oracle,
    types::{Types, Value},
};
use super::{Measured, Row, Settings, random, seed};

pub(super) static ROW: Row = Row {
    id: "C1",
    promise: "values of random types that come back from a guest changed, or differ between engines",
    timed: false,
    unit: "trips",
    at_most: 0.0,
    engine: None,
    measure,
};

/// Components of a short run, and values each; every value makes a trip through each function.
const COMPONENTS: usize = 250;
const VALUES: usize = 20;

/// Faults that are told in full; more are only counted.
const TOLD: usize = 5;

fn measure(settings: &Settings) -> Result<Measured> {
    run(seed::of("C1")?, settings.rounds(COMPONENTS))
}

fn run(first: u64, components: usize) -> Result<Measured> {
    let oracle = Oracle::new()?;
    let (mut trips, mut changed, mut faults) = (0, 0, Vec::new());
    for number in 0..components as u64 {
        let seed = seed::nth(first, number);
        let outcome = component(&oracle, seed).with_context(|| format!("the component of seed {seed}"))?;
        trips += VALUES * FUNCTIONS.len();
        changed += outcome.len();
        faults.extend(outcome.into_iter().map(|fault| format!("seed {seed}: {fault}")));
    }
    faults.truncate(TOLD);
    Ok(Measured { value: changed as f64, n: trips, spreads: Vec::new(), faults })
}

/// Sends values through the component of a seed; says what was wrong.
fn component(oracle: &Oracle, seed: u64) -> Result<Vec<String>> {
    let mut random = random::Random(seed);
    let parameters = Types::new(&mut random).parameters();
    let encodings = [StringEncoding::UTF8, StringEncoding::UTF16, StringEncoding::CompactUTF16];
    let encoding = encodings[random.below(encodings.len())];
    let wasm = echo::component(&parameters, encoding).with_context(|| echo::wit(&parameters))?;
    let mut running = oracle.start(&wasm, &parameters).with_context(|| echo::wit(&parameters))?;
    let mut other = testing::Running::start(&wasm, echo::GUEST, &FUNCTIONS)
        .map_err(|error| anyhow!("on Wasmer: {error}"))
        .with_context(|| echo::wit(&parameters))?;
    let mut faults = Vec::new();
    for _ in 0..VALUES {
        let given: Vec<_> = parameters.iter().map(|ty| types::value(ty, &mut random)).collect();
        let expected = match &*given {
            [one] => one.clone(),
            many => Value::Fields(many.to_vec()),
        };
        for (function, name) in FUNCTIONS.iter().enumerate() {
            let oracle = running.call(function, &given).with_context(|| echo::wit(&parameters))?;
            let ours =
                other.call(function, &given).map_err(anyhow::Error::from).with_context(|| echo::wit(&parameters))?;
            for (engine, got) in [("wasmtime", oracle), ("wasmer", ours)] {
                if got != expected {
                    faults.push(format!("{name} on {engine} gave {got:?} for {expected:?}"));
                }
            }
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_values_come_back_as_they_went() -> Result<()> {
        let measured = run(1, 40)?;
        assert_eq!((measured.value, &*measured.faults), (0.0, &[][..]));
        Ok(())
    }
}
