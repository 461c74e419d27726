use super::*;
use bitrix24::Plan;

fn bucket(now: Instant) -> SharedBucket {
    let intensity = Plan::Standard.intensity().unwrap();
    let living = 2;
    SharedBucket::new(Terms { intensity, living }, now, now)
}

fn rests() -> Grant {
    Grant {
        granted: 0,
        rest: Some(Duration::ZERO),
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
    // Nothing is urgent until somebody waits or the request has arrived.
    assert_eq!(bucket.due(), None);
    bucket.departed(now);
    assert_eq!(bucket.due(), Some(now + bucket.terms().way()));
    assert_eq!(bucket.take(now), Taken::Asked);
    let ask = bucket.demand(now).unwrap();
    assert_eq!((ask.held, ask.used, ask.want), (1, 0, 1));
    // One at a time.
    assert_eq!((bucket.due(), bucket.demand(now)), (None, None));
    let grant = Grant {
        granted: 1,
        rest: None,
        ..rests()
    };
    assert!(bucket.granted(now, &grant), "somebody waits");
    assert_eq!(bucket.take(now), Taken::Granted);
    assert!(matches!(bucket.take(now), Taken::At(_)));
}

#[test]
fn one_exchange_tells_of_a_request_on_credit_and_renews_it() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.departed(now);
    let now = bucket.due().unwrap();
    let ask = bucket.demand(now).unwrap();
    assert_eq!((ask.held, ask.used, ask.want), (0, 1, 0));
    // Somebody comes before the answer.
    assert_eq!(bucket.take(now), Taken::Asked);
    assert!(bucket.granted(now, &rests()));
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.give_back(now);
    assert!(bucket.is_at_rest(now));
}

#[test]
fn permits_are_not_used_after_their_time() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    assert_eq!(bucket.demand(now).unwrap().want, 4);
    let grant = Grant {
        granted: 4,
        rest: None,
        ..rests()
    };
    bucket.granted(now, &grant);
    assert_eq!(bucket.take(now), Taken::Granted);
    let late = now + lease() - BEFORE_THE_END;
    assert_ne!(bucket.take(late), Taken::Granted);
    // What was taken before is told as still held.
    assert_eq!(bucket.demand(late).unwrap().held, 1);
}

#[test]
fn what_nobody_wants_any_more_goes_back() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    bucket.demand(now).unwrap();
    bucket.granted(
        now,
        &Grant {
            granted: 4,
            rest: None,
            ..rests()
        },
    );
    bucket.want(now, 0);
    let now = bucket.due().unwrap();
    let ask = bucket.demand(now).unwrap();
    assert_eq!((ask.held, ask.want), (0, 0));
}

#[test]
fn alone_the_first_request_waits_for_nothing_and_the_second_for_its_part() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.left_alone(now, now);
    assert_eq!(bucket.take(now), Taken::Granted);
    assert!(matches!(bucket.take(now), Taken::At(_)));
    bucket.departed(now);
    // Half of two a second.
    let now = now + Duration::from_millis(900);
    assert!(matches!(bucket.take(now), Taken::At(_)));
    let now = now + Duration::from_millis(200);
    assert_eq!(bucket.take(now), Taken::Granted);
    bucket.back_together(now);
    assert!(bucket.demand(now).unwrap().returned.is_some());
}

#[test]
fn whoever_has_sent_nothing_alone_has_nothing_to_tell_and_keeps_its_credit() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.left_alone(now, now);
    let now = now + Duration::from_secs(60);
    bucket.back_together(now);
    assert_eq!(bucket.due(), None);
    assert_eq!(bucket.take(now), Taken::Granted);
}

#[test]
fn a_refusal_is_told_at_once_and_voids_what_was_granted() {
    let now = Instant::now();
    let mut bucket = bucket(now);
    bucket.want(now, 5);
    bucket.demand(now).unwrap();
    bucket.granted(
        now,
        &Grant {
            granted: 4,
            rest: None,
            ..rests()
        },
    );
    bucket.refused(now);
    assert!(bucket.room(now) < 1.0);
    let ask = bucket.demand(now).unwrap();
    assert!(ask.refused);
    assert_eq!(ask.held, 0);
}
