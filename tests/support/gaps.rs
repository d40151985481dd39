//! What an engine is known not to do, or to do otherwise than the first one. A listed case is run all the same and must
//! fail or differ; one that does not any more fails the run.

pub(crate) struct Gap {
    pub(crate) engine: &'static str,
    pub(crate) case: &'static str,
    pub(crate) reason: &'static str,
}

pub(crate) const GAPS: &[Gap] = &[];

/// A case that an engine keeps, but with another transcript than the first engine's.
pub(crate) const DIFFERENCES: &[Gap] = &[Gap {
    engine: "wasmer",
    case: "ends/exports-that-are-missing-or-of-another-type-are-named",
    reason: "Wasmtime compares the types of exports when an instance is made, Wasmer's component layer when the \
             component is loaded; core refuses such a component before either",
}];

pub(crate) fn difference(engine: &str, case: &str) -> Option<&'static Gap> {
    DIFFERENCES.iter().find(|gap| gap.engine == engine && gap.case == case)
}

pub(crate) fn of(engine: &str, case: &str) -> Option<&'static Gap> {
    GAPS.iter().find(|gap| gap.engine == engine && gap.case == case)
}

/// A gap whose case is gone would hide nothing and mislead everybody. One of an engine that is not compiled in stays.
pub(crate) fn check(engines: &[String], cases: &[String]) -> Result<(), String> {
    for Gap { engine, case, reason } in GAPS.iter().chain(DIFFERENCES) {
        if engines.iter().any(|name| name == engine) && !cases.iter().any(|name| name == case) {
            return Err(format!("the gap {engine}/{case} names no case"));
        }
        if reason.trim().is_empty() {
            return Err(format!("the gap {engine}/{case} has no reason"));
        }
    }
    Ok(())
}
