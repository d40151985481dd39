//! What an engine is known not to do. A listed case is run all the same and must fail.

pub(crate) struct Gap {
    pub(crate) engine: &'static str,
    pub(crate) case: &'static str,
    pub(crate) reason: &'static str,
}

pub(crate) const GAPS: &[Gap] = &[];

pub(crate) fn of(engine: &str, case: &str) -> Option<&'static Gap> {
    GAPS.iter().find(|gap| gap.engine == engine && gap.case == case)
}

/// A gap whose case is gone would hide nothing and mislead everybody. One of an engine that is not compiled in stays.
pub(crate) fn check(engines: &[String], cases: &[String]) -> Result<(), String> {
    for Gap { engine, case, reason } in GAPS {
        if engines.iter().any(|name| name == engine) && !cases.iter().any(|name| name == case) {
            return Err(format!("the gap {engine}/{case} names no case"));
        }
        if reason.trim().is_empty() {
            return Err(format!("the gap {engine}/{case} has no reason"));
        }
    }
    Ok(())
}
