//! Portals that nobody calls.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// For how many calls, requests and outcomes a portal has memory.
fn kept<J>(portal: &Portal<J>) -> usize {
    portal.queue.capacity()
        + portal.selections.prepared.capacity()
        + portal.requests.capacity()
        + portal.breaker.outcomes()
}

/// A portal that has answered so many calls.
fn called(calls: CallNumber, now: Instant) -> Portal<()> {
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=calls, now);
    let requests = sent(&mut portal, now).0.len();
    for request in 1..=RequestNumber::try_from(requests).unwrap() {
        complete(&mut portal, request, RequestOutcome::Responded, now);
    }
    portal
}

#[test]
fn a_portal_at_rest_keeps_no_memory_for_calls() {
    let now = Instant::now();
    let mut portal = called(90, now);
    assert!(kept(&portal) > 90);
    portal.rest(now + MINUTE);
    assert_eq!(kept(&portal), 0);
    let later = now + MINUTE;
    submit(&mut portal, 101..=101, later);
    assert_eq!(sent(&mut portal, later).0, [1]);
}

#[test]
fn a_portal_that_was_called_just_now_keeps_it() {
    let now = Instant::now();
    let mut portal = called(90, now);
    let before = kept(&portal);
    portal.rest(now + MINUTE / 6);
    assert_eq!(kept(&portal), before);
}

#[test]
fn calls_that_wait_and_requests_that_were_sent_lose_nothing() {
    let now = Instant::now();
    let mut portal = called(2, now);
    submit(&mut portal, 11..=11, now);
    assert_eq!(sent(&mut portal, now).0, [1]);
    let follower = SchedulingInfo {
        conversations: call(11, now).conversations,
        ..call(12, now)
    };
    portal.submit(follower, (), now).unwrap();
    let later = now + MINUTE;
    portal.rest(later);
    assert_eq!(sent(&mut portal, now).0, Vec::<usize>::new());
    complete(&mut portal, 3, RequestOutcome::Responded, now);
    assert_eq!(sent(&mut portal, now).0, [1]);
    // The last one waits for nothing but its response.
    portal.rest(later);
    assert!(!portal.is_idle(later));
    assert!(portal.cancel(12).is_none());
}

#[test]
fn a_portal_at_rest_remembers_what_its_limits_are_used_for() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=20, now);
    let (mut sizes, then) = sent(&mut portal, now);
    sizes.extend(sent(&mut portal, then.unwrap()).0);
    for request in 1..=20 {
        complete(&mut portal, request, RequestOutcome::Responded, now);
    }
    let time = OperatingTime {
        used: 479.0,
        resets_in: Some(5 * MINUTE),
        cost: 0.5,
    };
    portal.note_operating_time(&tenant("acme"), METHOD, SentAs::Single, time, now);
    portal.set_plan(&tenant("acme"), Some(STANDARD), now);
    let later = now + MINUTE;
    portal.rest(later);
    assert_eq!(kept(&portal), 0);
    let rejected = rejection(&mut portal, call(30, later), later);
    assert!(
        matches!(rejected, Rejection::OperatingLimit { .. }),
        "{rejected}"
    );
    assert!(portal.counts_plan_of(&tenant("acme")));
    assert_eq!(portal.budget.limit(), Some(STANDARD));
    assert!(!portal.is_idle(later), "it is forgotten later");
    assert!(portal.is_idle(now + 11 * MINUTE));
}

#[test]
fn an_open_breaker_stays_open_at_rest() {
    let now = Instant::now();
    let mut portal = dead(now);
    let later = now + 11 * MINUTE;
    portal.rest(later);
    assert_eq!(kept(&portal), 0);
    assert!(portal.is_breaker_open() && !portal.is_idle(later));
    submit(&mut portal, 6..=6, later);
    assert_eq!(sent(&mut portal, later).0, [1], "the probe");
    rejection(&mut portal, call(7, later), later);
}
