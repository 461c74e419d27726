//! Portals that are slow, silent, or lose answers.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A call with this many seconds.
fn hurried(number: CallNumber, seconds: u32, now: Instant) -> SchedulingInfo {
    SchedulingInfo {
        deadline: now + SECOND * seconds,
        ..call(number, now)
    }
}

/// Sends calls singly, each answered at once.
fn answered_singly(portal: &mut Portal<()>, numbers: std::ops::RangeInclusive<u64>, now: Instant) {
    for number in numbers {
        submit(portal, number.into()..=number.into(), now);
        assert_eq!(sent(portal, now).0, [1]);
        complete(portal, number, RequestOutcome::Responded, now);
    }
}

#[test]
fn on_an_unknown_portal_one_call_goes_ahead_and_the_others_wait_a_moment_for_its_answer() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    submit(&mut portal, 1..=120, now);
    let (first, then) = sent(&mut portal, now);
    assert_eq!((first, then), (vec![1], Some(now + 250 * MS)));
    let then = now + 210 * MS;
    portal.completed(1, RequestOutcome::Responded, 210 * MS, then);
    portal.release(1, Vec::new());
    let sizes = sent(&mut portal, then).0;
    assert_eq!(sizes[0], 50, "30 s are enough: {sizes:?}");
}

#[test]
fn a_guess_risks_no_deadlines() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    for number in 1..=120 {
        portal.submit(hurried(number, 6, now), (), now).unwrap();
    }
    assert_eq!(sent(&mut portal, now).0, [1]);
    // 50 ms and 160 ms for each command: a batch of 50 would take 8 s.
    let then = now + 210 * MS;
    portal.completed(1, RequestOutcome::Responded, 210 * MS, then);
    portal.release(1, Vec::new());
    let (sizes, _) = sent(&mut portal, then);
    let slowest = sizes.iter().max().map(|size| u32::try_from(*size).unwrap());
    assert!(
        50 * MS + 160 * MS * slowest.unwrap() < 5 * SECOND,
        "{sizes:?}"
    );
    assert_eq!(sizes.iter().sum::<usize>(), 119);
}

#[test]
fn if_the_first_answer_does_not_come_soon_others_go_singly_and_a_few_at_a_time() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    submit(&mut portal, 1..=120, now);
    sent(&mut portal, now);
    let (sizes, _) = sent(&mut portal, now + 250 * MS);
    // The others would take a request for five calls, and wait for the first response.
    assert_eq!(sizes, [5; 9]);
}

#[test]
fn a_call_whose_answer_would_come_too_late_is_not_sent() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    portal.limits.batch_calls = 1;
    submit(&mut portal, 1..=50, now);
    let mut arrived = now;
    while let (_, Some(then)) = sent(&mut portal, arrived) {
        arrived = then;
    }
    // The next request may go in half a second.
    let info = SchedulingInfo {
        deadline: arrived + 600 * MS,
        ..call(60, arrived)
    };
    let mut rejected = portal.submit(info, (), arrived).err().map(|(why, ())| why);
    let mut now = arrived;
    while rejected.is_none() {
        match portal.next(now) {
            Next::Prepare(selection) => portal.prepared(selection),
            Next::At(moment) => now = moment,
            Next::Reject(_, why) => rejected = Some(why),
            other @ (Next::Send(_) | Next::Nothing) => panic!("{other:?} at {:?}", now - arrived),
        }
    }
    assert!(
        matches!(rejected, Some(Rejection::WaitTooLong { .. })),
        "{rejected:?}"
    );
}

#[test]
fn a_caller_that_gives_less_time_than_the_portal_takes_gets_its_chance() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let info = SchedulingInfo {
        deadline: now + 50 * MS,
        ..call(1, now)
    };
    portal.submit(info, (), now).unwrap();
    assert_eq!(sent(&mut portal, now).0, [1]);
}

#[test]
fn a_permit_says_until_when_its_request_may_leave() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let within = portal.latency.within(1);
    portal.submit(hurried(1, 2, now), (), now).unwrap();
    let Next::Prepare(selection) = portal.next(now) else {
        panic!("selected");
    };
    portal.prepared(selection);
    let Next::Send(permit) = portal.next(now) else {
        panic!("permitted");
    };
    assert_eq!(permit.send_by(), now + 2 * SECOND - within);
}

#[test]
fn callers_that_give_up_on_a_slow_portal_are_no_failure_of_it() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    portal.latency.measured(1, 3 * SECOND);
    for number in 1..=20 {
        portal.submit(hurried(number, 2, now), (), now).unwrap();
        sent(&mut portal, now + 20 * MS);
    }
    // It takes 6 s, four times as long as measured.
    let then = now + 6 * SECOND;
    sent(&mut portal, then);
    assert!(!portal.is_breaker_open());
    for request in 1..=20 {
        complete(&mut portal, request, RequestOutcome::Responded, then);
    }
    assert!(!portal.is_breaker_open());
}

#[test]
fn silent_requests_are_failures_once_each_however_they_end() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    answered_singly(&mut portal, 1..=1, now);
    submit(&mut portal, 2..=5, now);
    assert_eq!(sent(&mut portal, now).0, [1; 4]);
    let silent = now + 5 * SECOND;
    sent(&mut portal, silent);
    for request in 2..=5 {
        complete(&mut portal, request, RequestOutcome::Lost, silent);
    }
    assert!(!portal.is_breaker_open(), "four of five");
    submit(&mut portal, 6..=6, silent);
    sent(&mut portal, silent);
    sent(&mut portal, silent + 5 * SECOND);
    assert!(portal.is_breaker_open(), "five of six");
}

#[test]
fn a_portal_that_loses_every_fifth_answer_is_used_on() {
    let (now, mut rejected) = (Instant::now(), 0);
    let mut portal = portal(None, now);
    for number in 1..=500_u64 {
        rejected += usize::from(portal.submit(call(number.into(), now), (), now).is_err());
        sent(&mut portal, now);
        let outcome = match number % 5 {
            0 => RequestOutcome::Lost,
            _ => RequestOutcome::Responded,
        };
        complete(&mut portal, number, outcome, now);
    }
    assert_eq!(rejected, 0);
}

#[test]
fn the_places_of_overdue_requests_are_lent_out() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=150, now);
    assert_eq!(sent(&mut portal, now).0.len(), 100);
    let overdue = now + SECOND;
    assert_eq!(sent(&mut portal, overdue).0.len(), 50);
    submit(&mut portal, 151..=300, overdue);
    assert_eq!(
        sent(&mut portal, overdue).0.len(),
        50,
        "twice the places at most"
    );
}

#[test]
fn a_portal_that_hung_for_half_a_minute_is_found_well_within_three_seconds() {
    let start = Instant::now();
    let mut portal = portal(None, start);
    let (mut now, mut number) = (start, 0);
    let well = start + 30 * SECOND;
    let found = loop {
        now += 50 * MS;
        number += 1;
        // Rejected calls are told so at once.
        let _ = portal.submit(hurried(number, 5, now), (), now);
        let mut permits = Vec::new();
        loop {
            match portal.next(now) {
                Next::Prepare(selection) => portal.prepared(selection),
                Next::Send(permit) => permits.push(permit.into_parts().0),
                Next::Reject(..) => {}
                Next::At(_) | Next::Nothing => break,
            }
        }
        permits
            .iter()
            .for_each(|request| portal.sent(*request, now));
        if now >= well
            && let Some(request) = permits.first()
        {
            complete(&mut portal, *request, RequestOutcome::Responded, now);
            break now;
        }
    };
    assert!(found - well <= 3 * SECOND, "{:?}", found - well);
    assert!(!portal.is_breaker_open());
}
