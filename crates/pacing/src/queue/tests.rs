//! Whose turn it is.

use std::time::Duration;

use super::*;
use crate::samples::METHOD;

fn tenant(name: &str) -> TenantKey {
    name.into()
}

fn call(number: CallNumber, name: &str, conversation: u32) -> SchedulingInfo {
    let now = Instant::now();
    SchedulingInfo {
        number,
        tenant: tenant(name),
        method: METHOD,
        conversations: vec![Conversation::of(&conversation)].into(),
        priority: Priority::Interactive,
        deadline: now + Duration::from_secs(30),
        arrived: now,
        not_before: None,
        command_bytes: Some(100),
        is_recorded: false,
    }
}

fn small(number: CallNumber) -> u32 {
    u32::try_from(number).unwrap()
}

fn at(number: CallNumber) -> usize {
    usize::try_from(number).unwrap()
}

fn bulk(number: CallNumber, name: &str, conversation: u32) -> SchedulingInfo {
    SchedulingInfo {
        priority: Priority::Bulk,
        ..call(number, name, conversation)
    }
}

fn queue(calls: impl IntoIterator<Item = SchedulingInfo>) -> Queue<()> {
    let mut queue = Queue::new();
    for info in calls {
        queue.push(info, ());
    }
    queue
}

/// Takes calls one by one, each completing before the next.
fn order(queue: &mut Queue<()>) -> Vec<CallNumber> {
    let mut order = Vec::new();
    while let Some(first) = queue.first() {
        let taken = queue.take(first).unwrap();
        queue.end_turn(&taken.info.tenant);
        queue.complete(&taken.info.conversations);
        order.push(first);
    }
    assert!(queue.is_empty(), "{:?}", queue.numbers());
    order
}

fn all(_terms: &SchedulingInfo) -> Fits {
    Fits::Yes
}

fn numbers(taken: &[Waiting<()>]) -> Vec<CallNumber> {
    taken.iter().map(|waiting| waiting.info.number).collect()
}

#[test]
fn calls_of_one_conversation_go_in_the_order_of_their_arrival() {
    // The second overtook the first on its way to us.
    let mut queue = queue([call(2, "a", 1), call(1, "a", 1), call(3, "a", 1)]);
    assert_eq!(order(&mut queue), [1, 2, 3]);
    assert!(queue.lines.is_empty(), "nothing is remembered of it");
}

#[test]
fn a_conversation_in_flight_blocks_its_next_call_and_no_other() {
    let mut queue = queue([call(1, "a", 1), call(2, "a", 1), call(3, "a", 2)]);
    let first = queue.first().unwrap();
    let taken = queue.take(first).unwrap();
    assert_eq!(queue.first(), Some(3));
    queue.take(3).unwrap();
    assert_eq!(queue.first(), None);
    queue.complete(&taken.info.conversations);
    assert_eq!(queue.first(), Some(2));
}

#[test]
fn a_call_of_several_conversations_waits_for_all_of_them() {
    let both = SchedulingInfo {
        conversations: vec![Conversation::of(&1_u32), Conversation::of(&2_u32)].into(),
        ..call(3, "a", 1)
    };
    let mut queue = queue([call(1, "a", 1), call(2, "a", 2), both, call(4, "a", 2)]);
    let one = queue.take(1).unwrap();
    let two = queue.take(2).unwrap();
    queue.complete(&one.info.conversations);
    assert_eq!(queue.first(), None);
    queue.complete(&two.info.conversations);
    assert_eq!(queue.first(), Some(3));
    assert_eq!(order(&mut queue), [3, 4]);
}

#[test]
fn tenants_and_conversations_are_served_round_robin() {
    let mut calls: Vec<SchedulingInfo> = (1..=4).map(|number| call(number, "a", 1)).collect();
    calls.extend([call(5, "a", 2), call(6, "b", 3), call(7, "b", 4)]);
    assert_eq!(order(&mut queue(calls)), [1, 6, 5, 7, 2, 3, 4]);
}

#[test]
fn interactive_calls_go_first_and_bulk_gets_every_tenth_turn() {
    let mut calls: Vec<SchedulingInfo> = (1..=5).map(|n| bulk(n, "a", 100 + small(n))).collect();
    calls.extend((11..=35).map(|n| call(n, "a", small(n))));
    let order = order(&mut queue(calls));
    let turns: Vec<usize> = (0..order.len()).filter(|at| order[*at] <= 5).collect();
    assert_eq!(turns, [9, 19, 27, 28, 29]);
}

#[test]
fn a_bulk_call_before_an_interactive_one_of_its_conversation_becomes_interactive() {
    let mut queue = queue([bulk(1, "a", 1), bulk(2, "a", 2), call(3, "a", 1)]);
    assert_eq!(order(&mut queue), [1, 3, 2]);
}

#[test]
fn a_call_that_becomes_interactive_leaves_as_the_bulk_call_that_came() {
    let mut queue = queue([bulk(1, "a", 1), call(2, "a", 1)]);
    let promoted = queue.first().unwrap();
    let taken = queue.take(promoted).unwrap();
    assert_eq!((promoted, taken.info.priority), (1, Priority::Bulk));
}

#[test]
fn a_batch_takes_a_conversation_in_its_order_and_leaves_other_tenants_out() {
    let mut queue = queue([
        call(1, "a", 1),
        call(2, "a", 1),
        call(3, "b", 2),
        call(4, "a", 3),
        call(5, "b", 1),
        call(6, "a", 1),
    ]);
    let taken = queue.take_batch(&tenant("a"), 50, false, all);
    assert_eq!(
        numbers(&taken),
        [1, 2, 4],
        "6 comes behind the other tenant's 5"
    );
    queue.complete(&[Conversation::of(&1_u32), Conversation::of(&3_u32)]);
    assert_eq!(order(&mut queue), [3, 5, 6]);
}

#[test]
fn what_does_not_fit_stays_with_all_that_come_behind_it() {
    let mut queue = queue([
        call(1, "a", 1),
        call(2, "a", 1),
        call(3, "a", 1),
        call(4, "a", 2),
    ]);
    let taken = queue.take_batch(&tenant("a"), 50, false, |info| {
        if info.number == 2 {
            Fits::NotThis
        } else {
            Fits::Yes
        }
    });
    assert_eq!(numbers(&taken), [1, 4]);
    queue.complete(&[Conversation::of(&1_u32), Conversation::of(&2_u32)]);
    assert_eq!(order(&mut queue), [2, 3]);
}

#[test]
fn a_full_batch_leaves_the_rest_in_its_order() {
    let mut queue = queue((1..=6).map(|number| call(number, "a", small(number))));
    let mut room = 4;
    let taken = queue.take_batch(&tenant("a"), 50, false, |_| {
        room -= 1;
        if room >= 0 { Fits::Yes } else { Fits::Full }
    });
    assert_eq!(numbers(&taken), [1, 2, 3, 4]);
    assert_eq!(order(&mut queue), [5, 6]);
}

#[test]
fn bulk_gets_its_share_of_a_batch() {
    let mut calls: Vec<SchedulingInfo> = (1..=40).map(|n| call(n, "a", small(n))).collect();
    calls.extend((41..=80).map(|n| bulk(n, "a", small(n))));
    let mut queue = queue(calls);
    let mut room = 30;
    let taken = queue.take_batch(&tenant("a"), 50, false, |_| {
        room -= 1;
        if room >= 0 { Fits::Yes } else { Fits::Full }
    });
    let bulk = numbers(&taken).into_iter().filter(|number| *number > 40);
    assert_eq!(bulk.count(), 3);
}

#[test]
fn what_is_put_back_goes_before_those_that_came_after_it() {
    let mut queue = queue((1..=4).map(|number| call(number, "a", 1)));
    let taken = queue.take_batch(&tenant("a"), 50, false, |info| {
        if info.number < 3 {
            Fits::Yes
        } else {
            Fits::Full
        }
    });
    assert_eq!(numbers(&taken), [1, 2]);
    queue.push(call(5, "a", 9), ());
    queue.complete(&[Conversation::of(&1_u32)]);
    for waiting in taken.into_iter().rev() {
        queue.put_back(waiting.info, ());
    }
    assert_eq!(order(&mut queue), [1, 2, 5, 3, 4]);
}

#[test]
fn a_retry_waits_for_its_moment_and_its_conversation_with_it() {
    let now = Instant::now();
    let moment = now + Duration::from_millis(100);
    let mut queue = queue([call(2, "a", 1), call(3, "a", 2)]);
    queue.put_back(
        SchedulingInfo {
            not_before: Some(moment),
            ..call(1, "a", 1)
        },
        (),
    );
    queue.wake(now);
    assert_eq!(queue.next_delayed(), Some(moment));
    assert_eq!(queue.first(), Some(3));
    queue.take(3).unwrap();
    assert_eq!(queue.first(), None);
    queue.wake(moment);
    assert_eq!(queue.first(), Some(1));
    assert_eq!(order(&mut queue), [1, 2]);
}

#[test]
fn a_cancelled_call_lets_the_next_of_its_conversation_go() {
    let mut queue = queue([call(1, "a", 1), call(2, "a", 1), call(3, "a", 1)]);
    assert!(queue.cancel(2).is_some());
    assert!(queue.cancel(1).is_some());
    assert!(queue.cancel(1).is_none());
    assert_eq!(order(&mut queue), [3]);
}

#[test]
fn at_random_nothing_is_lost_and_every_conversation_keeps_its_order() {
    use proptest::prelude::*;

    let mut runner = proptest::test_runner::TestRunner::default();
    let calls = prop::collection::vec((0..3_u8, 0..4_u32, any::<bool>(), 0..3_u8), 1..60);
    let case = |calls: Vec<(u8, u32, bool, u8)>| {
        let mut queue = queue(calls.iter().enumerate().map(|(at, call_of)| {
            let (name, conversation, is_bulk, _) = call_of;
            let name = ["a", "b", "c"][usize::from(*name)];
            let number = CallNumber::try_from(at).unwrap();
            if *is_bulk {
                bulk(number, name, *conversation)
            } else {
                call(number, name, *conversation)
            }
        }));
        let mut sent: Vec<CallNumber> = Vec::new();
        let mut step = 0;
        while let Some(first) = queue.first() {
            step += 1;
            let kind = calls[at(first)].3;
            let taken = if kind == 0 {
                vec![queue.take(first).unwrap()]
            } else {
                let tenant = queue.info(first).unwrap().tenant.clone();
                let mut room = usize::from(kind) * 3;
                queue.take_batch(&tenant, 50, false, |_| {
                    room = room.saturating_sub(1);
                    if room > 0 { Fits::Yes } else { Fits::Full }
                })
            };
            let conversations: Vec<Conversation> = taken
                .iter()
                .flat_map(|waiting| waiting.info.conversations.clone())
                .collect();
            queue.complete(&conversations);
            if step % 5 == 0 {
                for waiting in taken.into_iter().rev() {
                    queue.put_back(waiting.info, ());
                }
            } else {
                sent.extend(numbers(&taken));
            }
        }
        prop_assert!(queue.is_empty() && queue.lines.is_empty());
        prop_assert_eq!(sent.len(), calls.len());
        for conversation in 0..4 {
            let of_it = sent
                .iter()
                .filter(|number| calls[at(**number)].1 == conversation);
            prop_assert!(of_it.is_sorted(), "{:?}", sent);
        }
        Ok(())
    };
    runner.run(&calls, case).unwrap();
}
