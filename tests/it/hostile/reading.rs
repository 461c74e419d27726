//! Peers that do not read their responses.

use std::time::Duration;

use tokio::time::timeout;

use super::{answered, ended, key};
use crate::support::World;
use crate::support::admin::{free_address, metrics, sample};
use crate::support::frames::{
    self, DATA, END_HEADERS, END_STREAM, HEADERS, NO_WINDOW, Wire, field, frame,
};
use crate::support::raw::framed;
use crate::support::requests::crm_message;

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SOON: Duration = Duration::from_secs(30);

/// A health check whose response is small and is data.
fn check(stream: u32) -> Vec<u8> {
    let headers = frame(HEADERS, END_HEADERS, stream, &frames::call(HEALTH, &[]));
    [headers, frame(DATA, END_STREAM, stream, &framed(b""))].concat()
}

#[tokio::test]
async fn a_response_that_is_not_read_ends_its_connection() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_UNREAD_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let message = prost::Message::encode_to_vec(&crm_message("unread"));
    let headers = frames::call(
        "/openlines.v1.OpenLinesService/SendCrmMessage",
        &[("authorization", &key(&world))],
    );
    let call = [
        frame(HEADERS, END_HEADERS, 1, &headers),
        frame(DATA, END_STREAM, 1, &framed(&message)),
    ]
    .concat();
    let mut wire = Wire::open(world.service.address, NO_WINDOW).await;
    wire.send(&call).await.unwrap();
    answered(&world).await;
    timeout(SOON, wire.closed()).await.expect("closed in time");
    assert_eq!(world.sandbox.record().times_delivered("unread"), 1);
    assert_eq!(ended(admin, "unread").await, 1);
    answered(&world).await;
}

#[tokio::test]
async fn a_peer_that_reads_slowly_but_in_time_keeps_its_connection() {
    let world = World::with_settings(&[("SERVER_CONNECTIONS_UNREAD_SECONDS", "2")]).await;
    let mut wire = Wire::open(world.service.address, NO_WINDOW).await;
    for round in 0..4 {
        let stream = 2 * round + 1;
        wire.send(&check(stream)).await.unwrap();
        wire.until(HEADERS, stream).await.expect("the head");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let more = frame(frames::WINDOW_UPDATE, 0, stream, &1000_u32.to_be_bytes());
        wire.send(&more).await.unwrap();
        wire.until(DATA, stream).await.expect("the message");
    }
}

#[tokio::test]
async fn unread_responses_take_no_more_memory_than_the_setting_allows() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_MAXIMUM_UNREAD_BYTES", "65536"),
        ("SERVER_CONNECTIONS_UNREAD_SECONDS", "600"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut modest = Wire::open(world.service.address, NO_WINDOW).await;
    modest.send(&check(1)).await.unwrap();
    let mut greedy = Wire::open(world.service.address, NO_WINDOW).await;
    for round in 0..500 {
        // It may be closed in the middle of it.
        let _ = greedy.send(&check(2 * round + 1)).await;
        // No more at once than health checks may be in progress.
        if round % 8 == 7 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    timeout(SOON, greedy.closed()).await.expect("closed");
    assert_eq!(ended(admin, "unread").await, 1, "only the greedy one");
    let counted = sample(admin, "openlines_unread_bytes").await;
    assert!(counted <= 65_536, "{counted}");
    let more = frame(frames::WINDOW_UPDATE, 0, 1, &1000_u32.to_be_bytes());
    modest.send(&more).await.unwrap();
    modest.until(DATA, 1).await.expect("the message");
    answered(&world).await;
}

/// It fills the kernel's buffers first.
#[tokio::test]
async fn a_peer_that_reads_nothing_at_all_is_closed() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_UNREAD_SECONDS", "1"),
        // Otherwise it would be closed for its calls without a credential.
        ("SERVER_STRANGERS_REFUSALS_PER_SECOND", "10000"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let headers = frames::call("/nothing", &[]);
    let sends = async {
        let mut stream = 1;
        loop {
            let calls: Vec<u8> = (0..50)
                .flat_map(|number| {
                    let stream = stream + 2 * number;
                    // It comes back, and no two are alike.
                    let id = field("x-request-id", &format!("{stream:0>128}"));
                    let headers = [&*headers, &*id].concat();
                    frame(HEADERS, END_STREAM | END_HEADERS, stream, &headers)
                })
                .collect();
            stream += 100;
            if wire.send(&calls).await.is_err() {
                break;
            }
        }
    };
    timeout(Duration::from_secs(60), sends)
        .await
        .expect("closed");
    let ended = ended(admin, "unread").await;
    assert_eq!(ended, 1, "{}", metrics(admin).await);
    answered(&world).await;
}
