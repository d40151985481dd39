//! What `plugin stats` answers, and what `decode --stats` says of plugins.

use std::fmt;

use serde::Serialize;
use stellatune_plugins::{ComponentStats, Quantiles};

use crate::document::Table;

/// What each component did in a run.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Stats(pub(crate) Vec<ComponentStats>);

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new([
            "PLUGIN",
            "COMPONENT",
            "STARTS",
            "RESTARTS",
            "CALLS",
            "REFUSED",
            "TRAPS",
            "CUTS",
            "BUSY",
            "THROTTLED",
            "MEMORY",
            "CALL",
            "WAIT",
        ]);
        for stats in &self.0 {
            table.row([
                stats.plugin_id.clone(),
                stats.component_id.clone(),
                stats.starts.to_string(),
                stats.restarts.to_string(),
                stats.calls.to_string(),
                stats.refusals.to_string(),
                stats.traps.to_string(),
                stats.cuts.to_string(),
                stats.busy.to_string(),
                stats.throttled.to_string(),
                memory(stats.memory_peak_bytes),
                quantiles(&stats.call_time),
                quantiles(&stats.queue_wait),
            ]);
        }
        table.fmt(f)?;
        writeln!(
            f,
            "MEMORY: the most its instances held together. CALL and WAIT: how long calls took and waited for their instance; half of them, 99 of 100, the longest"
        )
    }
}

fn quantiles(times: &Quantiles) -> String {
    [times.p50_us, times.p99_us, times.max_us].map(time).join(" / ")
}

fn memory(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

fn time(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} \u{b5}s"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        _ => format!("{:.1} s", us as f64 / 1e6),
    }
}
