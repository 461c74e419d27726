//! The news that a page of a portal gets while it watches.

use std::time::Duration;

use sandbox::demo;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::desk::*;

/// Server-sent events, as they arrive.
struct Watch {
    response: reqwest::Response,
    text: String,
}

impl Watch {
    async fn open(desk: &Desk, query: &str) -> Self {
        // Without a limit of time for the whole response.
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = desk.url(&format!("/sandbox/watch{query}"));
        let response = client.get(url).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(data) = event.strip_prefix("data: ") {
                    return serde_json::from_str(data).unwrap();
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(60), self.response.chunk());
            let chunk = chunk
                .await
                .expect("news")
                .unwrap()
                .expect("the stream goes on");
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads until an event of this kind came.
    async fn until(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await;
            if is_wanted(&event) {
                return event;
            }
        }
    }
}

#[tokio::test]
async fn a_viewer_gets_what_was_and_then_what_is_new() {
    let desk = Desk::open().await;
    desk.as_webhook(CRM, crm_call()).await.result();
    let mut watch = Watch::open(&desk, "").await;
    let first = watch.next().await;
    assert_eq!(
        (&first["anew"], first["requests"].as_array().unwrap().len()),
        (&json!(true), 1)
    );
    assert_eq!(first["messages"][0]["text"], "Message text");
    assert_eq!(first["portal"]["portal"], demo::HOST);

    desk.as_webhook(CRM, crm_call()).await.result();
    let news = watch
        .until(|event| event["requests"][0]["status"] == 200)
        .await;
    assert_eq!(
        (&news["anew"], &news["requests"][0]["sequence"]),
        (&json!(false), &json!(2))
    );
    desk.post("/sandbox/faults", json!({"fault": "junk"})).await;
    let news = watch
        .until(|event| event["portal"]["faults"][0].is_object())
        .await;
    assert_eq!(news["portal"]["faults"][0]["fault"], "junk");
    assert_eq!(news["requests"], json!([]));
    desk.sandbox.clear_record();
    watch.until(|event| event["anew"] == json!(true)).await;
}

#[tokio::test]
async fn a_request_is_shown_while_it_waits_and_again_when_it_is_answered() {
    let desk = Desk::open().await;
    let mut watch = Watch::open(&desk, "").await;
    let gate = sandbox::Gate::closed();
    desk.sandbox
        .inject(sandbox::Fault::once(sandbox::FaultKind::Held(
            sandbox::Moment::After,
            gate.clone(),
        )));
    let call = desk.as_webhook(CRM, crm_call());
    let look = async {
        let waiting =
            watch.until(|event| event["requests"][0].is_object()).await["requests"][0].clone();
        assert_eq!(
            (&waiting["status"], &waiting["answer"]),
            (&Value::Null, &Value::Null)
        );
        gate.open();
        watch
            .until(|event| event["requests"][0]["status"] == 200)
            .await
    };
    let (response, answered) = tokio::join!(call, look);
    response.result();
    assert_eq!(answered["requests"][0]["sequence"], json!(1));
}

#[tokio::test]
async fn a_viewer_that_does_not_read_is_told_what_it_lost() {
    let desk = Desk::open().await;
    let mut watch = Watch::open(&desk, "").await;
    watch.next().await;
    // More than a viewer gets at once, between two looks at the record.
    let calls = 3_000;
    for _ in 0..calls / 50 {
        let mut requests = JoinSet::new();
        for _ in 0..50 {
            requests.spawn(Desk::send(desk.post_json(&webhook("profile"), &json!({}))));
        }
        requests.join_all().await;
    }
    let (mut shown, mut left_out) = (std::collections::BTreeSet::new(), 0);
    while !shown.contains(&calls) {
        let event = watch.next().await;
        left_out += event["requests_left_out"].as_u64().unwrap();
        let requests = event["requests"].as_array().unwrap();
        assert!(requests.len() <= 200);
        shown.extend(
            requests
                .iter()
                .map(|request| request["sequence"].as_u64().unwrap()),
        );
    }
    let count = u64::try_from(shown.len()).unwrap();
    assert_eq!(count + left_out, calls);
}

#[tokio::test]
async fn sixteen_pages_may_watch_and_a_place_is_free_when_one_leaves() {
    let desk = Desk::open().await;
    let mut watches = Vec::new();
    for _ in 0..16 {
        watches.push(Watch::open(&desk, "").await);
    }
    let another = || async {
        let response = desk.client.get(desk.url("/sandbox/watch")).send();
        response.await.unwrap().status().as_u16()
    };
    assert_eq!(another().await, 503);
    watches.pop();
    // The server notices the end of a connection a little later.
    while another().await == 503 {
        tokio::task::yield_now().await;
    }
}
