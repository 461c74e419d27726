//! When the server reads no more, and that it answers all the same.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use sandbox::{Fault, FaultKind, Gate, Moment};
use tonic::transport::Endpoint;

use super::{Stream, crm, fast, is_sent, world};
use crate::support::until;

/// What the HTTP/2 libraries on both sides may hold beside the items in progress and the answers
/// that wait: windows are in bytes, and an item or answer has 50 to 200.
const ON_THE_WAY: usize = 60;

/// Writes so many items in the background, each in a conversation of its own, as fast as they are
/// taken.
fn write(stream: &mut Stream, items: i64) -> tokio::task::JoinHandle<()> {
    let sender = stream.items.take().unwrap();
    tokio::spawn(async move {
        for number in 0..items {
            let message = fast(number, &format!("message {number}"));
            sender
                .send(crm(&number.to_string(), message))
                .await
                .unwrap();
        }
    })
}

#[tokio::test]
async fn no_more_is_read_while_as_many_items_are_in_progress_as_may_be() {
    let world = world(&[("SERVER_STREAMS_MAXIMUM_ITEMS_IN_PROGRESS", "5")], 40).await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::next(5, held));
    let mut stream = Stream::open(&world).await;
    let writing = write(&mut stream, 40);
    until("five items are at the portal", || {
        world.sandbox.record().entries.len() == 5
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.sandbox.record().entries.len(), 5);
    gate.open();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    writing.await.unwrap();
    assert_eq!(answers.len(), 40);
    let failed = answers.values().find(|answer| !is_sent(answer));
    assert_eq!(failed, None);
}

#[tokio::test]
async fn a_stream_waits_for_places_that_others_hold_and_goes_on_with_its_own() {
    // The stream's place, and one more as the caller's share.
    let settings = [
        ("SERVER_MAXIMUM_CONCURRENT_CALLS", "2"),
        ("SERVER_SHARES_MAXIMUM_PERCENT", "100"),
    ];
    let world = world(&settings, 30).await;
    let mut idle = Stream::open(&world).await;
    let mut stream = Stream::open(&world).await;
    let writing = write(&mut stream, 30);
    let (answers, end) = stream.rest().await;
    end.unwrap();
    writing.await.unwrap();
    let failed = answers.values().find(|answer| !is_sent(answer));
    assert_eq!(failed, None);
    assert_eq!(answers.len(), 30, "none is rejected");
    idle.close();
    idle.rest().await.1.unwrap();
}

#[tokio::test]
async fn answers_that_are_not_read_keep_items_from_being_read() {
    let world = world(&[("SERVER_STREAMS_MAXIMUM_ITEMS_IN_PROGRESS", "10")], 400).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", world.service.address)).unwrap();
    let endpoint = endpoint.initial_stream_window_size(1_024);
    let client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
    let mut stream = Stream::open_with(client, |items| world.request(items)).await;
    let writing = write(&mut stream, 400);
    let mut delivered = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = world.sandbox.record().deliveries().count();
        if now == delivered && now > 0 {
            break;
        }
        delivered = now;
    }
    assert!(delivered < 10 + 16 + ON_THE_WAY, "{delivered} are sent");
    let (answers, end) = stream.rest().await;
    end.unwrap();
    writing.await.unwrap();
    assert_eq!(answers.len(), 400);
    let failed = answers.values().find(|answer| !is_sent(answer));
    assert_eq!(failed, None);
}
