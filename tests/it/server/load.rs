//! More calls than the server may have in hand.

use std::time::Duration;

use bitrix24_openlines::sandbox::{Fault, FaultKind, Moment};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::told;
use crate::support::requests::crm_message;
use crate::support::{Told, World, until};

#[tokio::test]
async fn a_call_too_many_is_refused_at_once_and_health_is_still_answered() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_CONCURRENT_CALLS", "1")]).await;
    let slow = FaultKind::Slow(Moment::Before, Duration::from_secs(2));
    world.sandbox.inject(Fault::once(slow));
    let mut client = world.client().await;
    let request = world.request(crm_message("first"));
    let first = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the first call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;

    // Another connection: the limit is that of the whole server.
    let mut client = world.client().await;
    let status = client
        .send_crm_message(world.request(crm_message("second")))
        .await
        .unwrap_err();
    assert_eq!(told(&status), "UNAVAILABLE OVERLOADED not_executed");
    let delay = status.details_of().retry_info().unwrap().retry_delay;
    assert_eq!(delay, Some(Duration::from_secs(1)));
    assert_eq!(
        status.metadata().get("grpc-retry-pushback-ms").unwrap(),
        "1000"
    );

    // Without a key the same: nobody learns more by asking without one.
    let status = client
        .send_crm_message(crm_message("third"))
        .await
        .unwrap_err();
    assert_eq!(told(&status), "UNAVAILABLE OVERLOADED not_executed");

    let mut health = HealthClient::new(world.service.channel().await);
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.get_ref().status(), ServingStatus::Serving);

    first.await.unwrap().unwrap();
    client
        .send_crm_message(world.request(crm_message("fourth")))
        .await
        .unwrap();
    let record = world.sandbox.record();
    assert_eq!(record.entries.len(), 2, "nothing was sent for the refused");
    assert_eq!(
        (
            record.times_delivered("first"),
            record.times_delivered("fourth")
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn as_many_calls_as_the_setting_allows_run_at_once() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_CONCURRENT_CALLS", "8")]).await;
    let slow = FaultKind::Slow(Moment::Before, Duration::from_millis(500));
    world.sandbox.inject(Fault::always(slow));
    let client = world.client().await;
    let call = |number| {
        let mut client = client.clone();
        let request = world.request(crm_message(&format!("text {number}")));
        tokio::spawn(async move { client.send_crm_message(request).await })
    };
    for call in (0..8).map(call).collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.sandbox.record().delivered_by_text().len(), 8);
}

/// HTTP/2 allows 256 calls at once on one connection; the others wait in the client.
#[tokio::test]
async fn more_calls_than_streams_of_one_connection_all_succeed() {
    let world = World::start().await;
    let client = world.client().await;
    let call = |number| {
        let mut client = client.clone();
        let request = world.request(crm_message(&format!("text {number}")));
        tokio::spawn(async move { client.send_crm_message(request).await })
    };
    for call in (0..400).map(call).collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let record = world.sandbox.record();
    assert_eq!(
        (record.entries.len(), record.delivered_by_text().len()),
        (400, 400)
    );
}
