//! The figures, as Markdown.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Round;
use super::{IN_FLIGHT, MOST_IN_FLIGHT};

/// The rounds of one of the two programs.
#[derive(Default)]
pub(crate) struct Figures {
    rounds: BTreeMap<usize, Vec<Round>>,
    pub(crate) idle_kib: u64,
    pub(crate) loaded_kib: u64,
}

#[derive(Default)]
pub(crate) struct Report {
    pub(crate) service: Figures,
    pub(crate) bare: Figures,
    /// An earlier program, if it was measured too.
    pub(crate) before: Figures,
    /// The service without traces.
    pub(crate) untraced: Figures,
    /// The service without traces and log lines.
    pub(crate) silent: Figures,
    pub(crate) start: Duration,
}

impl Figures {
    pub(crate) fn add(&mut self, in_flight: usize, round: Round) {
        self.rounds.entry(in_flight).or_default().push(round);
    }

    /// The median of a figure over the rounds.
    fn median(&self, in_flight: usize, figure: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<f64> = self.rounds[&in_flight].iter().map(figure).collect();
        figures.sort_unstable_by(f64::total_cmp);
        figures[figures.len() / 2]
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn print(&self, rounds: usize) {
        println!("Medians of {rounds} alternating rounds each.\n");
        let [more, columns] = if self.before.rounds.is_empty() {
            ["", ""]
        } else {
            [" before | ratio before |", "---|---|"]
        };
        println!(
            "| in flight | figure | service | bare hop | ratio |{more}\n|---|---|---|---|---|{columns}"
        );
        for in_flight in IN_FLIGHT {
            self.row(in_flight, "processor time per call, µs", |round| {
                micros(round.processor) / round.calls as f64
            });
            self.row(in_flight, "p50, µs", |round| micros(round.p50));
            self.row(in_flight, "p99, µs", |round| micros(round.p99));
            self.row(in_flight, "calls per second", |round| {
                round.calls as f64 / round.elapsed.as_secs_f64()
            });
        }
        println!("\n| processor time per call at {MOST_IN_FLIGHT} in flight, µs | |\n|---|---|");
        for (name, figures) in [
            ("the service with everything on", &self.service),
            ("without traces", &self.untraced),
            ("without traces and log lines", &self.silent),
            ("a bare hop", &self.bare),
        ] {
            let cost = figures.median(MOST_IN_FLIGHT, |round| {
                micros(round.processor) / round.calls as f64
            });
            println!("| {name} | {cost:.1} |");
        }
        println!("\n| figure | service | bare hop |\n|---|---|---|");
        let mib = |kib: u64| kib as f64 / 1024.0;
        println!(
            "| resident memory before the first call, MiB | {:.1} | {:.1} |",
            mib(self.service.idle_kib),
            mib(self.bare.idle_kib)
        );
        println!(
            "| resident memory after the load, MiB | {:.1} | {:.1} |",
            mib(self.service.loaded_kib),
            mib(self.bare.loaded_kib)
        );
        println!(
            "| start to serving, ms | {:.1} | – |",
            micros(self.start) / 1000.0
        );
    }

    fn row(&self, in_flight: usize, name: &str, figure: impl Fn(&Round) -> f64) {
        let service = self.service.median(in_flight, &figure);
        let bare = self.bare.median(in_flight, &figure);
        print!(
            "| {in_flight} | {name} | {service:.1} | {bare:.1} | {:.2} |",
            service / bare
        );
        if !self.before.rounds.is_empty() {
            let before = self.before.median(in_flight, &figure);
            print!(" {before:.1} | {:.2} |", before / bare);
        }
        println!();
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
