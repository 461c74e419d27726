//! Calls that the portal refuses without executing them.

use super::bench::{answered, end};
use super::*;
use bitrix24::NotSent;

#[tokio::test]
async fn retries_keep_the_order_of_their_chat() {
    let mut bench = Bench::start().await;
    let calls: Vec<_> = (0..6)
        .map(|number| bench.call("chat", &number.to_string(), 30 * SECOND))
        .collect();
    let mut executed = Vec::new();
    let mut requests = 0;
    while executed.len() < calls.len() {
        let request = bench.request().await;
        assert!(request.depart());
        requests += 1;
        if requests % 2 == 1 {
            request.fail(refused(503, "QUERY_LIMIT_EXCEEDED"));
        } else {
            executed.extend(request.calls.iter().cloned());
            request.answer();
        }
    }
    let expected: Vec<String> = (0..6).map(|n| format!("{{\"MESSAGE\":\"{n}\"}}")).collect();
    assert_eq!(executed, expected);
    for call in calls {
        answered(call).await;
    }
}

#[tokio::test]
async fn calls_over_the_rate_limit_are_retried_until_the_portal_takes_them() {
    let mut bench = Bench::start().await;
    let calls: Vec<_> = (0..100)
        .map(|number| bench.call(&format!("chat {number}"), "text", 55 * SECOND))
        .collect();
    let mut executed = 0;
    let mut requests = 0;
    while executed < calls.len() {
        let request = bench.request().await;
        assert!(request.depart());
        requests += 1;
        if requests <= 6 {
            tokio::time::sleep(10 * MS).await;
            request.fail(refused(503, "QUERY_LIMIT_EXCEEDED"));
        } else {
            executed += request.calls.len();
            request.answer();
        }
    }
    for call in calls {
        answered(call).await;
    }
}

#[tokio::test]
async fn a_call_that_a_server_did_not_process_is_sent_again_at_once() {
    let mut bench = Bench::start().await;
    let begun = tokio::time::Instant::now();
    let call = bench.call("chat", "text", 30 * SECOND);
    for _ in 0..5 {
        let request = bench.request().await;
        assert!(request.depart());
        request.fail(NotSent::Unprocessed);
    }
    let request = bench.request().await;
    assert!(begun.elapsed() < SECOND);
    assert!(request.depart());
    request.answer();
    answered(call).await;
}

#[tokio::test]
async fn a_call_that_no_server_ever_processes_ends_as_not_executed() {
    let mut bench = Bench::start().await;
    let mut call = bench.call("chat", "text", 8 * SECOND);
    let mut attempts = 0;
    let told = loop {
        tokio::select! {
            told = &mut call => break told.unwrap(),
            request = bench.request() => {
                attempts += 1;
                assert!(request.depart());
                request.fail(NotSent::Unprocessed);
            }
        }
    };
    assert!(matches!(told.0, Told::NotExecuted(_)), "{:?}", told.0);
    assert!((6..50).contains(&attempts), "{attempts}");
}

#[tokio::test]
async fn a_call_that_is_refused_until_its_deadline_is_told_why() {
    let mut bench = Bench::start().await;
    let mut call = bench.call("chat", "text", 8 * SECOND);
    let mut requests = 0;
    let (told, spent) = loop {
        tokio::select! {
            ended = &mut call => break ended.unwrap(),
            request = bench.request() => {
                assert!(request.depart());
                requests += 1;
                tokio::time::sleep(100 * MS).await;
                request.fail(refused(503, "QUERY_LIMIT_EXCEEDED"));
            }
        }
    };
    assert!(requests > 3, "{requests}");
    let Told::NotExecuted(why) = told else {
        panic!("{told:?}");
    };
    assert!(why.contains("QUERY_LIMIT_EXCEEDED"), "{why}");
    assert!(
        spent.portal >= 100 * MS * requests && spent.waiting > 3 * SECOND,
        "{spent:?}"
    );
}

#[tokio::test]
async fn a_tenant_that_the_portal_blocks_asks_again_only_after_a_while_and_with_one_call() {
    let mut bench = Bench::start().await;
    let first = bench.call("chat 1", "text", 30 * SECOND);
    let waiting = bench.call("chat 1", "text", 30 * SECOND);
    let request = bench.request().await;
    assert!(request.depart());
    request.fail(refused(503, "OVERLOAD_LIMIT"));
    for call in [first, waiting, bench.call("chat 2", "text", 30 * SECOND)] {
        let Told::NotExecuted(why) = end(call).await.0 else {
            panic!("not executed");
        };
        assert!(why.contains("OVERLOAD_LIMIT"), "{why}");
    }
    bench.no_request(200 * SECOND).await;
    assert!((bench.sample("openlines_tenant_blocks_total") - 1.0).abs() < 0.1);
    tokio::time::sleep(101 * SECOND).await;
    let probe = bench.call("chat 3", "text", 30 * SECOND);
    let request = bench.request().await;
    let beside = bench.call("chat 4", "text", 30 * SECOND);
    assert!(matches!(end(beside).await.0, Told::NotExecuted(_)));
    request.go_through();
    answered(probe).await;
    let after = bench.call("chat 5", "text", 30 * SECOND);
    let request = bench.request().await;
    request.go_through();
    answered(after).await;
}
