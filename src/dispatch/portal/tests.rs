//! What is sent when, without a portal.

mod simulation;

use super::*;
use crate::call::Priority;
use crate::dispatch::operating::{Report, Travelled};
use bitrix24::Plan;

const MS: Duration = Duration::from_millis(1);

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn portal(plan: Plan, now: Instant) -> Portal<()> {
    Portal::new(Arc::default(), plan.intensity(), now)
}

/// A call of a conversation of its own that may travel in a batch.
fn call(number: CallNumber, now: Instant) -> Terms {
    Terms {
        number,
        tenant: tenant("acme"),
        method: Method::AddCrmMessage,
        conversations: vec![Conversation::of(&number)],
        priority: Priority::Interactive,
        deadline: now + Duration::from_secs(30),
        arrived: now,
        not_before: None,
        command_bytes: Some(200),
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
            Next::Send(permit) => {
                sizes.push(permit.numbers().len());
                portal.departed(now);
            }
            Next::At(moment) => return (sizes, Some(moment)),
            Next::Nothing => return (sizes, None),
            Next::Refuse(calls, refused) => panic!("{} {refused}", calls.len()),
        }
    }
}

fn land(portal: &mut Portal<()>, numbers: &[CallNumber], fate: Fate, now: Instant) -> bool {
    let calls: Vec<_> = numbers
        .iter()
        .map(|_| (tenant("acme"), Method::AddCrmMessage))
        .collect();
    let conversations: Vec<_> = numbers.iter().map(Conversation::of).collect();
    let opened = portal.landed(&calls, fate, 70 * MS, now);
    portal.settle(&conversations, Vec::new());
    opened
}

fn refusal(portal: &mut Portal<()>, terms: Terms, now: Instant) -> NotAdmitted {
    portal.submit(terms, (), now).unwrap_err().0
}

#[test]
fn the_first_call_on_a_quiet_portal_waits_for_nothing() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    submit(&mut portal, 1..=1, now);
    assert_eq!(sent(&mut portal, now), (vec![1], None));
}

#[test]
fn a_few_calls_at_once_go_singly_side_by_side_after_a_few_milliseconds() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    submit(&mut portal, 1..=20, now);
    let (first, then) = sent(&mut portal, now);
    assert_eq!(first, [1]);
    let then = then.unwrap();
    assert!(then <= now + 10 * MS);
    assert_eq!(sent(&mut portal, then), (vec![1; 19], None));
}

#[test]
fn five_hundred_calls_at_once_travel_as_one_single_call_and_ten_batches() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
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

/// The sizes of the requests for calls that come a few in each millisecond, with a pause after every so many, and how long it takes until
/// the last one is sent.
fn sent_in_spite_of_pauses(
    calls: CallNumber,
    pause: u32,
    every: CallNumber,
) -> (Vec<usize>, Duration) {
    let start = Instant::now();
    let mut now = start;
    let mut portal = portal(Plan::Standard, now);
    // Nothing lands here.
    portal.options = Arc::new(Options {
        parallel_requests_per_portal: 1_000,
        ..Options::default()
    });
    let mut sizes = Vec::new();
    for number in 1..=calls {
        if number % 7 == 0 {
            now += MS;
        }
        if number % every == 0 {
            for _ in 0..pause {
                now += MS;
                sizes.extend(sent(&mut portal, now).0);
            }
        }
        submit(&mut portal, number..=number, now);
        sizes.extend(sent(&mut portal, now).0);
    }
    while sizes.iter().sum::<usize>() < usize::try_from(calls).unwrap() {
        now += MS;
        sizes.extend(sent(&mut portal, now).0);
    }
    (sizes, now - start)
}

#[test]
fn pauses_between_the_calls_of_a_burst_do_not_cost_requests() {
    for (pause, every) in [(15, 90), (20, 310), (30, 777)] {
        let (sizes, last) = sent_in_spite_of_pauses(5_000, pause, every);
        // 50 ms and 20 ms for each call.
        let answered = last + 50 * MS + 20 * MS * u32::try_from(*sizes.last().unwrap()).unwrap();
        assert!(answered < 27_000 * MS, "{pause} {every} {sizes:?}");
    }
}

#[test]
fn what_is_left_of_a_burst_travels_together() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
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
    let mut portal = portal(Plan::Standard, now);
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
    let mut portal = portal(Plan::Unlimited, now);
    submit(&mut portal, 1..=150, now);
    assert_eq!(sent(&mut portal, now), (vec![1; 100], None));
    land(&mut portal, &[1], Fate::Answered, now);
    assert_eq!(sent(&mut portal, now), (vec![1], None));
}

#[test]
fn calls_behind_each_other_travel_in_one_batch_even_with_room() {
    let now = Instant::now();
    let mut portal = portal(Plan::Unlimited, now);
    for number in 1..=10 {
        let terms = Terms {
            conversations: vec![Conversation::of(&CallNumber::from(1_u8))],
            ..call(number, now)
        };
        portal.submit(terms, (), now).unwrap();
        if number == 1 {
            assert_eq!(sent(&mut portal, now).0, [1]);
        }
    }
    assert_eq!(sent(&mut portal, now).0, Vec::<usize>::new());
    land(&mut portal, &[1], Fate::Answered, now);
    assert_eq!(sent(&mut portal, now).0, [9]);
}

#[test]
fn what_may_not_travel_in_a_batch_goes_alone() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    submit(&mut portal, 1..=40, now);
    for number in 41..=45 {
        let terms = Terms {
            command_bytes: None,
            ..call(number, now)
        };
        portal.submit(terms, (), now).unwrap();
    }
    let (mut sizes, _) = sent(&mut portal, now + 60 * MS);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 1, 1, 1, 40]);
}

#[test]
fn a_method_that_the_portal_refuses_in_batches_goes_singly_from_then_on() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    portal.note_never_batched(Method::AddCrmMessage, now);
    submit(&mut portal, 1..=60, now);
    let (sizes, then) = sent(&mut portal, now + 20 * MS);
    assert_eq!(sizes, [1; 49]);
    assert!(then.is_some());
}

#[test]
fn a_batch_holds_only_calls_whose_deadline_it_can_meet() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    // 100 ms for each command, as nothing was measured.
    for number in 1..=40 {
        let seconds = if number <= 5 { 1 } else { 30 };
        let terms = Terms {
            deadline: now + Duration::from_secs(seconds),
            ..call(number, now)
        };
        portal.submit(terms, (), now).unwrap();
    }
    let (sizes, then) = sent(&mut portal, now);
    assert_eq!(sizes, [35], "those in a hurry would make it too small");
    assert_eq!(sent(&mut portal, then.unwrap()).0, [5]);
}

#[test]
fn calls_in_a_hurry_make_a_batch_smaller_down_to_its_half() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    for number in 1..=40 {
        let terms = Terms {
            deadline: now + Duration::from_millis(2_500),
            ..call(number, now)
        };
        portal.submit(terms, (), now).unwrap();
    }
    assert_eq!(sent(&mut portal, now).0[0], 25, "100 ms each");
}

#[test]
fn a_slow_portal_gets_small_batches() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    portal.pace.measured(1, Duration::from_secs(2));
    for number in 1..=60 {
        let terms = Terms {
            deadline: now + Duration::from_secs(55),
            ..call(number, now)
        };
        portal.submit(terms, (), now).unwrap();
    }
    let (sizes, _) = sent(&mut portal, now);
    assert_eq!(sizes[..5], [10; 5], "the last ten may go singly");
}

#[test]
fn a_call_that_cannot_be_sent_in_time_is_refused_at_once() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    let mut number = 0;
    let refused = loop {
        number += 1;
        let terms = Terms {
            deadline: now + Duration::from_secs(5),
            ..call(number, now)
        };
        if let Err((refused, ())) = portal.submit(terms, (), now) {
            break refused;
        }
    };
    // 49 batches of 50 at once, and two for each of five seconds.
    assert!((2850..=3000).contains(&number), "{number}");
    let NotAdmitted::WaitTooLong {
        expected,
        retry_after,
    } = refused
    else {
        panic!("{refused:?}");
    };
    assert!(expected > Duration::from_secs(5));
    assert!(retry_after >= Duration::from_secs(1));
}

#[test]
fn a_full_queue_refuses() {
    let now = Instant::now();
    let options = Options {
        maximum_waiting_calls_per_portal: 3,
        ..Options::default()
    };
    let mut portal = Portal::new(Arc::new(options), Plan::Standard.intensity(), now);
    submit(&mut portal, 1..=3, now);
    let refused = refusal(&mut portal, call(4, now), now);
    assert!(
        matches!(refused, NotAdmitted::QueueFull { .. }),
        "{refused}"
    );
}

#[test]
fn a_dead_portal_refuses_everybody_until_a_probe_is_answered() {
    let now = Instant::now();
    let mut portal = portal(Plan::Unlimited, now);
    submit(&mut portal, 1..=5, now);
    assert_eq!(sent(&mut portal, now).0, [1; 5]);
    for number in 1..=5 {
        assert_eq!(land(&mut portal, &[number], Fate::Lost, now), number == 5);
    }
    let NotAdmitted::PortalDown { retry_after } = refusal(&mut portal, call(6, now), now) else {
        panic!("open");
    };
    let then = now + retry_after;
    submit(&mut portal, 7..=7, then);
    assert_eq!(sent(&mut portal, then).0, [1], "the probe");
    refusal(&mut portal, call(8, then), then);
    land(&mut portal, &[7], Fate::Answered, then);
    submit(&mut portal, 9..=10, then);
    assert_eq!(sent(&mut portal, then).0, [1, 1]);
}

#[test]
fn those_that_wait_when_the_portal_is_found_dead_are_refused() {
    let now = Instant::now();
    let mut portal = portal(Plan::Unlimited, now);
    submit(&mut portal, 1..=120, now);
    assert_eq!(sent(&mut portal, now).0.len(), 100);
    for number in 1..=5 {
        land(&mut portal, &[number], Fate::Lost, now);
    }
    let Next::Refuse(calls, NotAdmitted::PortalDown { .. }) = portal.next(now) else {
        panic!("refused");
    };
    assert_eq!(calls.len(), 20);
}

#[test]
fn the_portals_refusal_closes_the_bucket_for_a_while() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    submit(&mut portal, 1..=1, now);
    sent(&mut portal, now);
    land(&mut portal, &[1], Fate::RateLimited, now);
    portal.settle(&[], vec![(call(1, now), ())]);
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
    let mut portal = portal(Plan::Enterprise, now);
    portal.note_plan(&tenant("a"), Plan::Enterprise.intensity(), now);
    portal.note_plan(&tenant("b"), Plan::Standard.intensity(), now);
    portal.note_plan(&tenant("c"), Plan::Unlimited.intensity(), now);
    assert_eq!(portal.budget.intensity(), Plan::Standard.intensity());
}

#[test]
fn a_used_up_operating_budget_refuses_the_method_of_that_tenant_only() {
    let now = Instant::now();
    let mut portal = portal(Plan::Standard, now);
    let report = Report {
        used: 479.0,
        resets_in: Some(Duration::from_secs(90)),
        cost: 0.5,
    };
    let acme = tenant("acme");
    let left = portal.report(&acme, Method::AddCrmMessage, Travelled::Singly, report, now);
    assert_eq!(left, Some(Duration::from_secs(1)));
    let refused = refusal(&mut portal, call(1, now), now);
    let retry_after = Duration::from_secs(90);
    assert_eq!(refused, NotAdmitted::OperatingLimit { retry_after });
    let other_method = Terms {
        method: Method::AddNetworkMessage,
        ..call(2, now)
    };
    let other_tenant = Terms {
        tenant: tenant("other"),
        ..call(3, now)
    };
    assert!(portal.submit(other_method, (), now).is_ok());
    assert!(portal.submit(other_tenant, (), now).is_ok());
}
