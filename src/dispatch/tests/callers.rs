//! Callers that stop waiting, at each stage of their call's request.

use bitrix24::NotSent;
use tracing::Span;

use super::bench::{answered, end};
use super::*;

#[tokio::test]
async fn a_call_whose_caller_leaves_the_queue_is_not_sent() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat", "first", 30 * SECOND);
    let request = bench.request().await;
    let behind = bench.call("chat", "behind", 30 * SECOND);
    tokio::time::sleep(SECOND).await;
    behind.abort();
    request.go_through();
    answered(first).await;
    bench.no_request(40 * SECOND).await;
    bench.is_idle(0).await;
}

#[tokio::test]
async fn a_call_whose_caller_leaves_before_there_is_a_connection_is_never_sent() {
    let mut bench = Bench::start().await;
    let call = bench.call("chat", "left", 30 * SECOND);
    let request = bench.request().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert!(!request.depart());
    request.fail(NotSent::DeadlinePassed);
    bench.no_request(40 * SECOND).await;
    bench.is_idle(0).await;
}

#[tokio::test]
async fn a_call_whose_deadline_passes_before_there_is_a_connection_is_never_sent_and_told_so() {
    let mut bench = Bench::start().await;
    let call = bench.call("chat", "late", 3 * SECOND);
    let request = bench.request().await;
    let (told, spent) = end(call).await;
    assert!(matches!(told, Told::NotExecuted(_)), "{told:?}");
    assert_eq!(spent.portal, Duration::ZERO);
    assert!(spent.waiting >= 3 * SECOND, "{spent:?}");
    assert!(!request.depart());
    bench.is_idle(0).await;
}

#[tokio::test]
async fn a_deadline_that_passes_at_the_portal_is_told_with_the_time_of_both() {
    let mut bench = Bench::start().await;
    let call = bench.call("chat", "slow", 5 * SECOND);
    let request = bench.request().await;
    tokio::time::sleep(2 * SECOND).await;
    assert!(request.depart());
    let (told, spent) = end(call).await;
    assert!(matches!(told, Told::Unknown(_)), "{told:?}");
    let near = |time: Duration, expected| time.abs_diff(expected) < 100 * MS;
    assert!(
        near(spent.waiting, 2 * SECOND) && near(spent.portal, 3 * SECOND),
        "{spent:?}"
    );
    request.answer();
    bench.is_idle(1).await;
}

#[tokio::test]
async fn a_request_goes_on_when_its_caller_leaves_and_the_next_of_its_chat_waits_for_it() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat", "first", 30 * SECOND);
    let request = bench.request().await;
    assert!(request.depart());
    first.abort();
    let second = bench.call("chat", "second", 30 * SECOND);
    bench.no_request(10 * SECOND).await;
    request.answer();
    let request = bench.request().await;
    assert_eq!(request.calls, [message("second")]);
    request.go_through();
    answered(second).await;
    bench.is_idle(2).await;
}

#[tokio::test]
async fn a_batch_that_one_caller_leaves_before_there_is_a_connection_is_sent_without_its_call() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat", "1", 30 * SECOND);
    let request = bench.request().await;
    let mut behind: Vec<_> = ["2", "3", "4"]
        .map(|text| bench.call("chat", text, 30 * SECOND))
        .into();
    tokio::time::sleep(SECOND).await;
    request.go_through();
    answered(first).await;
    let request = bench.request().await;
    assert!(request.is_batch);
    behind.remove(1).abort();
    tokio::time::sleep(MS).await;
    assert!(!request.depart());
    request.fail(NotSent::DeadlinePassed);
    let request = bench.request().await;
    assert_eq!(request.calls, [message("2"), message("4")]);
    request.go_through();
    for call in behind {
        answered(call).await;
    }
    bench.is_idle(2).await;
}

#[tokio::test]
async fn a_batch_is_sent_below_the_first_of_its_calls_that_is_traced() {
    let _traces = tracing::subscriber::set_default(tracing_subscriber::registry());
    let mut bench = Bench::start().await;
    let mut call = |span: &Span| span.in_scope(|| bench.call("chat", "any", 30 * SECOND));
    let untraced = Span::none();
    let [second, third] = ["second", "third"].map(|name| tracing::info_span!("call", name));
    let calls = [&untraced, &untraced, &second, &third].map(&mut call);
    let request = bench.request().await;
    assert!(!request.is_batch);
    assert_eq!(request.span, None);
    tokio::time::sleep(SECOND).await;
    request.go_through();
    let request = bench.request().await;
    assert_eq!(request.calls.len(), 3);
    assert_eq!(request.span, second.id());
    request.go_through();
    for call in calls {
        answered(call).await;
    }
}

#[tokio::test]
async fn a_hurried_call_of_a_batch_fails_alone() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat", "1", 30 * SECOND);
    let request = bench.request().await;
    let behind: Vec<_> = [("2", 30), ("3", 10), ("4", 30)]
        .map(|(text, seconds)| bench.call("chat", text, seconds * SECOND))
        .into();
    tokio::time::sleep(SECOND).await;
    request.go_through();
    answered(first).await;
    // There is no connection until the deadline of one of them.
    let request = bench.request().await;
    assert_eq!(request.calls.len(), 3);
    let request = {
        let again = bench.request().await;
        assert!(!request.depart());
        again
    };
    assert_eq!(request.calls, [message("2"), message("4")]);
    request.go_through();
    let mut told = Vec::new();
    for call in behind {
        told.push(end(call).await.0);
    }
    assert_eq!((&told[0], &told[2]), (&Told::Answered, &Told::Answered));
    assert!(matches!(told[1], Told::NotExecuted(_)), "{told:?}");
    bench.is_idle(2).await;
}

#[tokio::test]
async fn a_panic_while_sending_ends_the_call_and_frees_all_that_it_held() {
    let mut bench = Bench::start().await;
    for was_sent in [false, true] {
        let call = bench.call("chat", "panic", 30 * SECOND);
        let request = bench.request().await;
        if was_sent {
            assert!(request.depart());
        }
        drop(request);
        let (told, _) = end(call).await;
        let is_unknown = matches!(told, Told::Unknown(_));
        assert_eq!(is_unknown, was_sent, "{told:?}");
    }
    let next = bench.call("chat", "next", 30 * SECOND);
    let request = bench.request().await;
    request.go_through();
    answered(next).await;
    bench.is_idle(2).await;
}
