//! What is turned away at the door, and how.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::install::EventResult;
use sandbox::demo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::house::{APPLICATION, House, install};

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends these bytes and gives the status line of the answer; empty if there is none.
async fn raw(house: &House, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

async fn post(house: &House, path: &str, content_type: &str, body: &str) -> u16 {
    let url = format!("http://{}{path}", house.address);
    let request = house.client.post(url).body(body.to_owned());
    let request = request.header("content-type", content_type);
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_is_no_event_is_answered_with_what_is_wrong_with_it() {
    let house = House::open().await;
    let form = house.form(demo::HOST, install());
    let path = "/bitrix24/events/chat";
    let without_token = form.replace("application_token", "another_field");
    let twice = format!("{form}&auth[member_id]=b");
    let large = format!("{form}&padding={}", "x".repeat(66_000));
    let cases = [
        ("/bitrix24/events/unknown", FORM, form.as_str(), 404),
        ("/bitrix24/events/", FORM, &form, 404),
        ("/bitrix24/events/chat/more", FORM, &form, 404),
        ("/", FORM, &form, 404),
        (path, "application/json", &form, 415),
        (path, "multipart/form-data; boundary=x", &form, 415),
        (path, FORM, "", 400),
        (path, FORM, "event=ONAPPINSTALL", 400),
        (path, FORM, "event=ONAPPUNINSTALL&ts=1", 400),
        (path, FORM, "{}", 400),
        (path, FORM, &without_token, 400),
        (path, FORM, &twice, 400),
        (path, FORM, &large, 413),
    ];
    for (path, content_type, body, expected) in cases {
        let status = post(&house, path, content_type, body).await;
        assert_eq!(status, expected, "{path} {content_type} {}", body.len());
    }
    house.comes_to("other", EventResult::Malformed, 13).await;
    assert!(house.tenants().await.is_empty());
    let with_parameters = format!("{FORM}; charset=UTF-8");
    assert_eq!(post(&house, path, &with_parameters, &form).await, 200);
    house.comes_to("install", EventResult::Created, 1).await;
}

#[tokio::test]
async fn only_post_is_a_method() {
    let house = House::open().await;
    for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request = format!("{method} /bitrix24/events/chat HTTP/1.1\r\nhost: x\r\n\r\n");
        let status = raw(&house, request.as_bytes()).await;
        assert_eq!(status, "HTTP/1.1 405 Method Not Allowed", "{method}");
    }
    let response = house.client.get(house.handler(APPLICATION)).send();
    let response = response.await.unwrap();
    assert_eq!(response.headers()["allow"], "POST");
}

#[tokio::test]
async fn other_events_are_accepted_and_ignored() {
    let house = House::open().await;
    for name in ["ONAPPUPDATE", "ONIMCONNECTORMESSAGEADD"] {
        let body = format!("event={name}&auth[member_id]=a1");
        assert_eq!(house.post(APPLICATION, &body).await, 200);
    }
    house.comes_to("other", EventResult::Ignored, 2).await;
    assert_eq!(house.questions(), 0);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let house = House::open().await;
    let head = format!(
        "POST /bitrix24/events/chat HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 65537\r\n\r\n"
    );
    assert_eq!(
        raw(&house, head.as_bytes()).await,
        "HTTP/1.1 413 Payload Too Large"
    );
}

#[tokio::test]
async fn a_body_without_a_length_ends_at_the_limit() {
    let house = House::open().await;
    let head = format!(
        "POST /bitrix24/events/chat HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("{:x}\r\n{}\r\n", 65_537, "x".repeat(65_537));
    let status = raw(&house, (head + &chunk).as_bytes()).await;
    assert_eq!(status, "HTTP/1.1 413 Payload Too Large");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_turned_away() {
    let house = House::open().await;
    let head = format!(
        "POST /bitrix24/events/chat HTTP/1.1\r\nx: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let status = raw(&house, head.as_bytes()).await;
    assert!(status.is_empty() || status.contains("431"), "{status}");
}

#[tokio::test]
async fn a_client_that_is_slow_on_purpose_is_cut() {
    let house = House::open().await;
    for sent in ["", "POST /bitrix24/events/chat HTTP/1.1\r\nhost:"] {
        let begun = Instant::now();
        let status = raw(&house, sent.as_bytes()).await;
        assert!(status.is_empty() || status.contains("408"), "{status}");
        let took = begun.elapsed();
        assert!((4..8).contains(&took.as_secs()), "{took:?}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut() {
    let house = House::open().await;
    let begun = Instant::now();
    let head = format!(
        "POST /bitrix24/events/chat HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 100\r\n\r\nevent="
    );
    assert_eq!(raw(&house, head.as_bytes()).await, "");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_connection_carries_one_request() {
    let house = House::open().await;
    let request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    let mut stream = TcpStream::connect(house.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 404").count(), 1, "{answer}");
}
