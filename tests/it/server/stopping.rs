//! The orderly stop: what is under way ends, what is new is refused, and nothing holds it for ever.

use std::time::Duration;

use sandbox::{Fault, FaultKind, Gate, Moment};
use tokio::net::TcpStream;
use tokio_stream::StreamExt;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::told;
use crate::support::requests::crm_message;
use crate::support::{Service, World, conversations, until};

/// Far longer than the drain of 2 seconds that the tests set.
const PATIENCE: Duration = Duration::from_secs(20);

async fn assert_stops(service: Service) {
    let stopped = tokio::time::timeout(PATIENCE, service.stopped()).await;
    stopped.expect("the stop is held up").unwrap();
}

#[tokio::test]
async fn a_call_under_way_ends_well_and_new_calls_are_refused() {
    let mut world = World::with_settings(&[("SERVER_DRAIN_SECONDS", "10")]).await;
    conversations::add(&world.sandbox, 1);
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut client = world.client().await;
    let request = world.request(crm_message("under way"));
    let under_way = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    let mut other = world.client().await;

    world.service.stop();
    // Until the stop has come about, calls are still served.
    let mut served = 0;
    let refusal = loop {
        let text = format!("new {served}");
        match other
            .send_crm_message(world.request(conversations::crm_message(0, &text)))
            .await
        {
            Ok(_) => served += 1,
            Err(status) => break status,
        }
    };
    // A call may also meet the end of its connection, which the client's library puts into words
    // of its own. The portal's record says that it was not executed either.
    if std::error::Error::source(&refusal).is_none() {
        assert_eq!(told(&refusal), "UNAVAILABLE SHUTTING_DOWN not_executed");
    }
    gate.open();
    under_way
        .await
        .unwrap()
        .expect("the call under way ends well");
    let late = TcpStream::connect(world.service.address).await;
    assert!(late.is_err(), "nobody listens any more");
    assert_stops(world.service).await;
    let record = world.sandbox.record();
    assert_eq!(record.times_delivered("under way"), 1);
    assert_eq!(record.entries.len(), served + 1);
}

#[tokio::test]
async fn during_the_delay_health_says_not_serving_and_calls_are_still_served() {
    let mut world = World::with_settings(&[("SERVER_SHUTDOWN_DELAY_SECONDS", "3")]).await;
    let mut health = HealthClient::new(world.service.channel().await);
    let request = HealthCheckRequest::default();
    let mut watch = health.watch(request.clone()).await.unwrap().into_inner();
    assert_eq!(
        watch.next().await.unwrap().unwrap().status(),
        ServingStatus::Serving
    );
    world.service.stop();
    assert_eq!(
        watch.next().await.unwrap().unwrap().status(),
        ServingStatus::NotServing
    );

    let answer = health.check(request).await.unwrap();
    assert_eq!(answer.get_ref().status(), ServingStatus::NotServing);
    let mut client = world.client().await;
    client
        .send_crm_message(world.request(crm_message("in the delay")))
        .await
        .unwrap();
    assert_stops(world.service).await;
    assert_eq!(world.sandbox.record().times_delivered("in the delay"), 1);
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_does_not_hold_the_stop() {
    let mut world = World::with_settings(&[("SERVER_DRAIN_SECONDS", "1")]).await;
    world
        .sandbox
        .inject(Fault::once(FaultKind::Silence(Moment::Before)));
    let mut client = world.client().await;
    let request = world.request(crm_message("never answered"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    world.service.stop();
    assert_stops(world.service).await;
    // Its connection ends with the process; a test of the process looks at that.
    call.abort();
}

#[tokio::test]
async fn a_second_request_to_stop_answers_what_is_running_with_what_is_known() {
    let settings = [
        ("SERVER_SHUTDOWN_DELAY_SECONDS", "300"),
        ("SERVER_DRAIN_SECONDS", "600"),
    ];
    let mut world = World::with_settings(&settings).await;
    conversations::add(&world.sandbox, 5);
    let silence = FaultKind::Silence(Moment::After);
    world.sandbox.inject(Fault::always(silence));
    let client = world.client().await;
    let calls: Vec<_> = (0..5)
        .map(|number| {
            let message = conversations::crm_message(number, &format!("delivered {number}"));
            let (mut client, request) = (client.clone(), world.request(message));
            tokio::spawn(async move { client.send_crm_message(request).await })
        })
        .collect();
    until("the portal has executed the calls", || {
        world.sandbox.record().delivered_by_text().len() == 5
    })
    .await;
    world.service.stop();
    world.service.stop();
    assert_stops(world.service).await;
    for call in calls {
        let status = call.await.unwrap().unwrap_err();
        assert_eq!(told(&status), "UNKNOWN OUTCOME_UNKNOWN unknown");
    }
}

#[tokio::test]
async fn a_connection_that_never_says_anything_does_not_hold_the_stop() {
    let mut world = World::start().await;
    let silent = TcpStream::connect(world.service.address).await.unwrap();
    // The connection has been accepted once a later one is served.
    world.send(crm_message("text")).await.unwrap();
    world.service.stop();
    assert_stops(world.service).await;
    drop(silent);
}

#[tokio::test]
async fn an_open_reflection_stream_does_not_hold_the_stop() {
    let mut world = World::with_settings(&[("SERVER_REFLECTION", "true")]).await;
    let mut client = ServerReflectionClient::new(world.service.channel().await);
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let asked = tokio_stream::iter([list]).chain(tokio_stream::pending());
    let mut answers = client
        .server_reflection_info(asked)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    world.service.stop();
    assert_stops(world.service).await;
}

#[tokio::test]
async fn an_idle_client_does_not_hold_the_stop() {
    let mut world = World::with_settings(&[("SERVER_DRAIN_SECONDS", "600")]).await;
    let mut client = world.client().await;
    client
        .send_crm_message(world.request(crm_message("text")))
        .await
        .unwrap();
    world.service.stop();
    assert_stops(world.service).await;
}
