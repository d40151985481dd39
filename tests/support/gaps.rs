//! What an engine is known not to do, or to do otherwise than the first one. A listed case is run all the same and must
//! fail or differ; one that does not any more fails the run.

pub(crate) struct Gap {
    pub(crate) engine: &'static str,
    pub(crate) case: &'static str,
    pub(crate) reason: &'static str,
}

pub(crate) const GAPS: &[Gap] = &[
    hot("equalizer/hot-path/a-change-makes-no-click"),
    hot("equalizer/hot-path/as-native"),
    hot("equalizer/hot-path/chain"),
    hot("hot/another-thread"),
    hot("hot/any-length"),
    hot("hot/arguments"),
    hot("hot/biquad"),
    hot("hot/context-zero"),
    hot("hot/dry-copy"),
    hot("hot/formats"),
    hot("hot/gain"),
    hot("hot/gain-simd"),
    hot("hot/in-place"),
    hot("hot/loops-elsewhere"),
    hot("hot/memory-grows"),
    hot("hot/parameters"),
    hot("hot/recursion"),
    hot("hot/refuses"),
    hot("hot/regions"),
    hot("hot/replaced"),
    hot("hot/resets"),
    hot("hot/sink"),
    hot("hot/slow"),
    hot("hot/soft-errors"),
    hot("hot/strikes"),
    hot("hot/trap"),
    hot("hot/wild-output"),
    hot("hot/wrong-frames"),
];

const fn hot(case: &'static str) -> Gap {
    Gap {
        engine: "wasmer",
        case,
        reason: "hot-path modules are not run on this engine yet: its plugins use component calls",
    }
}

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
