//! More calls than may be in progress.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Gate, Moment};
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::told;
use crate::support::admin::{free_address, sample};
use crate::support::requests::{crm_message, network_message};
use crate::support::{Told, World, conversations, until};

/// The portal answers the next request when the gate opens.
fn hold(world: &World) -> Gate {
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    gate
}

#[tokio::test]
async fn a_call_too_many_is_refused_at_once_and_health_is_still_answered() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_CONCURRENT_CALLS", "1")]).await;
    let gate = hold(&world);
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

    // Without a key a caller does not even learn that.
    let status = client
        .send_crm_message(crm_message("third"))
        .await
        .unwrap_err();
    assert_eq!(
        told(&status),
        "UNAUTHENTICATED CREDENTIALS_MISSING not_executed"
    );

    let mut health = HealthClient::new(world.service.channel().await);
    let answer = health.check(HealthCheckRequest::default()).await.unwrap();
    assert_eq!(answer.get_ref().status(), ServingStatus::Serving);

    gate.open();
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
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_MAXIMUM_CONCURRENT_CALLS", "8"),
        ("SERVER_SHARES_MAXIMUM_PERCENT", "100"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let gate = hold(&world);
    let client = world.client().await;
    let call = |number| {
        let mut client = client.clone();
        let request = world.request(crm_message(&format!("text {number}")));
        tokio::spawn(async move { client.send_crm_message(request).await })
    };
    let calls: Vec<_> = (0..8).map(call).collect();
    until_in_progress(admin, 8).await;
    gate.open();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(world.sandbox.record().delivered_by_text().len(), 8);
}

/// Without a setting HTTP/2 would allow 200 calls at once on one connection; the others would wait
/// in the client.
#[tokio::test]
async fn one_connection_may_carry_as_many_calls_as_may_be_in_progress() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    let held = FaultKind::Held(Moment::Before, Gate::closed());
    world.sandbox.inject(Fault::always(held));
    let client = world.client().await;
    let mut calls = JoinSet::new();
    for user_id in 1..=400 {
        let mut client = client.clone();
        let request = world.request(api::SendNetworkMessageRequest {
            user_id,
            ..network_message("text")
        });
        calls.spawn(async move { client.send_network_message(request).await });
    }
    until_in_progress(admin, 400).await;
}

async fn until_in_progress(admin: SocketAddr, calls: u32) {
    let timeout = Instant::now() + Duration::from_secs(20);
    while sample(admin, "openlines_calls_in_progress").await < calls.into() {
        assert!(Instant::now() < timeout, "fewer than {calls} calls run");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn requests_in_progress_take_no_more_memory_than_the_setting_allows() {
    let world = World::with_settings(&[
        ("SERVER_MAXIMUM_BYTES_IN_PROGRESS", "1048576"),
        ("VALIDATION_MAXIMUM_TEXT_CHARACTERS", "1000000"),
    ])
    .await;
    conversations::add(&world.sandbox, 1);
    let gate = hold(&world);
    let large = "x".repeat(600_000);
    let mut client = world.client().await;
    let request = world.request(crm_message(&large));
    let first = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the first call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;

    let mut client = world.client().await;
    let status = client
        .send_crm_message(world.request(crm_message(&large)))
        .await
        .unwrap_err();
    assert_eq!(told(&status), "UNAVAILABLE OVERLOADED not_executed");
    client
        .send_crm_message(world.request(conversations::crm_message(0, "small")))
        .await
        .unwrap();

    gate.open();
    first.await.unwrap().unwrap();
    client
        .send_crm_message(world.request(crm_message(&large)))
        .await
        .unwrap();
    assert_eq!(world.sandbox.record().entries.len(), 3);
}
