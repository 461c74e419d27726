//! Calls that wait for their turn, through the whole service: their order, and those whose caller
//! leaves meanwhile.

mod limited;
mod order;
mod refusals;
mod stages;

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Gate, Moment, SystemError};
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::admin::{free_address, until_queued};
use crate::support::raw::{RawClient, SERVICE};
use crate::support::requests::crm_message;
use crate::support::{Told, World, conversations, until};

fn refusing(error: SystemError) -> FaultKind {
    FaultKind::Refuse {
        error,
        status: None,
    }
}

/// Sends a call in a task of its own, which can be aborted.
async fn begin(
    world: &World,
    message: api::SendCrmMessageRequest,
) -> JoinHandle<Result<(), Status>> {
    let mut client = world.client().await;
    let request = world.request(message);
    tokio::spawn(async move { client.send_crm_message(request).await.map(drop) })
}

async fn requests_at_portal(world: &World, count: usize) {
    let have_come = || world.sandbox.record().entries.len() >= count;
    until("the portal has got the requests", have_come).await;
}

/// Sends a call with the header `grpc-timeout`, through a client that keeps no deadline itself.
async fn within(seconds: u32, world: &World, message: &api::SendCrmMessageRequest) -> Status {
    let authorization = format!("Bearer {}", world.service.key.expose());
    let timeout = format!("{seconds}S");
    let headers = [
        ("authorization", authorization.as_str()),
        ("grpc-timeout", &timeout),
    ];
    let client = RawClient::connect(world.service.address).await;
    let path = format!("{SERVICE}/SendCrmMessage");
    client.call(&path, &headers, message).await.status()
}

/// Long enough for the service to learn that a caller has left, and for anything that it would send
/// again to come.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(1500)).await;
}

#[tokio::test]
async fn what_a_caller_cancels_while_it_waits_is_not_sent() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let first = begin(&world, crm_message("first")).await;
    requests_at_portal(&world, 1).await;
    let mut behind = Vec::new();
    for number in 0..5 {
        behind.push(begin(&world, crm_message(&format!("behind {number}"))).await);
        until_queued(admin, number + 1).await;
    }
    for number in [0, 2, 3] {
        behind[number].abort();
    }
    until_queued(admin, 2).await;
    gate.open();
    first.await.unwrap().unwrap();
    for number in [1, 4] {
        let call = std::mem::replace(&mut behind[number], tokio::spawn(async { Ok(()) }));
        call.await.unwrap().unwrap();
    }
    let record = world.sandbox.record();
    let delivered: Vec<&str> = record
        .deliveries()
        .map(|delivery| delivery.text())
        .collect();
    assert_eq!(delivered, ["first", "behind 1", "behind 4"]);
}

#[tokio::test]
async fn what_the_portal_refuses_after_its_caller_has_left_is_not_sent_again() {
    let world = World::start().await;
    world
        .sandbox
        .limit(|limits| limits.request_latency_ms = 300);
    let full = refusing(SystemError::QUERY_LIMIT_EXCEEDED);
    world.sandbox.inject(Fault::once(full));
    let call = begin(&world, crm_message("left")).await;
    requests_at_portal(&world, 1).await;
    call.abort();
    a_while().await;
    let record = world.sandbox.record();
    assert_eq!(record.entries.len(), 1);
    assert_eq!(record.refused_with("QUERY_LIMIT_EXCEEDED"), 1);
}

#[tokio::test]
async fn what_a_caller_cancels_in_the_pause_before_a_repeat_is_not_sent_again() {
    let world = World::start().await;
    let full = refusing(SystemError::QUERY_LIMIT_EXCEEDED);
    world.sandbox.inject(Fault::once(full));
    let call = begin(&world, crm_message("left")).await;
    let is_refused = || world.sandbox.record().refused_with("QUERY_LIMIT_EXCEEDED") == 1;
    until("the portal has refused", is_refused).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    call.abort();
    a_while().await;
    assert_eq!(world.sandbox.record().entries.len(), 1);
}

/// The caller may repeat it, and does so under the same key.
#[tokio::test]
async fn a_call_that_was_refused_until_its_deadline_may_be_tried_again_with_the_same_key() {
    let world = World::start().await;
    let full = refusing(SystemError::QUERY_LIMIT_EXCEEDED);
    world.sandbox.inject(Fault::always(full));
    let message = api::SendCrmMessageRequest {
        request_id: Uuid::new_v4().to_string(),
        ..crm_message("again")
    };
    let status = within(1, &world, &message).await;
    assert_eq!(status.outcome(), "not_executed", "{status:?}");
    world.sandbox.clear_faults();
    let mut client = world.client().await;
    for _ in 0..2 {
        let request = world.request(message.clone());
        client.send_crm_message(request).await.unwrap();
    }
    assert_eq!(world.sandbox.record().times_delivered("again"), 1);
}

/// The same for a caller that does not wait for the end.
#[tokio::test]
async fn a_call_that_was_refused_before_its_caller_left_may_be_tried_again_with_the_same_key() {
    for latency in [0, 300] {
        let world = World::start().await;
        world
            .sandbox
            .limit(|limits| limits.request_latency_ms = latency);
        let full = refusing(SystemError::QUERY_LIMIT_EXCEEDED);
        world.sandbox.inject(Fault::always(full));
        let message = api::SendCrmMessageRequest {
            request_id: Uuid::new_v4().to_string(),
            ..crm_message("again")
        };
        let call = begin(&world, message.clone()).await;
        requests_at_portal(&world, 1).await;
        // Refused and waiting for its repeat, or still on its way.
        tokio::time::sleep(Duration::from_millis(100)).await;
        call.abort();
        let refusals = || world.sandbox.record().refused_with("QUERY_LIMIT_EXCEEDED");
        until("the portal has refused", || refusals() > 0).await;
        world.sandbox.clear_faults();
        let request = world.request(message);
        let mut client = world.client().await;
        client.send_crm_message(request).await.unwrap();
        assert_eq!(world.sandbox.record().times_delivered("again"), 1);
    }
}

/// A conversation is held by a request that has no answer, and its other calls are told so; other
/// conversations do not mind.
#[tokio::test]
async fn a_request_without_an_answer_holds_its_conversation_and_no_other() {
    let world = World::start().await;
    conversations::add(&world.sandbox, 1);
    world
        .sandbox
        .inject(Fault::once(FaultKind::Silence(Moment::After)));
    let status = within(3, &world, &crm_message("silence")).await;
    assert_eq!(status.reason(), "OUTCOME_UNKNOWN");
    let status = within(1, &world, &crm_message("behind")).await;
    assert_eq!(status.reason(), "CONVERSATION_HELD");
    assert_eq!(status.outcome(), "not_executed");
    let status = within(20, &world, &conversations::crm_message(0, "beside")).await;
    assert_eq!(status.code(), Code::Ok);
    let record = world.sandbox.record();
    let delivered: Vec<&str> = record
        .deliveries()
        .map(|delivery| delivery.text())
        .collect();
    assert_eq!(delivered, ["silence", "beside"]);
}
