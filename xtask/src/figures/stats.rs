//! What a series of measurements looks like.

/// Five points of a distribution, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) min: f64,
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Spread {
    /// Of measurements in any order; of none, every point is no number.
    pub(super) fn of(measured: &[f64]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |percent: f64| {
            let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
        };
        Self { min: at(0.0), p50: at(50.0), p90: at(90.0), p99: at(99.0), max: at(100.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_by_nearest_rank() {
        let measured: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let expected = Spread { min: 1.0, p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 };
        assert_eq!(Spread::of(&measured), expected);
        assert!(Spread::of(&[]).p50.is_nan());
    }
}
