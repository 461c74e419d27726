//! Many calls to few conversations.

use std::collections::BTreeMap;

use super::*;

/// Calls to each of these conversations, all at once and mixed.
fn mixed(portal: &mut Portal<()>, conversations: u32, calls: u32, now: Instant) {
    for number in 0..conversations * calls {
        let info = SchedulingInfo {
            conversations: vec![Conversation::of(&(number % conversations))].into(),
            ..call(number.into(), now)
        };
        portal.submit(info, (), now).unwrap();
    }
}

/// Sends everything that can be sent, with answers after 50 ms and 20 ms for each call, and returns
/// how long it took and the sizes of the requests.
fn played(portal: &mut Portal<()>, start: Instant) -> (Duration, Vec<usize>) {
    let (mut now, mut sizes, mut answers) = (start, Vec::new(), BTreeMap::new());
    loop {
        while let Some((_, request)) = answers.first_key_value().map(|(at, _)| *at)
            && answers.keys().next().is_some_and(|(at, _)| *at <= now)
        {
            let took = answers.remove(&(now, request)).unwrap();
            portal.completed(request, RequestOutcome::Responded, took, now);
            portal.release(request, Vec::new());
        }
        let wait = loop {
            match portal.next(now) {
                Next::Prepare(selection) => portal.prepared(selection),
                Next::Send(permit) => {
                    let (request, calls) = permit.into_parts();
                    portal.sent(request, now);
                    sizes.push(calls.len());
                    let took = 50 * MS + 20 * MS * u32::try_from(calls.len()).unwrap();
                    answers.insert((now + took, request), took);
                }
                Next::Reject(_, why) => panic!("{why}"),
                Next::At(moment) => break Some(moment),
                Next::Nothing => break None,
            }
        };
        let answer = answers.keys().next().map(|(at, _)| *at);
        match [wait, answer].into_iter().flatten().min() {
            Some(moment) => now = moment,
            None => return (now - start, sizes),
        }
    }
}

#[test]
fn twenty_conversations_of_twenty_calls_travel_side_by_side() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    mixed(&mut portal, 20, 20, now);
    let (took, sizes) = played(&mut portal, now);
    assert_eq!(sizes.iter().sum::<usize>(), 400);
    assert!(took <= Duration::from_millis(2_000), "{took:?} {sizes:?}");
}

#[test]
fn where_requests_are_scarce_batches_are_full_even_if_conversations_are_split() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    while portal.budget.room(now) >= 2.0 {
        portal.budget.take(now);
        portal.budget.sent(now);
    }
    mixed(&mut portal, 20, 20, now);
    let (sizes, _) = sent(&mut portal, now);
    assert_eq!(sizes, [50]);
}

#[test]
fn a_long_conversation_leaves_half_of_a_batch_to_others() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    portal.limits.batch_calls = 10;
    for number in 0..40 {
        let conversation = if number < 20 { 0 } else { number };
        let info = SchedulingInfo {
            conversations: vec![Conversation::of(&conversation)].into(),
            ..call(number, now)
        };
        portal.submit(info, (), now).unwrap();
    }
    let Next::Prepare(selection) = portal.next(now) else {
        panic!("selected");
    };
    let of_long = selection.infos().filter(|info| info.number < 20);
    assert_eq!((selection.jobs().count(), of_long.count()), (10, 5));
}
