//! Connections that would live for ever.

use std::time::{Duration, Instant};

use sandbox::{Fault, FaultKind, Gate, Moment};
use tokio::time::timeout;

use super::{answered, ended, key};
use crate::support::admin::free_address;
use crate::support::frames::{self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Wire, frame};
use crate::support::raw::framed;
use crate::support::requests::crm_message;
use crate::support::{World, until};

fn begun(world: &World, stream: u32) -> Vec<u8> {
    let path = "/openlines.v1.OpenLinesService/SendCrmMessage";
    let headers = frames::call(path, &[("authorization", &key(world))]);
    frame(HEADERS, END_HEADERS, stream, &headers)
}

fn call(world: &World, stream: u32) -> Vec<u8> {
    let message = prost::Message::encode_to_vec(&crm_message("text"));
    let rest = frame(DATA, END_STREAM, stream, &framed(&message));
    [begun(world, stream), rest].concat()
}

#[tokio::test]
async fn connections_end_at_their_age_and_no_call_is_lost() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_AGE_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut client = world.client().await;
    let begun = Instant::now();
    let mut calls = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        let call = world.request(crm_message(&format!("text {calls}")));
        match client.send_crm_message(call).await {
            Ok(_) => calls += 1,
            // The library gave the call to a connection that was just closed, and sent nothing.
            Err(status) => assert_eq!(status.message(), "operation was canceled", "{status:?}"),
        }
    }
    let delivered = world.sandbox.record().entries.len();
    assert_eq!(delivered, calls);
    assert!(ended(admin, "age").await >= 2);
}

#[tokio::test]
async fn a_call_in_progress_ends_after_the_age_of_its_connection() {
    let settings = [("SERVER_CONNECTIONS_AGE_SECONDS", "1")];
    let world = World::with_settings(&settings).await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut wire = Wire::open(world.service.address, &[]).await;
    wire.send(&call(&world, 1)).await.unwrap();
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    assert!(wire.until(GOAWAY, 0).await.is_some());
    // Longer than an idle connection is given to say goodbye.
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    assert!(wire.until(DATA, 1).await.is_some(), "the response");
}

#[tokio::test]
async fn a_peer_that_ignores_the_end_is_cut_when_the_longest_call_could_have_ended() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_AGE_SECONDS", "1"),
        ("SERVER_MAXIMUM_DEADLINE_SECONDS", "1"),
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let goes_on = async {
        let mut stream = 1;
        // Each waits for the rest of its request, until its deadline.
        while wire.send(&begun(&world, stream)).await.is_ok() {
            stream += 2;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(60), goes_on)
        .await
        .expect("cut");
    assert_eq!(ended(admin, "lifetime").await, 1);
}

#[tokio::test]
async fn a_peer_that_is_gone_without_a_word_is_noticed() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_KEEPALIVE_SECONDS", "1"),
        ("SERVER_CONNECTIONS_KEEPALIVE_TIMEOUT_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    // It reads, and does not reply to pings.
    let mut wire = Wire::open(world.service.address, &[]).await;
    timeout(Duration::from_secs(30), wire.closed())
        .await
        .expect("closed");
    answered(&world).await;
    assert!(ended(admin, "closed").await >= 1);
}
