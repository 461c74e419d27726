//! Answers that come compressed.

use std::io::Write as _;
use std::time::Duration;

use bitrix24::{
    Answer, CallError, Client, Credential, Deadlines, Method, Parameters, Policy, PortalAddress,
    SendGuard, TransportOptions, Unanswered,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::time::Instant;

use crate::portal::ScriptedPortal;

const LIMIT_BYTES: usize = 10_000;

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// What a call brings whose response has this body, with the header that says it is packed.
async fn answer(body: &[u8]) -> Result<Answer, CallError> {
    answer_as("gzip", body).await
}

/// The same, with another name for how it is packed.
async fn answer_as(encoding: &str, body: &[u8]) -> Result<Answer, CallError> {
    let encoding = format!("content-encoding: {encoding}\r\n");
    let portal = ScriptedPortal::with_status(200, &encoding, body).await;
    let policy = Policy {
        dangerous_allow_insecure: true,
        ..Policy::default()
    };
    let address = PortalAddress::parse(&format!("http://{}", portal.address), &policy).unwrap();
    let credential = Credential::Webhook {
        user_id: 1,
        secret: "s3cr3tcanary0webhook".into(),
    };
    let client = Client::new(TransportOptions {
        maximum_response_bytes: LIMIT_BYTES,
        ..TransportOptions::default()
    });
    let (parameters, guard) = (Parameters::of(&json!({})).unwrap(), SendGuard::unwatched());
    let deadlines = Deadlines::until(Instant::now() + Duration::from_secs(20));
    let method = Method::ReadScopes;
    let client = client.unwrap();
    let answer = client
        .call(
            &address,
            &credential,
            method,
            &parameters,
            deadlines,
            &guard,
        )
        .await;
    let asked = portal.only_request();
    assert_eq!(asked.header("accept-encoding"), Some("gzip"));
    answer
}

#[tokio::test]
async fn a_packed_answer_is_unpacked() {
    let text = format!(r#"{{"result": "{}"}}"#, "a".repeat(LIMIT_BYTES - 20));
    let unpacked = answer(&packed(&text)).await.unwrap();
    assert_eq!(unpacked.result.as_str().unwrap().len(), LIMIT_BYTES - 20);
}

#[tokio::test]
async fn the_other_names_of_gzip_are_known() {
    for encoding in ["GZIP", "x-gzip"] {
        let unpacked = answer_as(encoding, &packed(r#"{"result": 1}"#)).await;
        assert_eq!(unpacked.unwrap().result, json!(1), "{encoding}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_when_it_is_unpacked_is_not_read() {
    // The packed form has a thousandth of the limit.
    let text = " ".repeat(1_000 * LIMIT_BYTES);
    let oversized = Unanswered::Oversized {
        http_status: 200,
        limit_bytes: LIMIT_BYTES,
    };
    assert_eq!(answer(&packed(&text)).await, Err(oversized.into()));
}

#[tokio::test]
async fn an_answer_that_cannot_be_unpacked_to_its_end_is_none() {
    let whole = packed(r#"{"result": 1}"#);
    let lost = Err(Unanswered::ConnectionLost.into());
    for body in [&whole[..whole.len() - 1], &whole[..12], br#"{"result": 1}"#] {
        assert_eq!(answer(body).await, lost);
    }
}

#[tokio::test]
async fn an_empty_body_that_says_it_is_packed_is_empty() {
    let empty = Unanswered::Empty { http_status: 200 };
    assert_eq!(answer(b"").await, Err(empty.into()));
}
