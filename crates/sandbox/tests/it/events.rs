//! Events that a portal sends to an application.

use std::collections::HashMap;

use sandbox::{Event, EventKind, decode_form, demo};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::desk::*;

/// A handler for one request, which gets this status. Returns its address and what it reads.
async fn handler(status: u16) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/install?x=1", listener.local_addr().unwrap());
    let read = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..read]);
            let text = String::from_utf8_lossy(&request).into_owned();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .unwrap();
            if body.len() >= length.parse().unwrap() {
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
                return text;
            }
        }
    });
    (address, read)
}

#[tokio::test]
async fn an_installation_brings_tokens_that_work() {
    let desk = Desk::open().await;
    desk.sandbox.alter(demo::HOST, |portal| {
        portal.applications[0].installed = false
    });
    let (address, read) = handler(200).await;
    let event = Event::new(EventKind::AppInstall, address);
    assert_eq!(
        desk.sandbox.send_event(demo::HOST, &event).await.unwrap(),
        200
    );
    let request = read.await.unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /install?x=1 HTTP/1.1"), "{head}");
    assert!(head.contains("application/x-www-form-urlencoded"));
    let form = Value::Object(decode_form(body));
    let auth = &form["auth"];
    assert_eq!(form["event"], json!("ONAPPINSTALL"));
    assert_eq!(form["data"]["INSTALLED"], json!("Y"));
    assert_eq!(auth["expires_in"], json!("3600"));
    assert_eq!(auth["application_token"], json!(demo::APPLICATION_TOKEN));
    assert_eq!(auth["domain"], json!(desk.sandbox.address().to_string()));
    assert_eq!(auth["client_endpoint"], json!(desk.url("/rest/")));
    let token = auth["access_token"].as_str().unwrap();
    let path = format!("/rest/{CRM}?auth={token}");
    Desk::send(desk.post_json(&path, &crm_call()))
        .await
        .unwrap()
        .result();
}

#[tokio::test]
async fn an_uninstallation_has_no_tokens_and_ends_the_old_ones() {
    let desk = Desk::open().await;
    let (address, read) = handler(500).await;
    let event = Event::new(EventKind::AppUninstall, address);
    assert_eq!(
        desk.sandbox.send_event(demo::HOST, &event).await.unwrap(),
        500
    );
    let request = read.await.unwrap();
    let form = Value::Object(decode_form(request.split_once("\r\n\r\n").unwrap().1));
    assert_eq!(form["data"], json!({"LANGUAGE_ID": "en", "CLEAN": "1"}));
    assert!(form["auth"].get("access_token").is_none() && form["auth"]["member_id"].is_string());
}

#[tokio::test]
async fn the_control_sends_an_event_with_other_values_and_tells_what_became_of_it() {
    let desk = Desk::open().await;
    let post = async |body: Value| {
        let request = desk.client.post(desk.url("/sandbox/events"));
        Desk::send(request.body(body.to_string())).await.unwrap()
    };
    let (address, read) = handler(204).await;
    let replace: HashMap<&str, Value> = HashMap::from([
        ("auth[application_token]", json!("forged")),
        ("auth[refresh_token]", json!(null)),
        ("data[NEW]", json!("1")),
    ]);
    let body = json!({"event": "onappinstall", "handler": address, "replace": replace});
    assert_eq!(
        post(body).await.json(),
        json!({"delivered": true, "status": 204})
    );
    let request = read.await.unwrap();
    let form = Value::Object(decode_form(request.split_once("\r\n\r\n").unwrap().1));
    assert_eq!(form["auth"]["application_token"], json!("forged"));
    assert!(form["auth"].get("refresh_token").is_none() && form["data"]["NEW"] == json!("1"));

    let gone = post(json!({"event": "ONAPPINSTALL", "handler": "http://127.0.0.1:1/"}))
        .await
        .json();
    assert_eq!(gone["delivered"], json!(false));
    for (body, field) in [
        (
            json!({"event": "ONOTHER", "handler": "http://127.0.0.1:1/"}),
            "event",
        ),
        (
            json!({"event": "ONAPPINSTALL", "handler": "http://10.0.0.1/"}),
            "handler",
        ),
        (json!({"event": "ONAPPINSTALL"}), "handler"),
        (
            json!({"event": "ONAPPINSTALL", "handler": "http://127.0.0.1:1/", "client_id": "x"}),
            "client_id",
        ),
    ] {
        let response = post(body).await;
        assert_eq!(
            (response.status, response.json()["field"].as_str()),
            (400, Some(field))
        );
    }
}
