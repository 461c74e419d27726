//! How a stream ends, and what becomes of its items then.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Gate, Moment};
use uuid::Uuid;

use super::{Item, Stream, crm, is_sent, status};
use crate::server::told;
use crate::support::requests::crm_message;
use crate::support::{Told, World, until};

/// A gate in front of the next request to the portal.
fn hold(world: &World) -> Gate {
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    gate
}

async fn at_the_portal(world: &World) {
    until("an item is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
}

#[tokio::test]
async fn after_half_close_the_remaining_items_are_answered() {
    let world = World::start().await;
    let gate = hold(&world);
    let mut stream = Stream::open(&world).await;
    stream.write(crm("last", crm_message("last"))).await;
    stream.close();
    at_the_portal(&world).await;
    gate.open();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    assert!(is_sent(&answers["last"]));
}

#[tokio::test]
async fn a_stream_without_items_ends_well() {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await;
    stream.close();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    assert!(answers.is_empty());
}

#[tokio::test]
async fn cancellation_drops_what_was_not_sent_and_what_was_sent_is_recorded() {
    let world = World::start().await;
    let gate = hold(&world);
    let stream = Stream::open(&world).await;
    let message = |text: &str| api::SendCrmMessageRequest {
        request_id: Uuid::new_v4().to_string(),
        ..crm_message(text)
    };
    let sent = message("sent");
    stream.write(crm("sent", sent.clone())).await;
    at_the_portal(&world).await;
    // The same conversation: it waits behind the one that is held.
    stream.write(crm("waits", message("waits"))).await;
    stream.write(crm("waits too", message("waits too"))).await;
    // Time to read both, and time to see that the stream is gone.
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(stream);
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.open();
    // Waits for the first attempt, and gets its answer.
    world.send(sent).await.unwrap();
    world.send(message("after")).await.unwrap();
    let record = world.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(Vec::from_iter(delivered.keys()), [&"after", &"sent"]);
    assert_eq!(delivered["sent"], 1);
}

#[tokio::test]
async fn at_a_shutdown_no_more_is_read_and_what_was_read_is_answered() {
    let mut world = World::with_settings(&[("SERVER_DRAIN_SECONDS", "10")]).await;
    let gate = hold(&world);
    let mut stream = Stream::open(&world).await;
    stream.write(crm("read", crm_message("read"))).await;
    at_the_portal(&world).await;
    world.service.stop();
    // The listener is gone: the drain has begun.
    let address = world.service.address;
    let patience = std::time::Instant::now() + super::PATIENCE;
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        assert!(std::time::Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stream.write(crm("unread", crm_message("unread"))).await;
    gate.open();
    let (answers, end) = stream.rest().await;
    let end = end.unwrap_err();
    assert_eq!(told(&end), "UNAVAILABLE SHUTTING_DOWN not_executed");
    assert!(end.details_of().request_info().is_some());
    assert!(is_sent(&answers["read"]));
    assert_eq!(answers.len(), 1);
    world.service.stopped().await.unwrap();
    let record = world.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(Vec::from_iter(delivered.keys()), [&"read"]);
}

#[tokio::test]
async fn when_the_drain_is_over_items_say_what_is_known_of_them() {
    let mut world = World::with_settings(&[("SERVER_DRAIN_SECONDS", "1")]).await;
    let gate = hold(&world);
    let mut stream = Stream::open(&world).await;
    stream.write(crm("held", crm_message("held"))).await;
    at_the_portal(&world).await;
    world.service.stop();
    let (answers, end) = stream.rest().await;
    let end = end.unwrap_err();
    assert_eq!(told(&end), "UNAVAILABLE SHUTTING_DOWN not_executed");
    assert_eq!(status(&answers["held"]).outcome(), "unknown");
    gate.open();
}

#[tokio::test]
async fn the_deadline_of_the_stream_holds_for_it_and_its_items() {
    let world = World::start().await;
    let gate = hold(&world);
    let client = world.client().await;
    let mut stream = Stream::open_with(client, |items| {
        let mut request = world.request(items);
        // Long enough that the answers come before the library ends the stream itself.
        request.set_timeout(Duration::from_secs(8));
        request
    })
    .await;
    stream.write(crm("held", crm_message("held"))).await;
    let (answers, end) = stream.rest().await;
    assert_eq!(
        told(&end.unwrap_err()),
        "DEADLINE_EXCEEDED DEADLINE_BEFORE_SEND not_executed"
    );
    let held = told(&status(&answers["held"]));
    assert_eq!(held, "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown");
    gate.open();
}

#[tokio::test]
async fn an_item_that_is_too_large_ends_the_stream_after_the_answers() {
    let world = World::with_settings(&[("SERVER_MAXIMUM_REQUEST_BYTES", "16384")]).await;
    let mut stream = Stream::open(&world).await;
    stream.write(crm("fits", crm_message("fits"))).await;
    let large: Item = crm("large", crm_message(&"x".repeat(20_000)));
    stream.write(large).await;
    let (answers, end) = stream.rest().await;
    let end = end.unwrap_err();
    assert_eq!(told(&end), "INVALID_ARGUMENT INVALID_REQUEST not_executed");
    assert_eq!(
        end.violations(),
        [(String::new(), "REQUEST_TOO_LARGE".to_owned())]
    );
    assert!(is_sent(&answers["fits"]));
}

#[tokio::test]
async fn a_stream_with_items_outlasts_the_longest_call_and_the_age_of_its_connection() {
    let settings = [
        ("SERVER_MAXIMUM_DEADLINE_SECONDS", "1"),
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "1"),
        ("SERVER_CONNECTIONS_AGE_SECONDS", "1"),
    ];
    let world = World::with_settings(&settings).await;
    let mut stream = Stream::open(&world).await;
    // Longer than its age, the longest call, and 5 seconds for the last responses.
    for number in 0..5 {
        let text = format!("message {number}");
        stream.write(crm(&text, crm_message(&text))).await;
        assert!(is_sent(&stream.answer().await.1));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    stream.close();
    stream.rest().await.1.unwrap();
}

#[tokio::test]
async fn a_stream_without_items_ends_with_its_connection() {
    let settings = [
        ("SERVER_MAXIMUM_DEADLINE_SECONDS", "1"),
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "1"),
        ("SERVER_CONNECTIONS_AGE_SECONDS", "1"),
    ];
    let world = World::with_settings(&settings).await;
    let mut stream = Stream::open(&world).await;
    stream.write(crm("only", crm_message("only"))).await;
    assert!(is_sent(&stream.answer().await.1));
    stream.next().await.unwrap_err();
}

/// Ended after a second without items.
async fn impatient() -> World {
    World::with_settings(&[("SERVER_STREAMS_IDLE_SECONDS", "1")]).await
}

const IDLE: &str = "UNAVAILABLE STREAM_IDLE not_executed";

#[tokio::test]
async fn a_stream_that_brings_nothing_is_ended_also_beside_one_that_does() {
    let world = impatient().await;
    let client = world.client().await;
    let open = || Stream::open_with(client.clone(), |items| world.request(items));
    let (mut busy, mut silent) = (open().await, open().await);
    let gate = hold(&world);
    busy.write(crm("held", crm_message("held"))).await;
    at_the_portal(&world).await;
    let ended = silent.next().await.unwrap_err();
    assert_eq!(told(&ended), IDLE);
    assert!(ended.details_of().request_info().is_some());
    // Items in progress keep theirs, however long they take.
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    assert!(is_sent(&busy.answer().await.1));
    let ended = busy.next().await.unwrap_err();
    assert_eq!(told(&ended), IDLE);
}

#[tokio::test]
async fn a_stream_goes_on_while_items_come_within_the_time_that_it_may_be_idle() {
    let world = impatient().await;
    let mut stream = Stream::open(&world).await;
    for number in 0..5 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let text = format!("message {number}");
        stream.write(crm(&text, crm_message(&text))).await;
        assert!(is_sent(&stream.answer().await.1));
    }
    stream.close();
    stream.rest().await.1.unwrap();
}
