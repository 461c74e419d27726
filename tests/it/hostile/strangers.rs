//! Peers that have shown no valid credential.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::server::told;
use crate::support::World;
use crate::support::raw::{RawClient, SERVICE, framed};

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
