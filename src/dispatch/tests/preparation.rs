//! Calls whose token has to be refreshed, before they are sent or after they were.

use super::bench::{Calling, answered, end};
use super::*;
use crate::tenant::sample;

/// A call of the tenant whose token is about to expire.
fn call(bench: &Bench, chat: &str, text: &str, time: Duration) -> Calling {
    let tenant = sample::application("expiring", 65 * SECOND);
    bench.call_of(tenant, chat, text, time)
}

/// Calls to one chat behind a first one, which travel in a batch as soon as their token, valid
/// when they came, is refreshed.
async fn behind_a_refresh(bench: &mut Bench, times: [Duration; 3]) -> [Calling; 3] {
    let first = call(bench, "chat", "first", 200 * SECOND);
    let request = bench.request().await;
    let mut number = 0;
    let behind = times.map(|time| {
        number += 1;
        call(bench, "chat", &number.to_string(), time)
    });
    tokio::time::sleep(66 * SECOND).await;
    request.go_through();
    answered(first).await;
    bench.no_request(SECOND).await;
    behind
}

#[tokio::test]
async fn while_a_token_is_refreshed_each_caller_keeps_its_own_deadline() {
    let mut bench = Bench::start().await;
    let times = [70 * SECOND, 200 * SECOND, 200 * SECOND];
    let [hurried, second, third] = behind_a_refresh(&mut bench, times).await;
    let (told, spent) = end(hurried).await;
    assert!(matches!(told, Told::NotExecuted(_)), "{told:?}");
    assert_eq!(spent.portal, Duration::ZERO);
    bench.no_request(10 * SECOND).await;
    bench.refreshes.allow(1);
    let request = bench.request().await;
    assert_eq!(request.calls, [message("2"), message("3")]);
    request.go_through();
    for call in [second, third] {
        answered(call).await;
    }
    bench.is_idle(2).await;
}

#[tokio::test]
async fn calls_whose_callers_leave_while_they_are_prepared_are_not_sent() {
    let mut bench = Bench::start().await;
    let times = [200 * SECOND; 3];
    let [first, second, third] = behind_a_refresh(&mut bench, times).await;
    second.abort();
    tokio::time::sleep(SECOND).await;
    bench.refreshes.allow(1);
    let request = bench.request().await;
    assert_eq!(request.calls, [message("1"), message("3")]);
    request.go_through();
    for call in [first, third] {
        answered(call).await;
    }
    bench.is_idle(2).await;
}

#[tokio::test]
async fn when_all_callers_leave_while_they_are_prepared_their_chat_is_free() {
    let mut bench = Bench::start().await;
    let behind = behind_a_refresh(&mut bench, [200 * SECOND; 3]).await;
    for call in behind {
        call.abort();
    }
    tokio::time::sleep(SECOND).await;
    bench.refreshes.allow(1);
    bench.no_request(SECOND).await;
    bench.takes_a_call("chat").await;
    bench.is_idle(2).await;
}

#[tokio::test]
async fn a_refresh_that_outlasts_all_callers_leaves_their_chat_free() {
    let mut bench = Bench::start().await;
    let behind = behind_a_refresh(&mut bench, [70 * SECOND; 3]).await;
    for call in behind {
        assert!(matches!(end(call).await.0, Told::NotExecuted(_)));
    }
    bench.takes_a_call("chat").await;
    bench.is_idle(2).await;
}

/// The portal's refusal of another call keeps the prepared one from a permit.
#[tokio::test]
async fn a_permit_that_comes_when_the_caller_has_left_is_released() {
    let mut bench = Bench::start().await;
    let [first, second, third] = behind_a_refresh(&mut bench, [200 * SECOND; 3]).await;
    let other = bench.call("other chat", "other", 100 * SECOND);
    let request = bench.request().await;
    assert!(request.depart());
    request.fail(refused(503, "QUERY_LIMIT_EXCEEDED"));
    tokio::time::sleep(MS).await;
    bench.refreshes.allow(1);
    tokio::time::sleep(100 * MS).await;
    for call in [first, second, third] {
        call.abort();
    }
    let request = bench.request().await;
    assert_eq!(request.calls, [message("other")]);
    request.go_through();
    answered(other).await;
    tokio::time::sleep(60 * SECOND).await;
    bench.is_idle(0).await;
}

#[tokio::test]
async fn a_hurried_call_of_a_batch_whose_token_the_portal_refuses_fails_alone() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat", "first", 30 * SECOND);
    let request = bench.request().await;
    let behind = [5, 30, 30].map(|seconds| {
        let text = seconds.to_string();
        bench.call("chat", &text, seconds * SECOND)
    });
    tokio::time::sleep(SECOND).await;
    request.go_through();
    answered(first).await;
    let request = bench.request().await;
    assert_eq!(request.calls.len(), 3);
    assert!(request.depart());
    request.fail(refused(401, "expired_token"));
    bench.no_request(10 * SECOND).await;
    bench.refreshes.allow(1);
    let request = bench.request().await;
    assert_eq!(request.calls, [message("30"), message("30")]);
    request.go_through();
    let [hurried, second, third] = behind;
    assert!(matches!(end(hurried).await.0, Told::NotExecuted(_)));
    for call in [second, third] {
        answered(call).await;
    }
    bench.is_idle(2).await;
}

#[tokio::test]
async fn the_only_request_in_flight_leaves_its_place_before_its_token_is_refreshed() {
    let mut bench = Bench::with(|options| options.parallel_requests_per_portal = 1).await;
    let refreshed = bench.call("chat", "refreshed", 30 * SECOND);
    let request = bench.request().await;
    let other = bench.call("other chat", "other", 30 * SECOND);
    bench.no_request(SECOND).await;
    assert!(request.depart());
    request.fail(refused(401, "expired_token"));
    let request = bench.request().await;
    assert_eq!(request.calls, [message("other")]);
    request.go_through();
    answered(other).await;
    bench.refreshes.allow(1);
    let request = bench.request().await;
    assert_eq!(request.calls, [message("refreshed")]);
    request.go_through();
    answered(refreshed).await;
}
