//! Conversations whose request goes without an answer.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A call to the chat of the first call.
fn to_same_chat(number: CallNumber, seconds: u32, now: Instant) -> SchedulingInfo {
    SchedulingInfo {
        conversations: vec![Conversation::of(&CallNumber::from(1_u8))].into(),
        deadline: now + SECOND * seconds,
        ..call(number, now)
    }
}

/// A portal whose first request, to the chat of call 1, goes without an answer.
fn silent(now: Instant) -> Portal<()> {
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    assert_eq!(sent(&mut portal, now).0, [1]);
    portal
}

#[test]
fn a_call_with_less_time_than_the_silence_has_lasted_is_refused_at_once() {
    let start = Instant::now();
    let mut portal = silent(start);
    let now = start + 2 * SECOND;
    sent(&mut portal, now);
    let rejected = rejection(&mut portal, to_same_chat(2, 2, now), now);
    let retry_after = 59 * SECOND;
    assert_eq!(rejected, Rejection::ConversationHeld { retry_after });
}

#[test]
fn other_conversations_are_not_touched() {
    let start = Instant::now();
    let mut portal = silent(start);
    let now = start + 2 * SECOND;
    submit(&mut portal, 2..=3, now);
    let (mut sizes, then) = sent(&mut portal, now);
    sizes.extend(sent(&mut portal, then.unwrap()).0);
    assert_eq!(sizes, [1, 1]);
}

#[test]
fn a_call_with_more_time_waits_until_half_of_it_is_over() {
    let start = Instant::now();
    let mut portal = silent(start);
    portal
        .submit(to_same_chat(2, 10, start), (), start)
        .unwrap();
    let overdue = portal.next_check().unwrap();
    assert_eq!(overdue, start + SECOND);
    assert_eq!(sent(&mut portal, overdue).0, Vec::<usize>::new());
    let half = portal.next_check().unwrap();
    assert_eq!(half, start + 5 * SECOND);
    let Next::Reject(calls, Rejection::ConversationHeld { .. }) = portal.next(half) else {
        panic!("refused");
    };
    assert_eq!(calls[0].info.number, 2);
}

#[test]
fn an_answer_that_comes_after_all_lets_the_waiting_calls_go() {
    let start = Instant::now();
    let mut portal = silent(start);
    portal
        .submit(to_same_chat(2, 10, start), (), start)
        .unwrap();
    let now = start + 4 * SECOND;
    sent(&mut portal, now);
    complete(&mut portal, 1, RequestOutcome::Responded, now);
    assert_eq!(sent(&mut portal, now).0, [1]);
}

#[test]
fn a_call_that_outlasts_the_hold_waits_for_its_end() {
    let start = Instant::now();
    let mut portal = silent(start);
    portal
        .submit(to_same_chat(2, 90, start), (), start)
        .unwrap();
    for second in 1..61 {
        let now = start + SECOND * second;
        assert_eq!(sent(&mut portal, now).0, Vec::<usize>::new());
    }
    let now = start + 61 * SECOND;
    complete(&mut portal, 1, RequestOutcome::Lost, now);
    assert_eq!(sent(&mut portal, now).0, [1]);
}

#[test]
fn each_overdue_request_is_told_of_once() {
    let start = Instant::now();
    let mut portal = silent(start);
    let now = start + 3 * SECOND;
    sent(&mut portal, now);
    let told = [LateRequest {
        conversations: 1,
        held_for: 61 * SECOND,
    }];
    assert_eq!(portal.take_late(), told);
    sent(&mut portal, now + SECOND);
    assert_eq!(portal.take_late(), []);
}
