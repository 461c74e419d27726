//! What proxies and firewalls in front of a portal do, and what old portals do to their answers.

use std::time::Duration;

use http::{HeaderValue, Version, header};
use sandbox::{Damage, Fault, FaultKind, Moment, OwnAuthority, PHP_NOTICE, Portal, Sandbox, demo};
use serde_json::json;

use crate::desk::*;

#[tokio::test]
async fn junk_stands_around_the_right_document() {
    let desk = Desk::open().await;
    for (body, before, after) in [
        (json!({"fault": "junk"}), PHP_NOTICE, ""),
        (
            json!({"fault": "junk", "before": "\u{feff}", "after": "<!-- -->"}),
            "\u{feff}",
            "<!-- -->",
        ),
    ] {
        desk.post("/sandbox/faults", body).await;
        let response = desk.as_webhook(CRM, crm_call()).await;
        let document = response.body.strip_prefix(before).unwrap();
        let document = document.strip_suffix(after).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(document).unwrap()["result"].is_number());
    }
    assert_eq!(desk.sandbox.record().executed(), 2);
}

#[tokio::test]
async fn texts_may_be_in_another_encoding_than_utf_8() {
    let desk = Desk::open().await;
    let encoded = Fault::next(2, FaultKind::Damage(Damage::WrongEncoding));
    desk.sandbox.inject(encoded);
    for method in [CRM, "no.such.method"] {
        let request = desk.post_json(&webhook(method), &crm_call());
        let body = request.send().await.unwrap().bytes().await.unwrap();
        assert!(String::from_utf8(body.to_vec()).is_err(), "{method}");
        // The first letter of the text.
        assert!(body.contains(&0xcf), "{method}");
    }
    desk.post(
        "/sandbox/faults",
        json!({"fault": "scripted", "status": 400, "executed": false,
               "content_type": "application/json; charset=windows-1251", "body": "Ёж"}),
    )
    .await;
    let request = desk.post_json(&webhook(CRM), &crm_call());
    let body = request.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(body[..], [0xa8, 0xe6]);
}

#[tokio::test]
async fn a_page_has_the_headers_that_were_given() {
    let desk = Desk::open().await;
    let (status, _) = desk
        .post(
            "/sandbox/faults",
            json!({"fault": "html_before", "status": 429, "headers": {"Retry-After": "30"}}),
        )
        .await;
    assert_eq!(status, 200);
    let request = desk.post_json(&webhook(CRM), &crm_call());
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[header::RETRY_AFTER], "30");
    for headers in [
        json!({"bad name": "x"}),
        json!({"x": "a\nb"}),
        json!({"x": 1}),
    ] {
        let body = json!({"fault": "html_before", "status": 429, "headers": headers});
        let (status, problem) = desk.post("/sandbox/faults", body).await;
        assert_eq!((status, &problem["field"]), (400, &json!("headers")));
    }
    let limited = FaultKind::Html(Moment::Before, 503);
    let wait = HeaderValue::from_static("1");
    desk.sandbox
        .inject(Fault::once(limited).with_header(header::RETRY_AFTER, wait));
    let request = desk.post_json(&webhook(CRM), &crm_call());
    assert_eq!(
        request.send().await.unwrap().headers()[header::RETRY_AFTER],
        "1"
    );
}

#[tokio::test]
async fn one_application_is_blocked_and_the_others_are_not() {
    let desk = Desk::open().await;
    desk.post(
        "/sandbox/faults",
        json!({"fault": "refuse", "code": "OVERLOAD_LIMIT", "client_id": demo::CLIENT_ID, "always": true}),
    )
    .await;
    for _ in 0..2 {
        let blocked = desk.as_application(CRM, crm_call()).await;
        assert_eq!(
            (blocked.status, blocked.error_code()),
            (503, "OVERLOAD_LIMIT".to_owned())
        );
    }
    desk.as_webhook(CRM, crm_call()).await.result();
    let listed = desk.get("/sandbox/faults").await;
    assert_eq!(listed["faults"][0]["client_id"], demo::CLIENT_ID);
}

#[tokio::test]
async fn a_connection_ends_with_its_last_request() {
    let desk = Desk::open().await;
    desk.post("/sandbox/switches", json!({"connection_requests": 2}))
        .await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut closed = Vec::new();
    for _ in 0..4 {
        let request = client
            .post(desk.url(&webhook(CRM)))
            .header("content-type", "application/json")
            .body(crm_call().to_string());
        let response = request.send().await.unwrap();
        closed.push(response.headers().contains_key(header::CONNECTION));
        response.bytes().await.unwrap();
    }
    assert_eq!(closed, [false, true, false, true]);
}

#[tokio::test]
async fn a_connection_without_requests_ends() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let desk = Desk::open().await;
    desk.post("/sandbox/switches", json!({"connection_idle_ms": 50}))
        .await;
    let mut stream = tokio::net::TcpStream::connect(desk.sandbox.address())
        .await
        .unwrap();
    let request = "GET /nothing HTTP/1.1\r\nhost: demo.bitrix24.test\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    // Ends when the other side closes.
    stream.read_to_end(&mut received).await.unwrap();
    assert!(received.starts_with(b"HTTP/1.1 404"));
    desk.sandbox.inject(Fault::once(FaultKind::Slow(
        Moment::Before,
        Duration::from_millis(200),
    )));
    desk.as_webhook(CRM, crm_call()).await.result();
}

/// A sandbox over TLS with its own authority, and a client that trusts that.
async fn secure(switches: &str) -> Desk {
    let issued = OwnAuthority::issue(vec!["localhost".to_owned()]).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start_secure(listener, vec![Portal::demo()], issued.identity).unwrap();
    sandbox.switch_json(switches).unwrap();
    let root = reqwest::Certificate::from_pem(issued.authority.as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", sandbox.address())
        .no_proxy()
        .build()
        .unwrap();
    Desk { sandbox, client }
}

fn call(desk: &Desk) -> reqwest::RequestBuilder {
    let port = desk.sandbox.address().port();
    desk.client
        .post(format!("https://localhost:{port}{}", webhook(CRM)))
        .header("content-type", "application/json")
        .body(crm_call().to_string())
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_switched_on() {
    for (switches, version) in [
        ("{}", Version::HTTP_11),
        (r#"{"http2": true}"#, Version::HTTP_2),
    ] {
        let desk = secure(switches).await;
        let response = call(&desk).send().await.unwrap();
        assert_eq!(
            (response.version(), response.status().as_u16()),
            (version, 200)
        );
        assert_eq!(
            desk.sandbox.record().entries[0].portal,
            "demo.bitrix24.test"
        );
    }
}

#[tokio::test]
async fn a_goaway_names_the_last_request_and_later_ones_do_not_reach_the_portal() {
    let desk = secure(r#"{"http2": true, "connection_requests": 3}"#).await;
    // A connection is there before the others begin, so that they share it.
    call(&desk).send().await.unwrap();
    desk.sandbox.inject(Fault::always(FaultKind::Slow(
        Moment::Before,
        Duration::from_millis(100),
    )));
    let calls = (0..10).map(|_| call(&desk).send());
    let ended = futures_util::future::join_all(calls).await;
    let answered = ended.iter().filter(|ended| ended.is_ok()).count();
    // Those that were not processed may have been sent again by the client, or failed.
    assert!(answered >= 2, "{ended:?}");
    let executed = desk.sandbox.record().executed();
    assert_eq!(
        executed,
        answered + 1,
        "nothing was executed without an answer"
    );
}

#[tokio::test]
async fn who_does_not_know_the_authority_does_not_connect() {
    let desk = secure("{}").await;
    let stranger = reqwest::Client::builder()
        .resolve("localhost", desk.sandbox.address())
        .no_proxy()
        .build()
        .unwrap();
    let port = desk.sandbox.address().port();
    let refused = stranger
        .get(format!("https://localhost:{port}/"))
        .send()
        .await;
    assert!(refused.unwrap_err().is_connect());
    assert!(OwnAuthority::issue(vec!["ü".to_owned()]).is_err());
}

#[tokio::test]
async fn names_have_the_address_of_a_translator() {
    let desk = Desk::open().await;
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let prefix = sandbox::Nat64Prefix::parse("2001:db8:64::/96").unwrap();
    let resolver = desk
        .sandbox
        .resolve_names(socket, prefix, [93, 184, 216, 34].into())
        .unwrap();
    let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut query = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    query.extend_from_slice(b"\x03crm\x04acme\x07example\x00\x00\x1c\x00\x01");
    client.send_to(&query, resolver).await.unwrap();
    let mut answer = [0; 512];
    let (length, _) = client.recv_from(&mut answer).await.unwrap();
    let expected: std::net::Ipv6Addr = "2001:db8:64::5db8:d822".parse().unwrap();
    assert!(answer[..length].ends_with(&expected.octets()));
}

#[test]
fn faults_and_switches_are_read_from_a_text() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let desk = Desk::open().await;
        desk.sandbox.inject_json(r#"{"fault": "junk"}"#).unwrap();
        let wrong = desk.sandbox.inject_json(r#"{"fault": "none"}"#);
        assert_eq!(wrong.unwrap_err(), "fault \"none\" is not a fault");
        let wrong = desk.sandbox.switch_json(r#"{"none": 1}"#).unwrap_err();
        assert!(wrong.starts_with("none "), "{wrong}");
        assert!(desk.sandbox.switch_json("x").is_err());
    });
}
