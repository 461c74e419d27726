//! Figures of many calls.

use std::time::Duration;

/// The value that this part of all values is below, in milliseconds.
pub(crate) fn percentile(durations: &mut [Duration], percent: usize) -> f64 {
    durations.sort_unstable();
    let at = (durations.len() * percent / 100).min(durations.len() - 1);
    durations[at].as_secs_f64() * 1e3
}

/// The median, in milliseconds.
pub(crate) fn median(durations: &mut [Duration]) -> f64 {
    percentile(durations, 50)
}

/// The median of any figures.
pub(crate) fn middle(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures[figures.len() / 2]
}
