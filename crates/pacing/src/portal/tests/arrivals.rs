//! How calls travel that come one after the other, by how fast they follow.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// When the next call is made.
#[derive(Clone, Copy)]
enum Caller {
    /// So long after the one before it was made.
    Every(Duration),
    /// So long after the one before it was answered.
    OneAtATime(Duration),
}

/// What became of the calls of one caller.
#[derive(Debug)]
struct Made {
    requests: usize,
    until_all_are_answered: Duration,
    median: Duration,
}

/// Makes calls at a portal that takes `request` for each request.
fn made(limit: RateLimit, caller: Caller, calls: CallNumber, request: Duration) -> Made {
    let start = Instant::now();
    let mut portal = unknown(Some(limit), start);
    portal.latency.measured(1, request);
    portal.latency.measured(50, request);
    portal.operating.completed(&tenant("acme"), METHOD, true);
    let site = Site {
        connecting: Duration::ZERO,
        request,
        command: Duration::ZERO,
    };
    made_at(portal, site, caller, calls, start)
}

/// What a portal takes: to connect, for a request, and for each of its calls.
#[derive(Clone, Copy)]
struct Site {
    connecting: Duration,
    request: Duration,
    command: Duration,
}

fn made_at(
    mut portal: Portal<()>,
    site: Site,
    caller: Caller,
    calls: CallNumber,
    start: Instant,
) -> Made {
    let (mut answers, mut in_flight) = (BTreeSet::new(), BTreeMap::new());
    let mut leaving = BTreeSet::new();
    let (mut arrived, mut times) = (Vec::new(), Vec::new());
    let (mut next, mut requests, mut now) = (Some(start), 0, start);
    while times.len() < usize::try_from(calls).unwrap() {
        while let Some((at, number)) = leaving.first().copied()
            && at <= now
        {
            leaving.pop_first();
            portal.sent(number, now);
            let calls: &Vec<CallNumber> = &in_flight[&number];
            let took = site.request + site.command * u32::try_from(calls.len()).unwrap();
            answers.insert((now + took, number, took));
        }
        while let Some((at, number, took)) = answers.first().copied()
            && at <= now
        {
            answers.pop_first();
            portal.completed(number, RequestOutcome::Responded, took, now);
            portal.release(number, Vec::new());
            for call in in_flight.remove(&number).unwrap() {
                times.push(now - arrived[usize::try_from(call).unwrap()]);
                if let Caller::OneAtATime(pause) = caller {
                    next = Some(now + pause);
                }
            }
        }
        while let Some(at) = next
            && at <= now
        {
            let number = CallNumber::try_from(arrived.len()).unwrap();
            next = match caller {
                Caller::Every(gap) => Some(at + gap).filter(|_| number + 1 < calls),
                Caller::OneAtATime(_) => None,
            };
            portal.submit(call(number, now), (), now).unwrap();
            arrived.push(now);
        }
        loop {
            match portal.next(now) {
                Next::Prepare(selection) => portal.prepared(selection),
                Next::Send(permit) => {
                    let (number, calls) = permit.into_parts();
                    requests += 1;
                    leaving.insert((now.max(start + site.connecting), number));
                    in_flight.insert(number, calls.iter().map(|call| call.info.number).collect());
                }
                Next::Reject(calls, rejected) => panic!("{} {rejected}", calls.len()),
                Next::At(_) | Next::Nothing => break,
            }
        }
        now += MS / 10;
    }
    times.sort_unstable();
    Made {
        requests,
        until_all_are_answered: now - start,
        median: times[times.len() / 2],
    }
}

#[test]
fn five_hundred_calls_of_a_slow_caller_do_not_use_up_the_bucket_of_a_fast_portal() {
    for limit in [STANDARD, ENTERPRISE] {
        for gap in [MS / 2, MS, 2 * MS] {
            for request in [MS, 6 * MS, 80 * MS] {
                let made = made(limit, Caller::Every(gap), 500, request);
                let burst = usize::try_from(limit.burst).unwrap();
                let (arriving, answered) = (gap * 500, made.until_all_are_answered);
                assert!(
                    made.requests * 10 <= burst * 6,
                    "{limit:?} {gap:?} {request:?}: {made:?}"
                );
                assert!(
                    answered <= arriving + request + 150 * MS,
                    "{limit:?} {gap:?} {request:?}: {made:?}"
                );
            }
        }
    }
}

#[test]
fn a_caller_that_makes_one_call_after_the_other_waits_for_nobody() {
    for limit in [STANDARD, ENTERPRISE] {
        for request in [MS, 6 * MS] {
            // Fewer than make requests scarce.
            let calls = CallNumber::from(limit.burst / 4);
            let made = made(limit, Caller::OneAtATime(MS / 5), calls, request);
            assert_eq!(made.requests, usize::try_from(calls).unwrap());
            assert!(
                made.median <= request + MS / 5,
                "{limit:?} {request:?}: {made:?}"
            );
        }
    }
}

#[test]
fn calls_that_are_too_few_to_use_up_the_bucket_wait_for_nobody() {
    for limit in [STANDARD, ENTERPRISE] {
        let made = made(limit, Caller::Every(20 * MS), 12, MS);
        assert_eq!(made.requests, 12, "{limit:?}");
        assert!(made.median < 2 * MS, "{limit:?}: {made:?}");
    }
}

#[test]
fn five_hundred_calls_at_once_at_an_unknown_portal_do_not_use_up_its_bucket() {
    for connecting in [1, 100, 400, 1_500] {
        // Some answer only after the others have lost patience with the first call.
        for request in [5, 50, 300, 1_000] {
            let start = Instant::now();
            let portal = unknown(Some(STANDARD), start);
            let site = Site {
                connecting: connecting * MS,
                request: request * MS,
                command: 20 * MS,
            };
            let made = made_at(portal, site, Caller::Every(MS), 500, start);
            assert!(made.requests <= 46, "{connecting} {request}: {made:?}");
        }
    }
}
