use std::time::Duration;

use super::exchange::{BEFORE_THE_END, lease};
use super::*;
use crate::samples::STANDARD;
use crate::sharing::messages::Grant;

fn bucket(now: Instant) -> SharedBucket {
    let limit = STANDARD;
    let living = 2;
    SharedBucket::new(BucketConfig { limit, living }, now, now)
}

fn idle() -> Grant {
    Grant {
        granted: 0,
        credit_after: Some(Duration::ZERO),
        room: 48.0,
        waiting: 0,
        ask_again_after: Duration::from_millis(100),
        reports: Vec::new(),
    }
}

#[test]
fn the_first_request_goes_on_credit_and_the_second_asks() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    assert_eq!(bucket.take(now), Taken::Granted);
    // Nothing is due until a call waits or the request has arrived.
    assert_eq!(bucket.due(), None);
    bucket.sent(now);
    assert_eq!(bucket.due(), Some(now + bucket.config().transit()));
    assert_eq!(bucket.take(now), Taken::Asked);
    let ask = bucket.ask(now).unwrap();
    assert_eq!((ask.held, ask.used, ask.want), (1, 0, 1));
    // One at a time.
    assert_eq!((bucket.due(), bucket.ask(now)), (None, None));
    let grant = Grant {
        granted: 1,
        credit_after: None,
        ..idle()
    };
    assert!(bucket.granted(now, &grant), "a call waits");
    assert_eq!(bucket.take(now), Taken::Granted);
    assert!(matches!(bucket.take(now), Taken::At(_)));
}

#[test]
fn one_exchange_reports_a_request_on_credit_and_renews_it() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.sent(now);
    let now = bucket.due().unwrap();
    let ask = bucket.ask(now).unwrap();
    assert_eq!((ask.held, ask.used, ask.want), (0, 1, 0));
    // A call arrives before the response.
    assert_eq!(bucket.take(now), Taken::Asked);
    assert!(bucket.granted(now, &idle()));
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.release(now);
    assert!(bucket.is_idle(now));
}

#[test]
fn permits_are_not_used_after_their_time() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    assert_eq!(bucket.ask(now).unwrap().want, 4);
    let grant = Grant {
        granted: 4,
        credit_after: None,
        ..idle()
    };
    bucket.granted(now, &grant);
    assert_eq!(bucket.take(now), Taken::Granted);
    let late = now + lease() - BEFORE_THE_END;
    assert_ne!(bucket.take(late), Taken::Granted);
    // The permit that was taken before is still held.
    assert_eq!(bucket.ask(late).unwrap().held, 1);
}

#[test]
fn unwanted_permits_are_returned() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    bucket.ask(now).unwrap();
    bucket.granted(
        now,
        &Grant {
            granted: 4,
            credit_after: None,
            ..idle()
        },
    );
    bucket.want(now, 0);
    let now = bucket.due().unwrap();
    let ask = bucket.ask(now).unwrap();
    assert_eq!((ask.held, ask.want), (0, 0));
}

#[test]
fn isolated_the_first_request_does_not_wait_and_the_second_waits_for_its_part() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.isolate(now, now);
    assert_eq!(bucket.take(now), Taken::Granted);
    assert!(matches!(bucket.take(now), Taken::At(_)));
    bucket.sent(now);
    // Half of two a second.
    let now = now + Duration::from_millis(900);
    assert!(matches!(bucket.take(now), Taken::At(_)));
    let now = now + Duration::from_millis(200);
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.rejoin(now);
    assert!(bucket.ask(now).unwrap().isolation.is_some());
}

#[test]
fn a_replica_that_sent_nothing_while_isolated_keeps_its_credit() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.isolate(now, now);
    let now = now + Duration::from_secs(60);
    bucket.rejoin(now);
    assert_eq!(bucket.due(), None);
    assert_eq!(bucket.take(now), Taken::Granted);
}

#[test]
fn a_rejection_is_reported_at_once_and_voids_what_was_granted() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    bucket.ask(now).unwrap();
    bucket.granted(
        now,
        &Grant {
            granted: 4,
            credit_after: None,
            ..idle()
        },
    );
    bucket.rejected(now);
    assert!(bucket.room(now) < 1.0);
    let ask = bucket.ask(now).unwrap();
    assert!(ask.rejected);
    assert_eq!(ask.held, 0);
}
