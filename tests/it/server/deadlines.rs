//! Deadlines of callers, and callers that go away.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use prost::Message;
use sandbox::{Fault, FaultKind, Moment};
use tonic::Code;

use super::told;
use crate::support::raw::{RawClient, SERVICE, framed};
use crate::support::requests::crm_message;
use crate::support::{Told, World, conversations, until};

const SILENCE: FaultKind = FaultKind::Silence(Moment::Before);

fn path() -> String {
    format!("{SERVICE}/SendCrmMessage")
}

fn authorization(world: &World) -> String {
    format!("Bearer {}", world.service.key.expose())
}

#[tokio::test]
async fn the_callers_deadline_is_answered_as_such_with_all_details() {
    let world = World::start().await;
    // From now on there is a connection to the portal.
    let request = crm_message("first");
    world.send(request).await.unwrap();
    world.sandbox.inject(Fault::always(SILENCE));
    conversations::add(&world.sandbox, 3);
    let authorization = authorization(&world);
    for (conversation, timeout) in (0..).zip(["400m", "500000u", "1S"]) {
        let headers = [
            ("authorization", authorization.as_str()),
            ("grpc-timeout", timeout),
        ];
        let client = RawClient::connect(world.service.address).await;
        let message = conversations::crm_message(conversation, "text");
        let status = client.call(&path(), &headers, &message).await.status();
        assert_eq!(
            told(&status),
            "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown",
            "{timeout}"
        );
    }
}

/// What a client makes itself when its own clock is faster has no details. On a busy machine that
/// can happen; it does not happen every time.
#[tokio::test]
async fn clients_with_deadlines_of_their_own_get_the_answer_before_them() {
    let world = World::start().await;
    world.sandbox.inject(Fault::always(SILENCE));
    conversations::add(&world.sandbox, 30);
    let client = world.client().await;
    for attempt in 0..3 {
        let calls = (0..10).map(|call| {
            let mut client = client.clone();
            let message = conversations::crm_message(10 * attempt + call, "text");
            let mut request = world.request(message);
            request.set_timeout(Duration::from_secs(4));
            async move { client.send_crm_message(request).await.unwrap_err() }
        });
        let statuses = join_all(calls).await;
        let ours = statuses
            .iter()
            .filter(|status| status.metadata_value("outcome").is_some());
        let ours: Vec<String> = ours.map(told).collect();
        if ours.len() == statuses.len() {
            let expected = "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown";
            assert!(ours.iter().all(|told| told == expected), "{ours:?}");
            return;
        }
    }
    panic!("some clients were faster each time");
}

/// However little time the caller gives, the answer is ours and not the gRPC library's bare
/// CANCELLED.
#[tokio::test]
async fn a_request_that_does_not_arrive_within_a_short_deadline_is_answered_as_such() {
    let world = World::start().await;
    let authorization = authorization(&world);
    for timeout in ["0m", "1n", "500u", "5m", "10m", "20m", "29m", "40m", "100m"] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("grpc-timeout", timeout),
        ];
        let client = RawClient::connect(world.service.address).await;
        let never = stream::pending::<Bytes>();
        let answer = client.call_bytes(&path(), &headers, never).await.unwrap();
        let status = answer.status();
        assert!(
            status.metadata_value("outcome").is_some(),
            "{timeout}: {status:?}"
        );
        assert_eq!(
            told(&status),
            "DEADLINE_EXCEEDED DEADLINE_BEFORE_SEND not_executed",
            "{timeout}"
        );
    }
}

#[tokio::test]
async fn a_caller_without_a_deadline_and_one_with_a_long_one_get_those_of_the_settings() {
    for settings in [
        [
            ("SERVER_DEFAULT_DEADLINE_SECONDS", "1"),
            ("SERVER_MAXIMUM_DEADLINE_SECONDS", "50"),
        ],
        [
            ("SERVER_DEFAULT_DEADLINE_SECONDS", "1"),
            ("SERVER_MAXIMUM_DEADLINE_SECONDS", "1"),
        ],
    ] {
        let world = World::with_settings(&settings).await;
        world.sandbox.inject(Fault::always(SILENCE));
        let mut request = world.request(crm_message("text"));
        if settings[1].1 == "1" {
            request.set_timeout(Duration::from_secs(3600));
        }
        let status = world
            .client()
            .await
            .send_crm_message(request)
            .await
            .unwrap_err();
        assert_eq!(told(&status), "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown");
    }
}

#[tokio::test]
async fn a_request_that_never_arrives_whole_is_answered_when_its_time_is_over() {
    let world = World::with_settings(&[("SERVER_DEFAULT_DEADLINE_SECONDS", "1")]).await;
    let authorization = authorization(&world);
    let whole = framed(&crm_message("text").encode_to_vec());
    for arrived in [0, 3, whole.len() - 1] {
        let beginning = stream::iter([whole.slice(..arrived)]).chain(stream::pending::<Bytes>());
        let headers = [("authorization", authorization.as_str())];
        let client = RawClient::connect(world.service.address).await;
        let answer = client
            .call_bytes(&path(), &headers, beginning)
            .await
            .unwrap();
        assert_eq!(
            told(&answer.status()),
            "DEADLINE_EXCEEDED DEADLINE_BEFORE_SEND not_executed",
            "{arrived}"
        );
    }
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_caller_that_goes_away_frees_its_place_and_is_not_sent_for_twice() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_CONCURRENT_CALLS", "1")]).await;
    conversations::add(&world.sandbox, 1);
    world.sandbox.inject(Fault::once(SILENCE));
    let mut client = world.client().await;
    let request = world.request(crm_message("left"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());

    // The server learns of it a moment later; until then it is full.
    let mut client = world.client().await;
    loop {
        // In the same conversation it would wait for the answer that never comes.
        let next = world.request(conversations::crm_message(0, "next"));
        match client.send_crm_message(next).await {
            Ok(_) => break,
            Err(status) => assert_eq!(told(&status), "UNAVAILABLE OVERLOADED not_executed"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let record = world.sandbox.record();
    assert_eq!(record.entries.len(), 2);
    assert_eq!(
        (
            record.times_delivered("left"),
            record.times_delivered("next")
        ),
        (0, 1)
    );
}

#[tokio::test]
async fn a_nonsensical_deadline_is_none() {
    let world = World::start().await;
    let authorization = authorization(&world);
    for timeout in ["soon", "-1S", "123456789S", ""] {
        let headers = [
            ("authorization", authorization.as_str()),
            ("grpc-timeout", timeout),
        ];
        let client = RawClient::connect(world.service.address).await;
        let status = client
            .call(&path(), &headers, &crm_message("text"))
            .await
            .status();
        assert_eq!(status.code(), Code::Ok, "{timeout:?}: {status:?}");
    }
}
