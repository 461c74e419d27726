//! Request ids, and requests that no client of ours would send.

use bytes::Bytes;
use futures_util::stream;
use prost::Message;

use super::told;
use crate::support::raw::{RawAnswer, RawClient, SERVICE, framed};
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::{Told, World};

const SEND_CRM_MESSAGE: &str = "/openlines.v1.OpenLinesService/SendCrmMessage";

/// Calls with a key, these headers and this body.
async fn call(world: &World, path: &str, headers: &[(&str, &str)], body: Bytes) -> RawAnswer {
    let authorization = format!("Bearer {}", world.service.key.expose());
    let mut all = vec![("authorization", authorization.as_str())];
    all.extend_from_slice(headers);
    let client = RawClient::connect(world.service.address).await;
    client
        .call_bytes(path, &all, stream::iter([body]))
        .await
        .unwrap()
}

fn good_body() -> Bytes {
    framed(&crm_message("text").encode_to_vec())
}

fn request_id(answer: &RawAnswer) -> &str {
    answer.headers["x-request-id"].to_str().unwrap()
}

#[tokio::test]
async fn a_request_id_of_the_caller_comes_back_with_success_and_with_failure() {
    let world = World::start().await;
    let headers = [("x-request-id", "order-7.1:a_b")];
    let answer = call(&world, SEND_CRM_MESSAGE, &headers, good_body()).await;
    assert_eq!(answer.status().code(), tonic::Code::Ok);
    assert_eq!(request_id(&answer), "order-7.1:a_b");

    let failed = call(&world, SEND_CRM_MESSAGE, &headers, framed(b"")).await;
    assert_eq!(request_id(&failed), "order-7.1:a_b");
    let details = failed.status().details_of();
    assert_eq!(details.request_info().unwrap().request_id, "order-7.1:a_b");
}

#[tokio::test]
async fn a_missing_or_harmful_request_id_is_replaced() {
    let world = World::start().await;
    let long = "x".repeat(129);
    let mut seen = std::collections::BTreeSet::new();
    for given in [
        None,
        Some(""),
        Some("two words"),
        Some("a\"b"),
        Some("<b>"),
        Some(&long),
    ] {
        let headers: Vec<_> = given.map(|id| ("x-request-id", id)).into_iter().collect();
        let answer = call(&world, SEND_CRM_MESSAGE, &headers, framed(b"")).await;
        let id = request_id(&answer).to_owned();
        assert!(uuid::Uuid::try_parse(&id).is_ok(), "{given:?} became {id}");
        let details = answer.status().details_of();
        assert_eq!(details.request_info().unwrap().request_id, id);
        assert!(seen.insert(id), "each call has its own id");
    }
}

#[tokio::test]
async fn an_operation_that_does_not_exist_is_not_served() {
    let world = World::start().await;
    for path in [
        format!("{SERVICE}/SendEverything"),
        "/openlines.v2.OpenLinesService/SendCrmMessage".to_owned(),
        "/nothing".to_owned(),
        "/".to_owned(),
    ] {
        let answer = call(&world, &path, &[], good_body()).await;
        let status = answer.status();
        assert_eq!(
            told(&status),
            "UNIMPLEMENTED OPERATION_NOT_SERVED not_executed",
            "{path}"
        );
        assert_eq!(
            status.metadata_value("errorSource").as_deref(),
            Some("facade")
        );
        assert!(!request_id(&answer).is_empty());
    }
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_request_larger_than_the_setting_is_too_large() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_REQUEST_BYTES", "16384")]).await;
    let request = |characters| {
        framed(
            &connector_messages(vec![connector_message("m", &"x".repeat(characters))])
                .encode_to_vec(),
        )
    };
    let path = format!("{SERVICE}/SendConnectorMessages");
    let room = 16_384 - (request(10_000).len() - 5 - 10_000);
    let answer = call(&world, &path, &[], request(room)).await;
    assert_eq!(
        answer.status().code(),
        tonic::Code::Ok,
        "exactly at the limit"
    );

    for beyond in [room + 1, 2_000_000] {
        let answer = call(&world, &path, &[], request(beyond)).await;
        let status = answer.status();
        assert_eq!(
            told(&status),
            "INVALID_ARGUMENT INVALID_REQUEST not_executed"
        );
        assert_eq!(
            status.violations(),
            [(String::new(), "REQUEST_TOO_LARGE".to_owned())]
        );
        assert!(
            status.message().contains("16384 bytes"),
            "{}",
            status.message()
        );
    }
    assert_eq!(world.sandbox.record().entries.len(), 1);
}

#[tokio::test]
async fn bytes_that_are_no_message_are_not_decodable() {
    let world = World::start().await;
    // Field 1 with a length beyond the end, a wire type that does not exist, a text that is no
    // UTF-8.
    for bytes in [&b"\x0a\xff"[..], b"\x0f", b"\x0a\x01\xff", b"\x08\x01"] {
        let status = call(&world, SEND_CRM_MESSAGE, &[], framed(bytes))
            .await
            .status();
        assert_eq!(
            told(&status),
            "INVALID_ARGUMENT INVALID_REQUEST not_executed",
            "{bytes:?}"
        );
        assert_eq!(
            status.violations(),
            [(String::new(), "REQUEST_NOT_DECODABLE".to_owned())]
        );
    }
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_frame_that_is_none_or_broken_is_the_callers_fault_and_has_details() {
    let world = World::start().await;
    let good = good_body();
    for body in [
        Bytes::new(),
        good.slice(..3),
        good.slice(..good.len() - 1),
        Bytes::from_static(b"\x07\x00\x00\x00\x01x"),
    ] {
        let status = call(&world, SEND_CRM_MESSAGE, &[], body.clone())
            .await
            .status();
        assert_eq!(
            told(&status),
            "INVALID_ARGUMENT INVALID_REQUEST not_executed",
            "{body:?}"
        );
    }
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_compressed_request_is_told_what_is_accepted() {
    let world = World::start().await;
    let mut body = good_body().to_vec();
    body[0] = 1;
    for encoding in ["gzip", "zstd", "nonsense"] {
        let headers = [("grpc-encoding", encoding)];
        let answer = call(&world, SEND_CRM_MESSAGE, &headers, body.clone().into()).await;
        assert_eq!(
            told(&answer.status()),
            "UNIMPLEMENTED ENCODING_NOT_SUPPORTED not_executed"
        );
        assert_eq!(answer.headers["grpc-accept-encoding"], "identity");
    }
    // A flag without its header is a broken message.
    let answer = call(&world, SEND_CRM_MESSAGE, &[], body.into()).await;
    assert_eq!(
        told(&answer.status()),
        "INVALID_ARGUMENT INVALID_REQUEST not_executed"
    );
    assert_eq!(world.sandbox.record().entries, []);
    let headers = [("grpc-encoding", "identity")];
    let answer = call(&world, SEND_CRM_MESSAGE, &headers, good_body()).await;
    assert_eq!(answer.status().code(), tonic::Code::Ok);
}

#[tokio::test]
async fn headers_beyond_16_kib_are_refused_and_the_server_lives_on() {
    let world = World::start().await;
    let huge = "x".repeat(20_000);
    let client = RawClient::connect(world.service.address).await;
    let headers = [("x-huge", huge.as_str())];
    let answer = client
        .call_bytes(SEND_CRM_MESSAGE, &headers, stream::iter([good_body()]))
        .await;
    let refused = answer.map_or(true, |answer| answer.headers.get("grpc-status").is_none());
    assert!(refused, "it reached the service");
    let answer = call(&world, SEND_CRM_MESSAGE, &[], good_body()).await;
    assert_eq!(answer.status().code(), tonic::Code::Ok);
}
