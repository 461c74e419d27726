//! What a response says of operating time.

use bitrix24::Time;

use super::bench::{Calling, end};
use super::*;

/// Seconds of operating time that each call takes.
const SECONDS: f64 = 2.0;

#[tokio::test]
async fn calls_that_wait_for_the_first_response_are_sent_by_what_it_says() {
    let mut bench = Bench::start().await;
    let calls: Vec<Calling> = (0..500)
        .map(|number| bench.call(&format!("chat {number}"), "text", 30 * SECOND))
        .collect();
    let mut executed = 0_u32;
    let mut sent = Vec::new();
    loop {
        let request = tokio::time::timeout(50 * MS, bench.request()).await;
        if let Ok(request) = request {
            assert!(request.depart());
            executed += u32::try_from(request.calls.len()).unwrap();
            sent.push(request);
            continue;
        }
        if sent.is_empty() {
            break;
        }
        for request in sent.drain(..) {
            request.answer_with(&Time {
                operating: Some(f64::from(executed) * SECONDS),
                ..Time::default()
            });
        }
    }
    // 480 s are allowed.
    assert!((200..=240).contains(&executed), "{executed}");
    let mut refused = 0;
    for call in calls {
        match end(call).await.0 {
            Told::Answered => {}
            Told::NotExecuted(why) => {
                assert!(why.contains("operating time"), "{why}");
                refused += 1;
            }
            Told::Unknown(why) => panic!("{why}"),
        }
    }
    assert_eq!(executed + refused, 500);
}
