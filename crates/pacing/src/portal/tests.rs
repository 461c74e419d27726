//! What is sent when, without a portal.

mod arrivals;
mod batches;
mod conversations;
mod forecast;
mod held;
mod operating;
mod rejected;
mod replicas;
mod rest;
mod selections;
mod simulation;
mod slow;

use std::time::{Duration, Instant};

use super::*;
use crate::samples::{ENTERPRISE, LIMITS, METHOD, OTHER_METHOD, STANDARD};
use crate::{
    CallNumber, Conversation, Limits, OperatingTime, Priority, RateLimit, Rejection, RequestNumber,
    SchedulingInfo, SentAs, TenantKey,
};

const MS: Duration = Duration::from_millis(1);

fn tenant(name: &str) -> TenantKey {
    name.into()
}

/// A portal of which nothing is known.
fn unknown(limit: Option<RateLimit>, now: Instant) -> Portal<()> {
    Portal::new(LIMITS, limit, None, now)
}

/// A portal that has answered a call of each method, after 80 ms.
fn portal(limit: Option<RateLimit>, now: Instant) -> Portal<()> {
    let mut portal = unknown(limit, now);
    portal.latency.measured(1, 80 * MS);
    for tenant in ["acme", "other"].map(tenant) {
        portal.operating.completed(&tenant, METHOD, true);
        portal.operating.completed(&tenant, OTHER_METHOD, true);
    }
    portal
}

/// A call of a conversation of its own that may travel in a batch.
fn call(number: CallNumber, now: Instant) -> SchedulingInfo {
    SchedulingInfo {
        number,
        tenant: tenant("acme"),
        method: METHOD,
        conversations: vec![Conversation::of(&number)].into(),
        priority: Priority::Interactive,
        deadline: now + Duration::from_secs(30),
        arrived: now,
        not_before: None,
        command_bytes: Some(200),
        is_recorded: false,
    }
}

fn submit(portal: &mut Portal<()>, numbers: std::ops::RangeInclusive<CallNumber>, now: Instant) {
    for number in numbers {
        portal.submit(call(number, now), (), now).unwrap();
    }
}

/// Everything that is sent at this moment, as the sizes of requests, and when to ask again.
fn sent(portal: &mut Portal<()>, now: Instant) -> (Vec<usize>, Option<Instant>) {
    let mut sizes = Vec::new();
    loop {
        match portal.next(now) {
            Next::Prepare(selection) => portal.prepared(selection),
            Next::Send(permit) => {
                let (request, calls) = permit.into_parts();
                sizes.push(calls.len());
                portal.sent(request, now);
            }
            Next::At(moment) => return (sizes, Some(moment)),
            Next::Nothing => return (sizes, None),
            Next::Reject(calls, rejected) => panic!("{} {rejected}", calls.len()),
        }
    }
}

/// Ends a request: the first that was sent is number 1.
fn complete(
    portal: &mut Portal<()>,
    request: RequestNumber,
    outcome: RequestOutcome,
    now: Instant,
) {
    portal.completed(request, outcome, 70 * MS, now);
    portal.release(request, Vec::new());
}

/// A portal whose circuit breaker is open, after five calls.
fn dead(now: Instant) -> Portal<()> {
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=5, now);
    sent(&mut portal, now);
    for request in 1..=5 {
        complete(&mut portal, request, RequestOutcome::Lost, now);
    }
    portal
}

fn rejection(portal: &mut Portal<()>, info: SchedulingInfo, now: Instant) -> Rejection {
    portal.submit(info, (), now).unwrap_err().0
}

#[test]
fn the_first_call_on_a_quiet_portal_waits_for_nothing() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    assert_eq!(sent(&mut portal, now), (vec![1], None));
}

#[test]
fn a_few_calls_at_once_go_singly_side_by_side_after_a_few_milliseconds() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=20, now);
    let (first, then) = sent(&mut portal, now);
    assert_eq!(first, [1]);
    let then = then.unwrap();
    assert!(then <= now + 10 * MS);
    assert_eq!(sent(&mut portal, then), (vec![1; 19], None));
}

#[test]
fn a_call_that_cannot_be_sent_in_time_is_rejected_at_once() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let mut number = 0;
    let rejected = loop {
        number += 1;
        let info = SchedulingInfo {
            deadline: now + Duration::from_secs(5),
            ..call(number, now)
        };
        if let Err((rejected, ())) = portal.submit(info, (), now) {
            break rejected;
        }
    };
    // 49 batches of 50 at once, and two for each of five seconds.
    assert!((2850..=3000).contains(&number), "{number}");
    let Rejection::WaitTooLong {
        expected,
        retry_after,
    } = rejected
    else {
        panic!("{rejected:?}");
    };
    assert!(expected > Duration::from_secs(5));
    assert!(retry_after >= Duration::from_secs(1));
}

#[test]
fn a_full_queue_refuses() {
    let now = Instant::now();
    let limits = Limits {
        waiting_calls: 3,
        ..LIMITS
    };
    let mut portal = Portal::new(limits, Some(STANDARD), None, now);
    submit(&mut portal, 1..=3, now);
    let rejected = rejection(&mut portal, call(4, now), now);
    assert!(
        matches!(rejected, Rejection::QueueFull { .. }),
        "{rejected}"
    );
}

#[test]
fn a_dead_portal_refuses_everybody_until_a_probe_is_answered() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=5, now);
    assert_eq!(sent(&mut portal, now).0, [1; 5]);
    for request in 1..=5 {
        complete(&mut portal, request, RequestOutcome::Lost, now);
        assert_eq!(portal.is_breaker_open(), request == 5);
    }
    let Rejection::BreakerOpen { retry_after } = rejection(&mut portal, call(6, now), now) else {
        panic!("open");
    };
    let then = now + retry_after;
    submit(&mut portal, 7..=7, then);
    assert_eq!(sent(&mut portal, then).0, [1], "the probe");
    rejection(&mut portal, call(8, then), then);
    complete(&mut portal, 6, RequestOutcome::Responded, then);
    submit(&mut portal, 9..=10, then);
    assert_eq!(sent(&mut portal, then).0, [1, 1]);
}

#[test]
fn those_that_wait_when_the_portal_is_found_dead_are_rejected() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=120, now);
    assert_eq!(sent(&mut portal, now).0.len(), 100);
    for request in 1..=5 {
        complete(&mut portal, request, RequestOutcome::Lost, now);
    }
    let Next::Reject(calls, Rejection::BreakerOpen { .. }) = portal.next(now) else {
        panic!("rejected");
    };
    assert_eq!(calls.len(), 20);
}

#[test]
fn the_portals_refusal_closes_the_bucket_for_a_while() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    sent(&mut portal, now);
    portal.completed(1, RequestOutcome::RateLimited, 70 * MS, now);
    portal.release(1, vec![(call(1, now), ())]);
    let (sizes, then) = sent(&mut portal, now);
    assert_eq!((sizes, then), (vec![], Some(now + 500 * MS)));
    // What the portal has counted has to drain first: 50 are in it, and 0.2 are kept free.
    let (sizes, then) = sent(&mut portal, now + 500 * MS);
    assert_eq!(sizes, Vec::<usize>::new());
    assert_eq!(sent(&mut portal, then.unwrap()).0, [1]);
}

#[test]
fn the_smallest_plan_of_a_portals_tenants_counts() {
    let now = Instant::now();
    let mut portal = portal(Some(ENTERPRISE), now);
    portal.set_plan(&tenant("a"), Some(ENTERPRISE), now);
    portal.set_plan(&tenant("b"), Some(STANDARD), now);
    portal.set_plan(&tenant("c"), None, now);
    assert_eq!(portal.budget.limit(), Some(STANDARD));
}

#[test]
fn a_used_up_operating_budget_refuses_the_method_of_that_tenant_only() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let time = OperatingTime {
        used: 479.0,
        resets_in: Some(Duration::from_secs(90)),
        cost: 0.5,
    };
    let acme = tenant("acme");
    let left = portal.note_operating_time(&acme, METHOD, SentAs::Single, time, now);
    assert_eq!(left, Some(Duration::from_secs(1)));
    let rejected = rejection(&mut portal, call(1, now), now);
    let retry_after = Duration::from_secs(90);
    assert_eq!(rejected, Rejection::OperatingLimit { retry_after });
    let other_method = SchedulingInfo {
        method: OTHER_METHOD,
        ..call(2, now)
    };
    let other_tenant = SchedulingInfo {
        tenant: tenant("other"),
        ..call(3, now)
    };
    assert!(portal.submit(other_method, (), now).is_ok());
    assert!(portal.submit(other_tenant, (), now).is_ok());
}

#[test]
fn a_forgotten_plan_limits_the_portal_no_more_and_the_last_one_stays() {
    let now = Instant::now();
    let mut portal: Portal<u32> = Portal::new(LIMITS, Some(ENTERPRISE), None, now);
    let [wide, narrow] = ["wide", "narrow"].map(TenantKey::from);
    portal.set_plan(&wide, Some(ENTERPRISE), now);
    portal.set_plan(&narrow, Some(STANDARD), now);
    assert_eq!(portal.budget.limit(), Some(STANDARD));
    portal.forget_plan(&narrow, now);
    assert_eq!(portal.budget.limit(), Some(ENTERPRISE));
    assert!(portal.counts_plan_of(&wide) && !portal.counts_plan_of(&narrow));
    portal.forget_plan(&wide, now);
    assert_eq!(portal.budget.limit(), Some(ENTERPRISE));
}
