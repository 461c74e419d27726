//! Portals that reject requests over their rate limit.

use super::*;

/// Sends one request, which the portal rejects. Returns when its call may go again.
fn rejected(portal: &mut Portal<()>, request: RequestNumber, now: Instant) -> Option<Instant> {
    let deadline = now + Duration::from_secs(55);
    portal.completed(request, RequestOutcome::RateLimited, 70 * MS, now);
    let again = portal.rejected_retry(deadline, now);
    portal.release(request, vec![(call(request.into(), now), ())]);
    again
}

/// When the next request can be sent; it is.
fn next_sent(portal: &mut Portal<()>, now: Instant) -> Instant {
    let mut now = now;
    loop {
        match sent(portal, now) {
            (sizes, _) if !sizes.is_empty() => return now,
            (_, then) => now = then.unwrap(),
        }
    }
}

#[test]
fn the_portals_word_wins_over_a_plan_without_limit() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=1, now);
    sent(&mut portal, now);
    assert_eq!(rejected(&mut portal, 1, now), Some(now + 500 * MS));
    assert_eq!(portal.budget.limit(), Some(STANDARD));
    portal.cancel(1);
    let later = now + Duration::from_secs(601);
    submit(&mut portal, 2..=80, later);
    assert_eq!(sent(&mut portal, later).0, [1; 79], "believed again");
}

#[test]
fn a_call_is_sent_again_until_its_deadline_as_long_as_the_budget_lasts() {
    let mut now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    let mut retries = 0;
    for request in 1..=20 {
        now = next_sent(&mut portal, now);
        if rejected(&mut portal, request, now).is_none() {
            break;
        }
        retries += 1;
    }
    assert_eq!(retries, 10);
}

#[test]
fn requests_that_are_rejected_side_by_side_use_the_budget_once() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=20, now);
    sent(&mut portal, now + 20 * MS);
    for request in 1..=20 {
        assert!(rejected(&mut portal, request, now + 20 * MS).is_some());
    }
}

#[test]
fn a_call_whose_deadline_is_before_the_end_of_the_backoff_is_not_sent_again() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    sent(&mut portal, now);
    rejected(&mut portal, 1, now);
    assert_eq!(portal.rejected_retry(now + 400 * MS, now), None);
}

#[test]
fn nothing_is_sent_while_the_portal_asks_for_a_pause() {
    for limit in [Some(STANDARD), None] {
        let now = Instant::now();
        let mut portal = portal(limit, now);
        submit(&mut portal, 1..=3, now);
        sent(&mut portal, now);
        portal.completed(1, RequestOutcome::Lost, 70 * MS, now);
        portal.pause(Duration::from_secs(10), now);
        portal.completed(2, RequestOutcome::Responded, 70 * MS, now);
        assert_eq!(portal.backoff(now), Duration::from_secs(10), "{limit:?}");
        submit(&mut portal, 4..=4, now);
        let end = now + Duration::from_secs(10);
        assert_eq!(next_sent(&mut portal, now), end, "{limit:?}");
    }
}
