//! Calls that are prepared before they have a permit.

use super::*;
use crate::Selection;

/// A call whose start is recorded.
fn recorded(number: CallNumber, now: Instant) -> SchedulingInfo {
    SchedulingInfo {
        is_recorded: true,
        ..call(number, now)
    }
}

fn selected(portal: &mut Portal<()>, now: Instant) -> Selection<()> {
    match portal.next(now) {
        Next::Prepare(selection) => selection,
        other @ (Next::Send(_) | Next::Reject(..) | Next::At(_) | Next::Nothing) => {
            panic!("{other:?}")
        }
    }
}

fn permitted(portal: &mut Portal<()>, now: Instant) -> Vec<CallNumber> {
    match portal.next(now) {
        Next::Send(permit) => {
            let (request, calls) = permit.into_parts();
            portal.sent(request, now);
            calls.iter().map(|call| call.info.number).collect()
        }
        other @ (Next::Prepare(_) | Next::Reject(..) | Next::At(_) | Next::Nothing) => {
            panic!("{other:?}")
        }
    }
}

fn nothing(portal: &mut Portal<()>, now: Instant) {
    let next = portal.next(now);
    assert!(matches!(next, Next::Nothing), "{next:?}");
}

/// As many recorded calls as get selected, each being prepared.
fn stalled(portal: &mut Portal<()>, now: Instant) -> Vec<Selection<()>> {
    let limits = portal.limits;
    // Each by itself, so that they take as many permits as they may.
    portal.limits = Limits {
        batch_calls: 1,
        ..limits
    };
    for number in 1_001..=1_100 {
        portal.submit(recorded(number, now), (), now).unwrap();
    }
    let mut stalled = Vec::new();
    loop {
        match portal.next(now + 100 * MS) {
            Next::Prepare(selection) => stalled.push(selection),
            Next::At(_) | Next::Nothing => break,
            other @ (Next::Send(_) | Next::Reject(..)) => panic!("{other:?}"),
        }
    }
    portal.limits = limits;
    stalled
}

#[test]
fn a_call_gets_its_permit_only_when_it_is_prepared() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    let selection = selected(&mut portal, now);
    let later = now + Duration::from_secs(60);
    nothing(&mut portal, later);
    assert!(portal.budget.room(later) > 49.0, "no permit is taken");
    portal.prepared(selection);
    assert_eq!(permitted(&mut portal, later), [1]);
}

#[test]
fn calls_that_are_being_recorded_keep_no_permit_and_no_request_from_others() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let stalled = stalled(&mut portal, now);
    assert_eq!(stalled.len(), 49);
    let mut requests = 0;
    for second in 1..=120 {
        let now = now + Duration::from_secs(second);
        submit(
            &mut portal,
            CallNumber::from(second)..=CallNumber::from(second),
            now,
        );
        let sizes = sent(&mut portal, now).0;
        for _ in sizes {
            requests += 1;
            complete(&mut portal, requests, RequestOutcome::Responded, now);
        }
    }
    assert_eq!(requests, 120);
}

#[test]
fn when_they_are_recorded_they_are_sent_in_turn() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let stalled = stalled(&mut portal, now);
    let now = now + 200 * MS;
    for selection in stalled {
        portal.prepared(selection);
    }
    assert_eq!(sent(&mut portal, now).0, vec![1; 49]);
}

#[test]
fn a_recorded_call_and_another_never_share_a_request() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    for number in 1..=400 {
        let info = SchedulingInfo {
            is_recorded: number % 2 == 0,
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    let (mut kinds, mut now) = (Vec::new(), now);
    while !portal.queue.is_empty() {
        now += MS;
        if let Next::Prepare(selection) = portal.next(now) {
            let recorded = selection.infos().filter(|info| info.is_recorded).count();
            let all = selection.infos().count();
            assert!(recorded == 0 || recorded == all, "{recorded} of {all}");
            assert_eq!(selection.is_recorded(), recorded > 0);
            kinds.push(selection.is_recorded());
            portal.prepared(selection);
        }
    }
    assert!(kinds.contains(&true) && kinds.contains(&false), "{kinds:?}");
}

#[test]
fn a_selection_that_comes_back_empty_leaves_no_trace() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let one_chat = |number| SchedulingInfo {
        conversations: vec![Conversation::of(&"chat")].into(),
        ..recorded(number, now)
    };
    portal.submit(one_chat(1), (), now).unwrap();
    let mut selection = selected(&mut portal, now);
    portal.submit(one_chat(2), (), now).unwrap();
    nothing(&mut portal, now);
    assert_eq!(selection.take_out(|_| true).len(), 1);
    portal.prepared(selection);
    let selection = selected(&mut portal, now + 100 * MS);
    portal.prepared(selection);
    assert_eq!(permitted(&mut portal, now + 100 * MS), [2]);
}

#[test]
fn prepared_calls_are_rejected_when_the_breaker_opens() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=5, now);
    sent(&mut portal, now);
    submit(&mut portal, 6..=6, now);
    let selection = selected(&mut portal, now);
    for request in 1..=5 {
        complete(&mut portal, request, RequestOutcome::Lost, now);
    }
    portal.prepared(selection);
    let Next::Reject(calls, Rejection::BreakerOpen { .. }) = portal.next(now) else {
        panic!("rejected");
    };
    assert_eq!(calls.len(), 1);
    nothing(&mut portal, now);
}

#[test]
fn only_the_probe_is_prepared_while_the_breaker_waits_for_one() {
    let now = Instant::now();
    let mut portal = dead(now);
    let Rejection::BreakerOpen { retry_after } = rejection(&mut portal, call(6, now), now) else {
        panic!("open");
    };
    let then = now + retry_after;
    submit(&mut portal, 7..=8, then);
    let probe = selected(&mut portal, then);
    nothing(&mut portal, then);
    portal.prepared(probe);
    assert_eq!(permitted(&mut portal, then), [7]);
    let next = portal.next(then);
    assert!(matches!(next, Next::At(_)), "the next probe: {next:?}");
}
