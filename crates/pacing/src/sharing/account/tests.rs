use std::time::Instant;

use super::*;
use crate::samples::STANDARD;
use crate::sharing::messages::Isolation;

const NOW: i64 = 1_800_000_000_000;

fn config(living: u32) -> BucketConfig {
    BucketConfig {
        limit: STANDARD,
        living,
    }
}

fn account() -> Account {
    Account {
        at: NOW,
        ..Account::default()
    }
}

fn wanting(want: u32) -> Ask {
    Ask {
        want,
        ..Ask::default()
    }
}

fn holding(held: u32, used: u64, want: u32) -> Ask {
    Ask {
        held,
        used,
        want,
        ..Ask::default()
    }
}

#[test]
fn room_is_kept_for_the_credit_of_each_other_idle_replica() {
    for (living, granted) in [(1, 50), (2, 49), (3, 48)] {
        let grant = account().exchange(config(living), "a", &wanting(100), NOW);
        assert_eq!(grant.granted, granted);
    }
    let mut account = account();
    assert_eq!(
        account.exchange(config(3), "b", &wanting(1), NOW).granted,
        1
    );
    // A replica that holds permits needs no credit.
    assert_eq!(
        account.exchange(config(3), "a", &wanting(100), NOW).granted,
        48
    );
}

#[test]
fn what_is_held_does_not_drain_and_what_has_arrived_does() {
    let mut account = account();
    let config = config(1);
    assert_eq!(account.exchange(config, "a", &wanting(50), NOW).granted, 50);
    let later = NOW + 2_000;
    assert_eq!(
        account
            .exchange(config, "a", &holding(50, 0, 9), later)
            .granted,
        0
    );
    assert_eq!(
        account
            .exchange(config, "a", &holding(0, 50, 9), later)
            .granted,
        0
    );
    // Two a second, if not quite.
    let later = later + 2_010;
    assert_eq!(
        account
            .exchange(config, "a", &holding(0, 50, 9), later)
            .granted,
        4
    );
}

#[test]
fn a_lost_response_neither_counts_twice_nor_costs_permits() {
    let mut account = account();
    let config = config(1);
    let ask = holding(0, 10, 20);
    assert_eq!(account.exchange(config, "a", &ask, NOW).granted, 20);
    // The replica knows neither the response nor the permits.
    assert_eq!(account.exchange(config, "a", &ask, NOW).granted, 20);
    assert_eq!(account.level, 10.0);
    assert_eq!(
        account
            .exchange(config, "a", &holding(20, 10, 50), NOW)
            .granted,
        20
    );
}

#[test]
fn permits_of_a_replica_that_is_gone_count_as_used() {
    let mut account = account();
    let config = config(1);
    assert_eq!(
        account.exchange(config, "gone", &wanting(30), NOW).granted,
        30
    );
    let within = NOW + LEASE - 1;
    assert_eq!(
        account.exchange(config, "a", &wanting(50), within).granted,
        20
    );
    let after = NOW + LEASE;
    account.exchange(config, "a", &holding(20, 0, 0), after);
    assert_eq!(account.level, 30.0);
    // It was only late: what it used is in the level already.
    account.exchange(config, "gone", &holding(0, 30, 1), after);
    assert_eq!(account.level, 30.0);
}

#[test]
fn after_a_rejection_the_bucket_is_full() {
    let mut account = account();
    let rejected = Ask {
        rejected: true,
        ..wanting(1)
    };
    let grant = account.exchange(config(1), "a", &rejected, NOW);
    assert_eq!((grant.granted, account.level), (0, 50.0));
    assert!(grant.ask_again_after >= Duration::from_millis(500));
    assert_eq!(
        account
            .exchange(config(1), "a", &wanting(1), NOW + 501)
            .granted,
        1
    );
}

#[test]
fn an_idle_replica_has_no_lease() {
    let mut account = account();
    let grant = account.exchange(config(2), "a", &holding(0, 1, 0), NOW);
    assert_eq!(grant.credit_after, Some(Duration::ZERO));
    assert_eq!((account.level, account.leases.len()), (1.0, 0));
    // In a full bucket there is room for its credit only later.
    account.level = 49.0;
    let grant = account.exchange(config(2), "a", &holding(0, 1, 0), NOW);
    assert!(
        grant
            .credit_after
            .is_some_and(|after| after >= Duration::from_millis(500))
    );
    // While nothing drains, the time is not known.
    assert_eq!(
        account.exchange(config(2), "b", &wanting(9), NOW).granted,
        0
    );
    account.level = 0.0;
    account.leases.get_mut("b").unwrap().held = 50;
    let grant = account.exchange(config(2), "a", &holding(0, 1, 0), NOW);
    assert_eq!(grant.credit_after, None);
}

#[test]
fn a_clock_that_was_set_back_stops_nothing_for_long() {
    let mut account = account();
    account.exchange(config(1), "a", &wanting(1), NOW);
    let hour_before = NOW - 3_600_000;
    let grant = account.exchange(config(1), "a", &wanting(1), hour_before);
    assert_eq!(grant.granted, 0);
    assert_eq!(account.level, 50.0);
    let grant = account.exchange(config(1), "a", &wanting(1), hour_before + 600);
    assert_eq!(grant.granted, 1);
    // A small step back only waits.
    let grant = account.exchange(config(1), "a", &holding(1, 0, 1), hour_before - 1_000);
    assert_eq!((grant.granted, account.at), (0, hour_before + 600));
}

#[test]
fn an_account_is_read_as_it_was_written_and_another_text_counts_as_full() {
    let mut account = account();
    account.exchange(config(2), "a", &wanting(7), NOW);
    let text = account.write();
    assert_eq!(Account::read(&text, config(2), NOW), account);
    let read = Account::read(&text[1..], config(2), NOW);
    assert_eq!((read.level, read.leases.len()), (50.0, 0));
}

#[test]
fn a_lease_of_the_future_expires_like_the_others() {
    let mut future = account();
    let lease = Lease {
        held: 50,
        wants: true,
        seen_at: i64::MAX,
        ..Lease::default()
    };
    future.leases.insert("b".to_owned(), lease);
    let config = config(1);
    let mut account = Account::read(&future.write(), config, NOW);
    assert_eq!(account.exchange(config, "a", &wanting(1), NOW).granted, 0);
    let expired = NOW + LEASE;
    account.exchange(config, "a", &Ask::default(), expired);
    // Its last requests may just have arrived.
    let drained = expired + 30_000;
    assert_eq!(
        account.exchange(config, "a", &wanting(1), drained).granted,
        1
    );
}

#[test]
fn an_ask_that_comes_after_a_later_one_is_void() {
    let mut account = account();
    let numbered = |number, ask| Ask { number, ..ask };
    let later = numbered(2, holding(10, 5, 0));
    account.exchange(config(1), "a", &later, NOW);
    let before = account.clone();
    let grant = account.exchange(config(1), "a", &numbered(1, wanting(30)), NOW);
    assert_eq!((grant.granted, account), (0, before));
}

/// What a database can hold and this service does not write.
#[test]
fn no_row_stops_the_exchange() {
    let times = [i64::MIN, 0, NOW, i64::MAX];
    let levels = [f64::MIN, 0.0, 1e12, 1e300, f64::INFINITY, f64::NAN];
    let asks = [
        Ask::default(),
        wanting(u32::MAX),
        holding(u32::MAX, u64::MAX, u32::MAX),
        Ask {
            isolation: Some(Isolation {
                level: f64::MAX,
                lasted: Duration::MAX,
            }),
            rejected: true,
            ..wanting(1)
        },
    ];
    for (updated_at, level) in times.iter().flat_map(|at| levels.map(|level| (*at, level))) {
        for (seen_at, ask) in times
            .iter()
            .flat_map(|at| asks.clone().map(|ask| (*at, ask)))
        {
            let lease = format!(
                r#"{{"held":{0},"used":{1},"wants":true,"served_at":{seen_at},"seen_at":{seen_at}}}"#,
                u32::MAX,
                u64::MAX
            );
            let report = format!(
                r#"{{"used":1e308,"resets_in":{},"at":{seen_at},"by":"b"}}"#,
                u64::MAX
            );
            let text = format!(
                r#"{{"level":{level},"at":{updated_at},"leases":{{"b":{lease},"c":{lease}}},"operating":{{"acme method":{report}}}}}"#
            );
            let mut account = Account::read(&text, config(3), NOW);
            let grant = account.exchange(config(3), "a", &ask, NOW);
            assert!(account.level.is_finite() && grant.room.is_finite());
            let now = Instant::now();
            // Times that a clock can be advanced by.
            assert!(now.checked_add(grant.ask_again_after).is_some());
            let credit = grant.credit_after.unwrap_or_default();
            assert!(credit <= Duration::from_hours(24));
            for report in &grant.reports {
                assert!(
                    report.resets_in <= Some(Duration::from_hours(1)),
                    "{report:?}"
                );
            }
        }
    }
}
