//! Which calls go in which request.

use std::collections::BTreeSet;

use super::*;

#[test]
fn five_hundred_calls_at_once_travel_as_one_single_call_and_ten_batches() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    let mut sizes = sent(&mut portal, now).0;
    for number in 2..=500 {
        let now = now + MS * u32::try_from(number / 5).unwrap();
        submit(&mut portal, number..=number, now);
        sizes.extend(sent(&mut portal, now).0);
    }
    let end = now + 130 * MS;
    sizes.extend(sent(&mut portal, end).0);
    assert_eq!(sizes, [1, 50, 50, 50, 50, 50, 50, 50, 50, 50, 49]);
}

/// The sizes of the requests for calls that come a few in each millisecond, with a pause after
/// every so many, and how long it takes until the last one is answered.
fn sent_in_spite_of_pauses(
    calls: CallNumber,
    pause: u32,
    every: CallNumber,
) -> (Vec<usize>, Duration) {
    let start = Instant::now();
    let mut now = start;
    let mut portal = portal(Some(STANDARD), now);
    let (mut sizes, mut answers) = (Vec::new(), BTreeSet::new());
    // Takes 50 ms for a request and 20 ms for each call.
    let mut go_on = |portal: &mut Portal<()>, now: Instant| {
        while let Some((at, request, took)) = answers.first().copied()
            && at <= now
        {
            answers.pop_first();
            portal.completed(request, RequestOutcome::Responded, took, now);
            portal.release(request, Vec::new());
        }
        for size in sent(portal, now).0 {
            sizes.push(size);
            let took = 50 * MS + 20 * MS * u32::try_from(size).unwrap();
            let request = RequestNumber::try_from(sizes.len()).unwrap();
            answers.insert((now + took, request, took));
        }
        answers.is_empty()
    };
    for number in 1..=calls {
        if number % 7 == 0 {
            now += MS;
        }
        if number % every == 0 {
            for _ in 0..pause {
                now += MS;
                go_on(&mut portal, now);
            }
        }
        submit(&mut portal, number..=number, now);
        go_on(&mut portal, now);
    }
    while !go_on(&mut portal, now) || !portal.queue.is_empty() {
        now += MS;
    }
    (sizes, now - start)
}

#[test]
fn pauses_between_the_calls_of_a_burst_do_not_cost_requests() {
    for (pause, every) in [(15, 90), (20, 310), (30, 777)] {
        let (sizes, answered) = sent_in_spite_of_pauses(5_000, pause, every);
        assert!(answered < 27_000 * MS, "{pause} {every} {sizes:?}");
    }
}

#[test]
fn what_is_left_of_a_burst_travels_together() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=1, now);
    let mut sizes = sent(&mut portal, now).0;
    submit(&mut portal, 2..=58, now);
    sizes.extend(sent(&mut portal, now).0);
    assert_eq!(sizes, [1, 50]);
    assert_eq!(sent(&mut portal, now + 60 * MS).0, [7]);
}

#[test]
fn a_few_calls_wait_longer_for_company_when_requests_are_scarce() {
    let mut now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let mut waits = Vec::new();
    for number in 1..=44 {
        submit(&mut portal, number..=number, now);
        let begun = now;
        while let (_, Some(then)) = sent(&mut portal, now) {
            now = then;
        }
        waits.push((now - begun).as_millis());
    }
    assert_eq!(waits[0], 0, "the first");
    assert_eq!(waits[5], 10, "{waits:?}");
    assert!((60..=100).contains(&waits[43]), "{waits:?}");
}

#[test]
fn without_a_limit_calls_go_singly_at_once_up_to_the_bound() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=150, now);
    assert_eq!(sent(&mut portal, now), (vec![1; 100], None));
    complete(&mut portal, 1, RequestOutcome::Responded, now);
    assert_eq!(sent(&mut portal, now), (vec![1], None));
}

#[test]
fn calls_behind_each_other_travel_in_one_batch_even_with_room() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    for number in 1..=10 {
        let info = SchedulingInfo {
            conversations: vec![Conversation::of(&CallNumber::from(1_u8))].into(),
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
        if number == 1 {
            assert_eq!(sent(&mut portal, now).0, [1]);
        }
    }
    assert_eq!(sent(&mut portal, now).0, Vec::<usize>::new());
    complete(&mut portal, 1, RequestOutcome::Responded, now);
    assert_eq!(sent(&mut portal, now).0, [9]);
}

#[test]
fn what_may_not_travel_in_a_batch_goes_alone() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    submit(&mut portal, 1..=40, now);
    for number in 41..=45 {
        let info = SchedulingInfo {
            command_bytes: None,
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    let (mut sizes, _) = sent(&mut portal, now + 60 * MS);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 1, 1, 1, 40]);
}

#[test]
fn a_method_that_the_portal_refuses_in_batches_goes_singly_from_then_on() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    portal.note_never_batched(METHOD, now);
    submit(&mut portal, 1..=60, now);
    let (sizes, then) = sent(&mut portal, now + 20 * MS);
    assert_eq!(sizes, [1; 49]);
    assert!(then.is_some());
}

#[test]
fn a_batch_holds_only_calls_whose_deadline_it_can_meet() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    // Twice 80 ms for each command, as only a single call was measured.
    for number in 1..=40 {
        let seconds = if number <= 5 { 1 } else { 30 };
        let info = SchedulingInfo {
            deadline: now + Duration::from_secs(seconds),
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    let (sizes, then) = sent(&mut portal, now);
    assert_eq!(sizes, [35], "those in a hurry would make it too small");
    assert_eq!(sent(&mut portal, then.unwrap()).0, [5]);
}

#[test]
fn calls_in_a_hurry_make_a_batch_smaller_down_to_its_half() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    for number in 1..=40 {
        let info = SchedulingInfo {
            deadline: now + Duration::from_secs(4),
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    assert_eq!(sent(&mut portal, now).0[0], 24, "160 ms each");
}

#[test]
fn a_slow_portal_gets_small_batches() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    portal.latency.measured(1, Duration::from_secs(2));
    portal.operating.completed(&tenant("acme"), METHOD, true);
    for number in 1..=60 {
        let info = SchedulingInfo {
            deadline: now + Duration::from_secs(55),
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    let (sizes, _) = sent(&mut portal, now);
    assert_eq!(sizes[..5], [10; 5], "the last ten may go singly");
}
