//! Circuit breaker: calls to an unresponsive portal fail fast and cost other portals nothing.

use std::time::{Duration, Instant};

use rand::RngExt;

/// After this many failures in a row the breaker opens.
const FAILURES: u32 = 5;

/// How long it stays open at first. Doubled each time the probe fails as well.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest it stays open before the next probe.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The circuit breaker of one portal.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    failures: u32,
    openings: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    #[default]
    Closed,
    /// Nothing is sent before this moment; then one request probes.
    Open { until: Instant },
    /// The probe is in flight.
    HalfOpen,
}

/// Which requests may be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Allows {
    /// All that the rate limit allows.
    All,
    /// One, to probe whether the portal responds again.
    Probe,
    /// None before this moment.
    NoneUntil(Instant),
    /// None until the probe completes.
    NoneWhileProbing,
}

impl Breaker {
    pub(crate) fn allows(&self, now: Instant) -> Allows {
        match self.state {
            State::Closed => Allows::All,
            State::Open { until } if now < until => Allows::NoneUntil(until),
            State::Open { .. } => Allows::Probe,
            State::HalfOpen => Allows::NoneWhileProbing,
        }
    }

    /// A request is sent. The first after a pause is the probe.
    pub(crate) fn sent(&mut self, now: Instant) {
        if self.allows(now) == Allows::Probe {
            self.state = State::HalfOpen;
        }
    }

    /// The portal responded, if only with a rejection.
    pub(crate) fn responded(&mut self) {
        *self = Self::default();
    }

    /// The portal did not respond. True if the breaker opens.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.failures += 1;
        match self.state {
            State::Closed if self.failures < FAILURES => false,
            State::Closed | State::HalfOpen => {
                let pause = FIRST_PAUSE.saturating_mul(1 << self.openings.min(5));
                // Replicas must not probe in step.
                let jitter = rand::rng().random_range(0.8..1.2);
                let until = now + pause.min(LONGEST_PAUSE).mul_f64(jitter);
                self.openings += 1;
                self.state = State::Open { until };
                true
            }
            // The request was sent before the breaker opened.
            State::Open { .. } => false,
        }
    }

    /// The probe was not sent, so it says nothing of the portal.
    pub(crate) fn undecided(&mut self, now: Instant) {
        if self.state == State::HalfOpen {
            self.state = State::Open { until: now };
        }
    }

    pub(crate) fn is_open(&self) -> bool {
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

    fn open_until(breaker: &Breaker, now: Instant) -> Instant {
        match breaker.allows(now) {
            Allows::NoneUntil(until) => until,
            other @ (Allows::All | Allows::Probe | Allows::NoneWhileProbing) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_response_between_failures_keeps_it_closed() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            assert!(!breaker.failed(now));
            breaker.responded();
        }
        assert_eq!(breaker.allows(now), Allows::All);
    }

    #[test]
    fn after_the_pause_one_request_probes() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = open_until(&breaker, now);
        assert_eq!(breaker.allows(until), Allows::Probe);
        breaker.sent(until);
        assert_eq!(breaker.allows(until), Allows::NoneWhileProbing);
        assert!(breaker.is_open());
        breaker.responded();
        assert_eq!(breaker.allows(until), Allows::All);
    }

    #[test]
    fn failed_probes_make_the_pauses_longer_up_to_a_limit() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let until = open_until(&breaker, now);
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
        let until = open_until(&breaker, now);
        breaker.sent(until);
        breaker.undecided(until);
        assert_eq!(breaker.allows(until), Allows::Probe);
    }
}
