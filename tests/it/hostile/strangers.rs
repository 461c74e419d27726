//! Peers that have shown no valid credential.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tonic::Code;

use super::answered;
use crate::server::told;
use crate::support::World;
use crate::support::admin::{free_address, sample};
use crate::support::raw::{RawClient, SERVICE, framed};
use crate::support::requests::crm_message;

const SEND: &str = "/openlines.v1.OpenLinesService/SendCrmMessage";

/// The body of a request whose second half never arrives.
fn half() -> impl futures_util::Stream<Item = Bytes> {
    stream::iter([framed(&[0; 1000]).slice(..500)]).chain(stream::pending())
}

#[tokio::test]
async fn a_call_without_a_valid_key_is_answered_from_its_headers() {
    let world = World::start().await;
    let client = RawClient::connect(world.service.address).await;
    let right = format!("Bearer {}", world.service.key.expose());
    let unknown = format!("{}0", &right[..right.len() - 1]);
    let missing: &[(&str, &str)] = &[];
    for (headers, reason) in [
        (missing, "CREDENTIALS_MISSING"),
        (&[("authorization", "Basic eDp5")], "CREDENTIALS_INVALID"),
        (&[("authorization", &unknown)], "CREDENTIALS_INVALID"),
        (
            &[("authorization", &right), ("authorization", &right)],
            "CREDENTIALS_INVALID",
        ),
    ] {
        for path in ["SendCrmMessage", "NoSuchOperation"] {
            let path = format!("{SERVICE}/{path}");
            let answered = client.call_bytes(&path, headers, half());
            let answered = tokio::time::timeout(Duration::from_secs(10), answered);
            let answer = answered.await.expect("answered at once").unwrap();
            assert!(
                answer.headers.contains_key("grpc-status"),
                "a response of headers only"
            );
            assert_eq!(
                told(&answer.status()),
                format!("UNAUTHENTICATED {reason} not_executed")
            );
        }
    }
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn refusals_beyond_the_allowance_of_a_connection_are_late() {
    let world = World::with_settings(&[("SERVER_STRANGERS_REFUSALS_PER_SECOND", "4")]).await;
    let client = RawClient::connect(world.service.address).await;
    let begun = Instant::now();
    for number in 0..8 {
        let answer = client.call(SEND, &[], &crm_message("x")).await;
        assert_eq!(answer.status().code(), Code::Unauthenticated, "{number}");
    }
    // Four at once, and four that are a quarter of a second apart.
    assert!(
        begun.elapsed() >= Duration::from_millis(700),
        "{:?}",
        begun.elapsed()
    );
    answered(&world).await;
}

#[tokio::test]
async fn a_connection_that_goes_on_without_a_valid_credential_is_closed() {
    let world = World::with_settings(&[("SERVER_STRANGERS_REFUSALS_PER_SECOND", "4")]).await;
    let client = RawClient::connect(world.service.address).await;
    let calls = (0..50).map(|_| {
        let client = client.clone();
        async move {
            let body = stream::iter([framed(&[])]);
            client.call_bytes(SEND, &[], body).await
        }
    });
    // Each is answered, or was never accepted.
    for answer in join_all(calls).await.into_iter().flatten() {
        assert_eq!(answer.status().code(), Code::Unauthenticated);
    }
    let end = Instant::now() + Duration::from_secs(20);
    while client.is_open() {
        assert!(Instant::now() < end, "it is open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    answered(&world).await;
}

/// A proxy carries the calls of many over one connection.
#[tokio::test]
async fn a_connection_with_calls_of_known_callers_is_neither_slowed_nor_closed() {
    let world = World::with_settings(&[("SERVER_STRANGERS_REFUSALS_PER_SECOND", "1")]).await;
    let client = RawClient::connect(world.service.address).await;
    let key = format!("Bearer {}", world.service.key.expose());
    for number in 0..30 {
        let headers: &[(&str, &str)] = match number % 3 {
            0 => &[("authorization", &key)],
            _ => &[],
        };
        let answer = client.call(SEND, headers, &crm_message("text")).await;
        let expected = if number % 3 == 0 {
            Code::Ok
        } else {
            Code::Unauthenticated
        };
        assert_eq!(answer.status().code(), expected, "{number}");
    }
    assert_eq!(world.sandbox.record().entries.len(), 10);
}

#[tokio::test]
async fn refused_strangers_are_counted_by_reason() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    let client = RawClient::connect(world.service.address).await;
    for value in ["nonsense", "Bearer nonsense"] {
        let headers = [("authorization", value)];
        client.call(SEND, &headers, &crm_message("x")).await;
    }
    client.call(SEND, &[], &crm_message("x")).await;
    for (reason, count) in [("malformed", 2), ("missing", 1), ("unknown", 0)] {
        let name = format!("openlines_refused_strangers_total{{reason=\"{reason}\"}}");
        assert_eq!(sample(admin, &name).await, count, "{reason}");
    }
    assert_eq!(sample(admin, "openlines_calls_in_progress").await, 0);
}
