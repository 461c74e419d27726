//! Circuit breaker: calls to an unresponsive portal fail fast and cost other portals nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::RngExt;

use crate::RequestNumber;

/// The breaker looks at a failed request and at those before it, so many in all. Silence shows
/// seconds later than a response: those of one moment may fail one after the other although the
/// requests among them were answered long before.
const OUTCOMES: usize = 20;

/// The most outcomes that are remembered. Where there are more, the portal answers.
const REMEMBERED: RequestNumber = 2_000;

/// Older outcomes say nothing of the portal's present state.
const RECENT: Duration = Duration::from_secs(30);

/// It opens after this many failures at least.
const FEWEST_FAILURES: usize = 5;

/// It opens if this share of the outcomes are failures, in percent. A portal that loses one answer
/// in two is better than no portal: what it answers counts.
const SHARE_PERCENT: usize = 80;

/// The pause before a probe, in parts of the outage so far: a long outage ends a little later, a
/// short one is noticed at once.
const PART_OF_OUTAGE: u32 = 15;

/// The shortest pause before the next probe.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before the next probe.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The circuit breaker of one portal.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// When requests ended, and whether they failed, in the order in which they got their permits.
    outcomes: BTreeMap<RequestNumber, (Instant, bool)>,
    /// The request whose response closed the breaker. What older ones tell is of the outage.
    closed_by: RequestNumber,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    since: Instant,
    /// When one request may probe whether the portal responds again. Probes do not wait for each
    /// other: one that hangs must not keep the next from finding out.
    next_probe: Instant,
    /// Whether a probe is in flight.
    is_probing: bool,
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
    /// None before this moment, unless the probe in flight is answered.
    NoneWhileProbing(Instant),
}

impl Breaker {
    pub(crate) fn allows(&self, now: Instant) -> Allows {
        match self.open {
            None => Allows::All,
            Some(open) if now >= open.next_probe => Allows::Probe,
            Some(open) if open.is_probing => Allows::NoneWhileProbing(open.next_probe),
            Some(open) => Allows::NoneUntil(open.next_probe),
        }
    }

    /// A request is sent. After a pause it is the probe.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            let outage = now.saturating_duration_since(open.since);
            let pause = (outage / PART_OF_OUTAGE).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            open.next_probe = now + jittered(pause);
            open.is_probing = true;
        }
    }

    /// The portal responded to a request, if only with a rejection.
    pub(crate) fn responded(&mut self, request: RequestNumber, now: Instant) {
        if self.open.take().is_some() {
            self.outcomes.clear();
            self.closed_by = request;
        }
        self.note(request, now, false);
    }

    /// A request failed: the portal did not respond. True if the breaker opens.
    pub(crate) fn failed(&mut self, request: RequestNumber, now: Instant) -> bool {
        if let Some(open) = &mut self.open {
            open.is_probing = false;
            return false;
        }
        if request < self.closed_by {
            return false;
        }
        self.note(request, now, true);
        let last = self.outcomes.range(..=request).rev().take(OUTCOMES);
        let (mut outcomes, mut failures) = (0, 0);
        for (_, (_, failed)) in last {
            outcomes += 1;
            failures += usize::from(*failed);
        }
        let opens = failures >= FEWEST_FAILURES && failures * 100 >= outcomes * SHARE_PERCENT;
        if opens {
            self.open = Some(Open {
                since: now,
                next_probe: now + jittered(SHORTEST_PAUSE),
                is_probing: false,
            });
        }
        opens
    }

    /// A request was not sent, so it says nothing of the portal: the next may probe.
    pub(crate) fn undecided(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.next_probe = open.next_probe.min(now);
            open.is_probing = false;
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Forgets outcomes that say nothing of the present state, and gives back their memory.
    pub(crate) fn forget_old(&mut self, now: Instant) {
        self.outcomes.retain(|_, (at, _)| !is_old(*at, now));
        if self.outcomes.is_empty() {
            // An empty map may keep the memory of its last entries.
            self.outcomes = BTreeMap::new();
        }
    }

    /// How many outcomes it remembers.
    #[cfg(test)]
    pub(crate) fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    fn note(&mut self, request: RequestNumber, now: Instant, failed: bool) {
        while let Some(oldest) = self.outcomes.first_entry()
            && (is_old(oldest.get().0, now) || *oldest.key() + REMEMBERED < request)
        {
            oldest.remove();
        }
        self.outcomes.insert(request, (now, failed));
    }
}

fn is_old(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) > RECENT
}

/// Replicas must not probe in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        let opened: Vec<bool> = (1..=5)
            .map(|request| breaker.failed(request, now))
            .collect();
        assert_eq!(opened, [false, false, false, false, true]);
        breaker
    }

    fn open_until(breaker: &Breaker, now: Instant) -> Instant {
        match breaker.allows(now) {
            Allows::NoneUntil(until) | Allows::NoneWhileProbing(until) => until,
            other @ (Allows::All | Allows::Probe) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_portal_that_answers_one_request_in_four_stays_closed() {
        let (mut now, mut breaker) = (Instant::now(), Breaker::default());
        for request in 0..400 {
            now += SECOND / 10;
            match request % 4 {
                0 => breaker.responded(request, now),
                _ => assert!(!breaker.failed(request, now), "after {request}"),
            }
        }
        assert_eq!(breaker.allows(now), Allows::All);
    }

    #[test]
    fn every_fifth_of_requests_sent_together_may_fall_silent_at_the_same_moment() {
        let (start, mut breaker) = (Instant::now(), Breaker::default());
        for wave in 0..5 {
            let first = wave * 100;
            let sent = start + SECOND * u32::try_from(wave).unwrap() * 6;
            let (silent, answered): (Vec<_>, Vec<_>) =
                (first..first + 100).partition(|request| request % 5 == 0);
            for request in answered {
                breaker.responded(request, sent);
            }
            for request in silent {
                assert!(!breaker.failed(request, sent + SECOND * 5), "{request}");
            }
        }
    }

    #[test]
    fn requests_from_before_the_probe_do_not_open_it_again() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.responded(100, now + SECOND);
        for request in 6..100 {
            assert!(!breaker.failed(request, now + SECOND * 2));
        }
    }

    #[test]
    fn a_portal_that_falls_silent_opens_it_however_well_it_answered_before() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        (1..=1000).for_each(|request| breaker.responded(request, now));
        let opened_by = (1001..).find(|request| breaker.failed(*request, now));
        assert_eq!(opened_by, Some(1016));
    }

    #[test]
    fn what_was_long_ago_does_not_count() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        (1..=4).for_each(|request| assert!(!breaker.failed(request, now)));
        let later = now + RECENT + SECOND;
        (5..=8).for_each(|request| assert!(!breaker.failed(request, later)));
        assert!(breaker.failed(9, later));
    }

    #[test]
    fn one_request_probes_after_the_pause() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = open_until(&breaker, now);
        assert_eq!(breaker.allows(until), Allows::Probe);
        breaker.sent(until);
        assert!(open_until(&breaker, until) > until);
        breaker.responded(6, until);
        assert_eq!(breaker.allows(until), Allows::All);
    }

    #[test]
    fn a_probe_that_hangs_does_not_keep_the_next_one_waiting() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let first = open_until(&breaker, now);
        breaker.sent(first);
        let second = open_until(&breaker, first);
        assert!(second - first <= SECOND.mul_f64(1.2));
        assert_eq!(breaker.allows(second), Allows::Probe);
    }

    #[test]
    fn pauses_grow_with_the_outage_up_to_a_limit() {
        let start = Instant::now();
        let mut breaker = opened(start);
        for (outage, nominal) in [(5, 1.0), (30, 2.0), (150, 10.0), (3600, 30.0)] {
            let now = start + SECOND * outage;
            breaker.sent(now);
            let pause = (open_until(&breaker, now) - now).as_secs_f64();
            assert!(
                (0.79..1.21).contains(&(pause / nominal)),
                "{outage}: {pause}"
            );
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
