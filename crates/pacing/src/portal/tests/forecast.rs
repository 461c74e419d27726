//! What is said of a call that is not submitted.

use super::*;

fn forecast(portal: &mut Portal<()>, now: Instant) -> Result<Forecast, Rejection> {
    portal.forecast(&call(1_000_000, now), now)
}

#[test]
fn a_forecast_takes_nothing_from_the_calls_that_are_made() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    for _ in 0..1000 {
        let forecast = forecast(&mut portal, now).unwrap();
        assert_eq!((forecast.wait, forecast.waiting), (Duration::ZERO, 0));
    }
    assert_eq!(portal.next_check(), None);
    submit(&mut portal, 1..=50, now);
    let sent: usize = sent(&mut portal, now + 20 * MS).0.iter().sum();
    assert_eq!(sent, 50);
}

#[test]
fn a_call_waits_about_as_long_as_was_forecast() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let single = |number| SchedulingInfo {
        command_bytes: None,
        ..call(number, now)
    };
    for number in 1..=55 {
        portal.submit(single(number), (), now).unwrap();
    }
    sent(&mut portal, now);
    let waiting = portal.queue.len();
    assert!(waiting > 0);
    let last = single(1_000_000);
    let forecast = portal.forecast(&last, now).unwrap();
    assert_eq!(forecast.waiting, waiting);
    portal.submit(last, (), now).unwrap();
    let (mut moment, mut open) = (now, waiting + 1);
    while open > 0 {
        moment += 10 * MS;
        open -= sent(&mut portal, moment).0.iter().sum::<usize>();
        assert!(moment < now + Duration::from_secs(30));
    }
    let waited = moment - now;
    let error = waited.abs_diff(forecast.wait);
    assert!(error < Duration::from_secs(1), "{waited:?} {forecast:?}");
}

#[test]
fn a_call_waits_for_the_one_in_its_conversation_that_is_in_flight() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    submit(&mut portal, 1..=1, now);
    sent(&mut portal, now);
    let same = portal.forecast(&call(1, now), now).unwrap();
    assert_eq!(same.wait, 80 * MS);
    let other = portal.forecast(&call(2, now), now).unwrap();
    assert_eq!(other.wait, Duration::ZERO);
}

#[test]
fn what_submit_rejects_is_forecast_so() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let time = |used| OperatingTime::of(Some(used), Some(60.0), Some(1.0)).unwrap();
    let limit = LIMITS.operating_time.unwrap();
    let used = limit.as_secs_f64() - 100.0;
    let acme = tenant("acme");
    portal.note_operating_time(&acme, METHOD, SentAs::Single, time(used), now);
    let left = forecast(&mut portal, now).unwrap().operating_left;
    assert_eq!(left, Some(Duration::from_secs(100)));
    portal.operating_rejected(&acme, METHOD, now);
    let forecast = forecast(&mut portal, now).unwrap_err();
    let (submitted, ()) = portal.submit(call(1, now), (), now).unwrap_err();
    assert_eq!(forecast, submitted);
}

#[test]
fn behind_an_open_circuit_breaker_a_forecast_is_a_rejection_and_no_probe() {
    let now = Instant::now();
    let mut portal = dead(now);
    assert!(portal.is_breaker_open());
    for _ in 0..3 {
        let forecast = forecast(&mut portal, now).unwrap_err();
        assert!(
            matches!(forecast, Rejection::BreakerOpen { .. }),
            "{forecast:?}"
        );
        let (submitted, ()) = portal.submit(call(6, now), (), now).unwrap_err();
        assert_eq!(forecast, submitted);
    }
    // The next call may probe, however often it was asked before.
    let later = now + Duration::from_secs(2);
    for _ in 0..3 {
        forecast(&mut portal, later).unwrap();
    }
    submit(&mut portal, 6..=6, later);
}
