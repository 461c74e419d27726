//! The rate limit and the limit of operating time.

use std::time::Duration;

use sandbox::{BatchCharging, Intensity, IntensityKey, Portal, demo};
use serde_json::{Value, json};

use crate::desk::*;

/// A portal that admits this many requests and none after them.
async fn desk_with_burst(burst: u32) -> Desk {
    let desk = Desk::open().await;
    desk.sandbox.limit(|limits| {
        limits.intensity = Some(Intensity {
            burst,
            drain_per_second: 0.0,
        });
    });
    desk
}

#[tokio::test]
async fn a_full_bucket_refuses_before_anything_is_looked_at() {
    let desk = desk_with_burst(2).await;
    desk.as_webhook(CRM, crm_call()).await.result();
    desk.as_webhook("im.nothing", json!({})).await;
    let response = desk.as_webhook(CRM, crm_call()).await;
    desk.refused_with(&response, 503, "QUERY_LIMIT_EXCEEDED", "Too many requests");
    let record = desk.sandbox.record();
    assert_eq!(record.refused_with("QUERY_LIMIT_EXCEEDED"), 1);
    assert_eq!(record.executed(), 1);
}

#[tokio::test]
async fn the_bucket_drains_by_the_portals_clock() {
    let desk = Desk::open().await;
    desk.sandbox
        .limit(|limits| limits.intensity = Some(Intensity::STANDARD));
    let mut accepted = 0;
    for _ in 0..60 {
        if desk.as_webhook(CRM, crm_call()).await.status == 200 {
            accepted += 1;
        }
    }
    // Two a second drain while the requests arrive.
    assert!((50..=54).contains(&accepted), "{accepted}");
    desk.sandbox.advance_clock(Duration::from_secs(5));
    for _ in 0..10 {
        desk.as_webhook(CRM, crm_call()).await.result();
    }
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let desk = desk_with_burst(1).await;
    let body = json!({"cmd": {"a": "im.nothing", "b": "im.nothing"}});
    desk.as_webhook("batch", body.clone()).await.result();
    assert_eq!(desk.as_webhook("batch", body).await.error().0, 503);
}

#[tokio::test]
async fn portals_do_not_share_a_bucket_and_callers_only_when_told_so() {
    let other = Portal {
        host: "other.bitrix24.test".to_owned(),
        ..Portal::demo()
    };
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    desk.sandbox.limit(|limits| {
        limits.intensity = Some(Intensity {
            burst: 1,
            drain_per_second: 0.0,
        });
    });
    for (key, application) in [
        (IntensityKey::Portal, 503),
        (IntensityKey::PortalAndAddress, 503),
        (IntensityKey::PortalAddressAndCaller, 200),
    ] {
        desk.sandbox.limit(|_| {});
        desk.sandbox.switch(|switches| switches.intensity_key = key);
        assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 200);
        assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 503);
        assert_eq!(
            desk.as_application(CRM, crm_call()).await.status,
            application
        );
        let elsewhere = desk
            .post_json(&webhook(CRM), &crm_call())
            .header("host", "other.bitrix24.test");
        assert_eq!(Desk::send(elsewhere).await.unwrap().status, 200);
    }
}

/// A portal with ten seconds of operating time, on which every call counts as six.
async fn desk_with_operating_limit() -> Desk {
    let desk = Desk::open().await;
    desk.sandbox.limit(|limits| {
        limits.operating_limit_seconds = Some(10.0);
        limits.operating_seconds_per_call = Some(6.0);
    });
    desk
}

fn operating(answer: &Value) -> f64 {
    answer["operating"].as_f64().unwrap()
}

#[tokio::test]
async fn the_call_that_crosses_the_line_completes_and_the_next_is_refused() {
    let desk = desk_with_operating_limit().await;
    for used in [6.0, 12.0] {
        let response = desk.as_webhook(CRM, crm_call()).await.json();
        assert_eq!(operating(&response["time"]), used);
        let reset_at = response["time"]["operating_reset_at"].as_i64().unwrap();
        let start = response["time"]["start"].as_i64().unwrap();
        assert!((599..=600).contains(&(reset_at - start)));
    }
    let response = desk.as_webhook(CRM, crm_call()).await;
    let text = "Method is blocked due to operation time limit.";
    desk.refused_with(&response, 429, "OPERATION_TIME_LIMIT", text);
    // Only this method, for this caller, for ten minutes.
    desk.as_webhook(NETWORK, network_call()).await.result();
    desk.as_application(CRM, crm_call()).await.result();
    desk.sandbox.advance_clock(Duration::from_secs(601));
    desk.as_webhook(CRM, crm_call()).await.result();
}

fn commands() -> Value {
    let command = format!(
        "{CRM}?CRM_ENTITY_TYPE=lead&CRM_ENTITY={}&USER_ID={}&CHAT_ID={}&MESSAGE=x",
        demo::LEAD,
        demo::MEMBER,
        demo::CHAT
    );
    json!({"cmd": {"a": command, "b": command, "c": command}})
}

#[tokio::test]
async fn in_a_batch_the_commands_are_charged_and_refused_one_by_one() {
    let desk = desk_with_operating_limit().await;
    let result = desk.as_webhook("batch", commands()).await.result();
    assert_eq!(operating(&result["result_time"]["a"]), 6.0);
    assert_eq!(operating(&result["result_time"]["b"]), 12.0);
    assert_eq!(
        result["result_error"]["c"]["error"],
        json!("OPERATION_TIME_LIMIT")
    );
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 429);
}

#[tokio::test]
async fn by_the_other_model_the_batch_is_charged_with_everything() {
    let desk = desk_with_operating_limit().await;
    desk.sandbox
        .switch(|switches| switches.batch_charging = BatchCharging::Batch);
    let response = desk.as_webhook("batch", commands()).await;
    let result = response.result();
    for key in ["a", "b", "c"] {
        assert_eq!(operating(&result["result_time"][key]), 18.0);
    }
    assert_eq!(operating(&response.json()["time"]), 18.0);
    assert_eq!(desk.as_webhook("batch", commands()).await.error().0, 429);
    // The method by itself has read nothing of it.
    let single = desk.as_webhook(CRM, crm_call()).await.json();
    assert_eq!(operating(&single["time"]), 6.0);
}

#[tokio::test]
async fn limits_are_read_and_set_through_the_controls() {
    let desk = Desk::open().await;
    let call = async |body: Value| {
        let request = desk.client.post(desk.url("/sandbox/limits"));
        Desk::send(request.body(body.to_string())).await.unwrap()
    };
    let set = json!({"intensity": "enterprise", "command_latency_ms": 3});
    let limits = call(set).await.json()["limits"][demo::HOST].clone();
    assert_eq!(
        limits,
        json!({
            "intensity": {"burst": 250, "drain_per_second": 5.0}, "operating_limit_seconds": null,
            "operating_seconds_per_call": null, "request_latency_ms": 0, "command_latency_ms": 3,
        })
    );
    let own = json!({"portal": demo::HOST, "intensity": {"burst": 1, "drain_per_second": 0.5}});
    let limits = call(own).await.json()["limits"][demo::HOST].clone();
    assert_eq!(
        (&limits["intensity"]["burst"], &limits["command_latency_ms"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 200);
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 503);
    for (body, field) in [
        (json!({"intensity": "fast"}), "intensity"),
        (
            json!({"intensity": {"burst": 0, "drain_per_second": 1}}),
            "intensity",
        ),
        (json!({"portal": "nowhere"}), "portal"),
        (json!({"speed": 1}), "speed"),
    ] {
        let response = call(body).await;
        assert_eq!(
            (response.status, response.json()["field"].as_str()),
            (400, Some(field))
        );
    }
    call(json!({"intensity": "none"})).await;
    desk.as_webhook(CRM, crm_call()).await.result();
}
