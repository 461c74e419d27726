//! A portal that does not answer is left alone for a while, so that its calls fail at once and cost others nothing.

use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

/// After how many failures in a row the portal is left alone.
const FAILURES: u32 = 5;

/// How long it is left alone at first. Doubled each time that the probing request fails as well.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Counts the failures of one portal.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    openings: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Closed,
    /// Nothing is sent before this moment; then one request probes.
    Open {
        until: Instant,
    },
    Probing,
}

/// Whether a request may be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    /// As many as the budget allows.
    Free,
    /// One, to see whether the portal is back.
    Probe,
    /// None before this moment.
    Closed { until: Instant },
    /// None until the probe has come back.
    Probing,
}

impl Breaker {
    pub(super) fn way(&self, now: Instant) -> Way {
        match self.state {
            State::Closed => Way::Free,
            State::Open { until } if now < until => Way::Closed { until },
            State::Open { .. } => Way::Probe,
            State::Probing => Way::Probing,
        }
    }

    /// A request is sent. The first after a pause is the probe.
    pub(super) fn sent(&mut self, now: Instant) {
        if self.way(now) == Way::Probe {
            self.state = State::Probing;
        }
    }

    /// The portal has answered something, if only a refusal.
    pub(super) fn answered(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }

    /// The portal has not answered. True if it is left alone from now on.
    pub(super) fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        match self.state {
            State::Closed if self.failures < FAILURES => false,
            State::Closed | State::Probing => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.openings.min(5));
                // So that replicas do not probe in step.
                let jitter = rand::rng().random_range(0.8..1.2);
                let until = now + pause.min(LONGEST_PAUSE).mul_f64(jitter);
                self.openings += 1;
                self.state = State::Open { until };
                true
            }
            // A request from before has come back.
            State::Open { .. } => false,
        }
    }

    /// The probe says nothing of the portal: it was not sent.
    pub(super) fn undecided(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Open { until: now };
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.state != State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        let opened: Vec<bool> = (0..FAILURES).map(|_| breaker.failed(now)).collect();
        assert_eq!(opened, [false, false, false, false, true]);
        breaker
    }

    fn closed_until(breaker: &Breaker, now: Instant) -> Instant {
        match breaker.way(now) {
            Way::Closed { until } => until,
            other @ (Way::Free | Way::Probe | Way::Probing) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            assert!(!breaker.failed(now));
            breaker.answered();
        }
        assert_eq!(breaker.way(now), Way::Free);
    }

    #[test]
    fn after_the_pause_one_request_probes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = closed_until(&breaker, now);
        assert_eq!(breaker.way(until), Way::Probe);
        breaker.sent(until);
        assert_eq!(breaker.way(until), Way::Probing);
        assert!(breaker.answered());
        assert_eq!(breaker.way(until), Way::Free);
    }

    #[test]
    fn failed_probes_make_the_pauses_longer_up_to_a_limit() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = closed_until(&breaker, now);
            pauses.push((until - now).as_secs_f64());
            breaker.sent(until);
            assert!(breaker.failed(until));
            now = until;
        }
        let nominal = [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0];
        for (pause, nominal) in pauses.iter().zip(nominal) {
            assert!((0.79..1.21).contains(&(pause / nominal)), "{pauses:?}");
        }
    }

    #[test]
    fn a_probe_that_was_not_sent_leaves_the_next_one_its_turn() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = closed_until(&breaker, now);
        breaker.sent(until);
        breaker.undecided(until);
        assert_eq!(breaker.way(until), Way::Probe);
    }
}
