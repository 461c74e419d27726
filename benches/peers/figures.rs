//! What was measured of one gateway, and the medians of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Round;

/// One round.
pub(crate) struct Sample {
    pub(crate) round: Round,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Sample {
    /// Processor time of the gateway for each call, in microseconds.
    pub(crate) fn processor(&self) -> f64 {
        self.user() + self.system()
    }

    pub(crate) fn user(&self) -> f64 {
        micros(self.user) / self.round.calls as f64
    }

    pub(crate) fn system(&self) -> f64 {
        micros(self.system) / self.round.calls as f64
    }

    pub(crate) fn p50(&self) -> f64 {
        micros(self.round.p50)
    }

    pub(crate) fn p99(&self) -> f64 {
        micros(self.round.p99)
    }

    pub(crate) fn per_second(&self) -> f64 {
        self.round.calls as f64 / self.round.elapsed.as_secs_f64()
    }
}

/// All rounds of one gateway.
#[derive(Default)]
pub(crate) struct Figures {
    samples: BTreeMap<usize, Vec<Sample>>,
    /// Its starts, in milliseconds.
    pub(crate) starts: Vec<f64>,
    pub(crate) idle_kib: u64,
    pub(crate) loaded_kib: u64,
}

/// A figure over several rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) lowest: f64,
    pub(crate) median: f64,
    pub(crate) highest: f64,
}

impl Figures {
    pub(crate) fn add(&mut self, in_flight: usize, sample: Sample) {
        self.samples.entry(in_flight).or_default().push(sample);
    }

    /// A figure over all rounds with so many calls in flight.
    pub(crate) fn spread(&self, in_flight: usize, figure: impl Fn(&Sample) -> f64) -> Spread {
        Spread::of(self.samples[&in_flight].iter().map(figure))
    }
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_unstable_by(f64::total_cmp);
        Self {
            lowest: figures[0],
            median: figures[figures.len() / 2],
            highest: figures[figures.len() - 1],
        }
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
