//! Operating budgets as responses and reports change them.

use super::method::{WHILE_PROBING, WHILE_REPORTING};
use super::*;
use crate::samples::METHOD;
use crate::sharing::OperatingReport;

const LIMIT: Option<Duration> = Some(Duration::from_secs(480));

fn acme() -> TenantKey {
    "acme".into()
}

fn used(used: f64) -> OperatingTime {
    OperatingTime {
        used,
        resets_in: Some(Duration::from_secs(60)),
        cost: 1.0,
    }
}

#[test]
fn unknown_usage_is_allowed() {
    let budgets = OperatingBudgets::default();
    let now = Instant::now();
    assert_eq!(budgets.check(&acme(), METHOD, LIMIT, now), Ok(()));
}

#[test]
fn a_call_that_may_cross_the_limit_is_refused_until_the_reset() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    let minute = Duration::from_secs(60);
    budgets.note(&acme, METHOD, SentAs::Single, used(473.0), now);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
    assert_eq!(
        budgets.remaining(&acme, METHOD, LIMIT.unwrap(), now),
        Some(Duration::from_secs(7))
    );
    budgets.note(&acme, METHOD, SentAs::Single, used(474.5), now);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Err(minute));
    assert_eq!(budgets.check(&acme, METHOD, None, now), Ok(()));
    assert_eq!(budgets.check(&acme, "another", LIMIT, now), Ok(()));
}

#[test]
fn calls_in_flight_count() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    budgets.note(&acme, METHOD, SentAs::Single, used(470.0), now);
    let mut sent = 0;
    while budgets.check(&acme, METHOD, LIMIT, now).is_ok() {
        budgets.sent(&acme, METHOD, now);
        sent += 1;
    }
    assert_eq!(sent, 10, "half a second each");
    budgets.completed(&acme, METHOD, true);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
}

#[test]
fn after_the_reset_one_call_finds_out_how_much_is_free() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    budgets.note(&acme, METHOD, SentAs::Single, used(479.0), now);
    let then = now + Duration::from_secs(61);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, then), Ok(()));
    budgets.sent(&acme, METHOD, now);
    assert_eq!(
        budgets.check(&acme, METHOD, LIMIT, then),
        Err(WHILE_PROBING)
    );
    budgets.completed(&acme, METHOD, true);
    budgets.note(&acme, METHOD, SentAs::Single, used(20.0), then);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, then), Ok(()));
}

#[test]
fn a_rejection_blocks_until_the_last_known_reset_or_ten_minutes() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    assert_eq!(budgets.rejected(&acme, METHOD, now), UNKNOWN_RESET);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Err(UNKNOWN_RESET));
    budgets.note(&acme, METHOD, SentAs::Single, used(1.0), now);
    let minute = Duration::from_secs(60);
    assert_eq!(budgets.rejected(&acme, METHOD, now), minute);
}

#[test]
fn commands_are_charged_to_their_method_until_a_single_call_says_otherwise() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    budgets.note(&acme, METHOD, SentAs::Batch, used(478.0), now);
    assert!(budgets.check(&acme, METHOD, LIMIT, now).is_err());
    // An operator's call, or one that may not travel in a batch.
    budgets.note(&acme, METHOD, SentAs::Single, used(2.0), now);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
    assert_eq!(budgets.charged(METHOD), BATCH);
    assert!(budgets.check(&acme, BATCH, LIMIT, now).is_err());
}

fn report(used: f64, age: u64) -> OperatingReport {
    OperatingReport {
        tenant: "acme".to_owned(),
        method: METHOD.to_owned(),
        used,
        resets_in: Some(Duration::from_secs(60)),
        age: Duration::from_secs(age),
    }
}

fn update(others: &[OperatingReport], own: &[OperatingReport]) -> ReportUpdate {
    ReportUpdate {
        version: 1,
        living: 2,
        others: others.to_vec(),
        own: own.to_vec(),
    }
}

/// How many calls of a second each may be on their way.
fn sent(budgets: &mut OperatingBudgets, now: Instant) -> (u32, Duration) {
    let mut sent = 0;
    loop {
        match budgets.check(&acme(), METHOD, LIMIT, now) {
            Ok(()) => budgets.sent(&acme(), METHOD, now),
            Err(wait) => return (sent, wait),
        }
        sent += 1;
    }
}

#[test]
fn the_report_of_another_replica_counts_until_its_reset() {
    let (mut budgets, now) = (OperatingBudgets::default(), Instant::now());
    budgets.apply(&update(&[report(478.0, 10)], &[]), now);
    let wait = Duration::from_secs(50);
    assert_eq!(budgets.check(&acme(), METHOD, LIMIT, now), Err(wait));
    let then = now + wait;
    assert_eq!(budgets.check(&acme(), METHOD, LIMIT, then), Ok(()));
}

#[test]
fn between_exchanges_a_replica_spends_its_share_of_the_rest() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    // 475 are spent at most, 20 of them are left, and the other replica may spend 10.
    budgets.apply(&update(&[report(455.0, 0)], &[]), now);
    for _ in 0..30 {
        budgets.note(&acme, METHOD, SentAs::Single, costly(455.0), now);
    }
    assert_eq!(sent(&mut budgets, now), (10, WHILE_REPORTING));
    for used in [456.0, 457.0, 458.0, 459.0] {
        budgets.completed(&acme, METHOD, true);
        budgets.note(&acme, METHOD, SentAs::Single, costly(used), now);
    }
    assert_eq!(sent(&mut budgets, now), (0, WHILE_REPORTING));
    // The others know of it: 16 are left, and 6 are on their way.
    budgets.apply(&update(&[], &[report(459.0, 0)]), now);
    assert_eq!(sent(&mut budgets, now), (2, WHILE_REPORTING));
}

#[test]
fn a_rest_that_is_too_small_to_share_is_left() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    budgets.note(&acme, METHOD, SentAs::Single, costly(474.4), now);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
    budgets.apply(&update(&[report(474.4, 0)], &[]), now);
    let minute = Duration::from_secs(60);
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Err(minute));
}

#[test]
fn a_call_costs_by_how_much_the_budget_shrinks() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    for used in [400.0, 410.0, 420.0] {
        budgets.note(&acme, METHOD, SentAs::Single, cheap(used), now);
    }
    assert_eq!(sent(&mut budgets, now).0, 5, "10 seconds each of 55");
}

#[test]
fn what_parallel_requests_used_is_not_the_cost_of_one_call() {
    let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
    (0..2500).for_each(|_| budgets.sent(&acme, METHOD, now));
    // The first of fifty batches has completed. Its commands report what all batches used so far.
    (0..50).for_each(|_| budgets.completed(&acme, METHOD, true));
    for command in 1..=50 {
        let used = f64::from(command);
        budgets.note(&acme, METHOD, SentAs::Batch, cheap(used), now);
    }
    assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
}

/// Of a call that says to have taken a second.
fn costly(used: f64) -> OperatingTime {
    OperatingTime {
        cost: 1.0,
        ..cheap(used)
    }
}

/// Of a call that says to have taken no time.
fn cheap(used: f64) -> OperatingTime {
    OperatingTime {
        used,
        resets_in: Some(Duration::from_secs(60)),
        cost: 0.0,
    }
}
