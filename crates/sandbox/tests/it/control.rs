//! The control interface below `/sandbox/`.

use sandbox::demo;
use serde_json::{Value, json};

use crate::desk::*;

impl Desk {
    async fn control(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        let request = self
            .client
            .request(method, self.url(path))
            .body(body.to_string());
        let response = Self::send(request).await.unwrap();
        (response.status, response.json())
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.control(reqwest::Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, document) = self.control(reqwest::Method::GET, path, json!({})).await;
        assert_eq!(status, 200);
        document
    }

    async fn delete(&self, path: &str) {
        assert_eq!(
            self.control(reqwest::Method::DELETE, path, json!({}))
                .await
                .0,
            200
        );
    }
}

#[tokio::test]
async fn the_record_can_be_read_and_cleared() {
    let desk = Desk::open().await;
    let id = desk.as_webhook(CRM, crm_call()).await.result();
    let entry = desk.get("/sandbox/record").await["entries"][0].clone();
    let expected = json!({
        "sequence": 1, "time": entry["time"], "portal": demo::HOST, "method": CRM, "auth": "webhook",
        "executed": true, "bucket": null, "fault": null, "status": 200, "error": null,
        "commands": [], "grant": null,
        "deliveries": [{
            "kind": "crm", "entity_type": "lead", "entity": 1195, "user_id": 27, "chat_id": 1341,
            "text": "Message text", "message_id": id,
        }],
    });
    assert_eq!(entry, expected);
    desk.delete("/sandbox/record").await;
    assert_eq!(desk.get("/sandbox/record").await, json!({"entries": []}));
}

#[tokio::test]
async fn faults_can_be_added_listed_and_cleared_and_do_not_hit_control_requests() {
    let desk = Desk::open().await;
    let (status, _) = desk
        .post(
            "/sandbox/faults",
            json!({"fault": "html_after", "status": 502, "next": 1}),
        )
        .await;
    assert_eq!(status, 200);
    let fault =
        json!({"fault": "refuse", "code": "query_limit_exceeded", "always": true, "method": CRM});
    desk.post("/sandbox/faults", fault).await;
    assert_eq!(
        desk.get("/sandbox/faults").await["faults"],
        json!([
            {"id": 1, "fault": "html_after", "executes": true, "schedule": {"next": 1}, "method": null, "portal": null, "client_id": null, "seen": 0},
            {"id": 2, "fault": "refuse", "executes": false, "schedule": "always", "method": CRM, "portal": null, "client_id": null, "seen": 0},
        ])
    );
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 502);
    assert_eq!(
        desk.as_webhook(CRM, crm_call()).await.error().1,
        "QUERY_LIMIT_EXCEEDED"
    );
    desk.delete("/sandbox/faults").await;
    desk.as_webhook(CRM, crm_call()).await.result();
    assert_eq!(desk.sandbox.record().entries.len(), 3);
}

#[tokio::test]
async fn every_fault_has_a_name_that_the_control_interface_takes() {
    let desk = Desk::open().await;
    let plain = [
        "reset_before",
        "reset_after",
        "close_before",
        "close_after",
        "silence_before",
        "silence_after",
        "plain_text_before",
        "plain_text_after",
        "empty_before",
        "empty_after",
        "expired_token",
        "cut_off",
        "truncated",
        "wrong_content_type",
        "junk",
        "wrong_encoding",
        "invalid_json",
        "null",
        "array",
        "no_result",
        "no_time",
        "command_omit_before",
        "command_omit_after",
    ];
    let mut bodies: Vec<Value> = plain
        .iter()
        .map(|name| json!({"fault": name, "every": 2}))
        .collect();
    bodies.extend([
        json!({"fault": "slow_before", "delay_ms": 5}),
        json!({"fault": "slow_after", "delay_ms": 5}),
        json!({"fault": "html_before", "status": 504}),
        json!({"fault": "html_after", "status": 504}),
        json!({"fault": "redirect", "origin": "https://new.bitrix24.test"}),
        json!({"fault": "refuse", "code": "OVERLOAD_LIMIT", "status": 200}),
        json!({"fault": "oversized", "bytes": 5}),
        json!({"fault": "command_refuse", "code": "OPERATION_TIME_LIMIT"}),
        json!({"fault": "command_fail", "code": "INTERNAL_SERVER_ERROR"}),
        json!({"fault": "scripted", "status": 200, "content_type": "a/b", "body": "", "executed": true}),
    ]);
    for body in bodies {
        desk.delete("/sandbox/faults").await;
        let (status, answer) = desk.post("/sandbox/faults", body.clone()).await;
        assert_eq!(
            (status, &answer["faults"][0]["fault"]),
            (200, &body["fault"]),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn switches_change_one_by_one() {
    let desk = Desk::open().await;
    let (_, all) = desk
        .post(
            "/sandbox/switches",
            json!({"error_dialect": "old", "attach_limit": 5}),
        )
        .await;
    assert_eq!(
        (&all["error_dialect"], &all["attach_limit"], &all["ids"]),
        (&json!("old"), &json!(5), &json!("text"))
    );
    let response = desk.as_application(CONNECTOR, json!({})).await;
    assert_eq!(response.error().1, "CONNECTOR");
    desk.delete("/sandbox/switches").await;
    assert_eq!(
        desk.get("/sandbox/switches").await["error_dialect"],
        json!("current")
    );
}

#[tokio::test]
async fn the_clock_moves_forward_and_tokens_change_state() {
    let desk = Desk::open().await;
    desk.as_webhook(NETWORK, network_call()).await.result();
    assert_eq!(
        desk.post("/sandbox/clock", json!({"advance_seconds": 604_800}))
            .await
            .0,
        200
    );
    desk.as_webhook(NETWORK, network_call()).await.result();

    let expire = json!({"token": demo::ACCESS_TOKEN, "state": "expired"});
    assert_eq!(desk.post("/sandbox/tokens", expire).await.0, 200);
    assert_eq!(
        desk.as_application(CRM, crm_call()).await.error().1,
        "expired_token"
    );
}

#[tokio::test]
async fn message_rules_can_be_set_and_cleared() {
    let desk = Desk::open().await;
    desk.post(
        "/sandbox/message-rules",
        json!({"message_id": "m", "error": "no"}),
    )
    .await;
    let call = connector_call(&[message("u", "m", "t")]);
    let result = desk.as_application(CONNECTOR, call.clone()).await.result();
    assert_eq!(result["DATA"]["RESULT"][0]["ERRORS"], json!(["no"]));
    desk.delete("/sandbox/message-rules").await;
    let result = desk.as_application(CONNECTOR, call).await.result();
    assert_eq!(result["DATA"]["RESULT"][0]["SUCCESS"], json!(true));
}

#[tokio::test]
async fn a_wrong_body_is_refused_with_the_name_of_its_field() {
    let desk = Desk::open().await;
    for (path, body, field) in [
        ("faults", json!([]), ""),
        ("faults", json!({}), "fault"),
        ("faults", json!({"fault": "flood"}), "fault"),
        ("faults", json!({"fault": "null", "next": 0}), "next"),
        ("faults", json!({"fault": "null", "every": -1}), "every"),
        (
            "faults",
            json!({"fault": "null", "next": 1, "every": 2}),
            "every",
        ),
        (
            "faults",
            json!({"fault": "null", "next": 1, "always": true}),
            "always",
        ),
        ("faults", json!({"fault": "null", "status": 502}), "status"),
        ("faults", json!({"fault": "html_after"}), "status"),
        (
            "faults",
            json!({"fault": "html_after", "status": 99}),
            "status",
        ),
        (
            "faults",
            json!({"fault": "slow_after", "delay_ms": "long"}),
            "delay_ms",
        ),
        ("faults", json!({"fault": "refuse", "code": "NOPE"}), "code"),
        (
            "faults",
            json!({"fault": "redirect", "origin": "new.bitrix24.test/"}),
            "origin",
        ),
        (
            "faults",
            json!({"fault": "scripted", "status": 200, "content_type": "a\n", "body": ""}),
            "content_type",
        ),
        (
            "switches",
            json!({"error_dialect": "ancient"}),
            "error_dialect",
        ),
        ("switches", json!({"colour": "red"}), "colour"),
        ("clock", json!({"advance_seconds": -1}), "advance_seconds"),
        ("clock", json!({"advance_seconds": 1, "back": true}), "back"),
        (
            "tokens",
            json!({"token": "unknown", "state": "expired"}),
            "token",
        ),
        (
            "tokens",
            json!({"token": demo::ACCESS_TOKEN, "state": "lost"}),
            "state",
        ),
        ("message-rules", json!({"text": "x"}), "error"),
    ] {
        let (status, answer) = desk.post(&format!("/sandbox/{path}"), body.clone()).await;
        assert_eq!(
            (status, answer["field"].as_str()),
            (400, Some(field)),
            "{body} {answer}"
        );
    }
    assert_eq!(desk.get("/sandbox/faults").await, json!({"faults": []}));
    let (status, _) = desk.post("/sandbox/nothing", json!({})).await;
    assert_eq!(status, 404);
    let (status, _) = desk.post("/sandbox/record", json!({})).await;
    assert_eq!(status, 405);
    assert_eq!(desk.sandbox.record().entries.len(), 0);
}
