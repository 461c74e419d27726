//! Clients that cancel their calls, honestly or not.

use std::time::Duration;

use tokio::time::timeout;

use super::{answered, ended, key};
use crate::support::World;
use crate::support::admin::free_address;
use crate::support::frames::{
    self, CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, Wire, frame,
};

const CANCEL: [u8; 4] = [0, 0, 0, 8];
const SOON: Duration = Duration::from_secs(60);

/// A call that waits for the rest of its request.
fn begun(world: &World, stream: u32) -> Vec<u8> {
    let path = "/openlines.v1.OpenLinesService/SendCrmMessage";
    let headers = frames::call(path, &[("authorization", &key(world))]);
    frame(HEADERS, END_HEADERS, stream, &headers)
}

/// A call that is answered at once.
fn whole(world: &World, stream: u32) -> Vec<u8> {
    let headers = frames::call("/nothing", &[("authorization", &key(world))]);
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &headers)
}

/// 40 in one write ended the connection once; 1,000 are all that may be in progress.
#[tokio::test]
async fn a_client_may_cancel_all_of_its_calls_at_once() {
    let world = World::start().await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    // One call beside them.
    wire.send(&begun(&world, 1)).await.unwrap();
    for burst in 0..3 {
        let first = 3 + burst * 4_000;
        let streams = || (0..1_000).map(|number| first + 2 * number);
        let opened = streams().flat_map(|stream| begun(&world, stream));
        let cancelled = streams().flat_map(|stream| frame(RST_STREAM, 0, stream, &CANCEL));
        let bytes: Vec<u8> = match burst {
            // All in one write: they are cancelled before their turn.
            0 => opened.chain(cancelled).collect(),
            // Each call with its cancellation.
            1 => streams()
                .flat_map(|stream| {
                    [begun(&world, stream), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
                })
                .collect(),
            // When they are in progress.
            _ => {
                wire.send(&opened.collect::<Vec<_>>()).await.unwrap();
                wire.send(&frame(PING, 0, 0, &[0; 8])).await.unwrap();
                wire.until(PING, 0).await.expect("alive");
                cancelled.collect()
            }
        };
        wire.send(&bytes).await.unwrap();
        // Others make up for it.
        let next = first + 2_000;
        for number in 0..1_000 {
            let stream = next + 2 * number;
            wire.send(&whole(&world, stream)).await.unwrap();
            wire.until(HEADERS, stream).await.expect("an answer");
        }
    }
    let rest = frame(frames::DATA, END_STREAM, 1, &[]);
    wire.send(&rest).await.unwrap();
    wire.until(HEADERS, 1).await.expect("the call beside them");
    answered(&world).await;
}

#[tokio::test]
async fn a_flood_of_resets_ends_its_connection() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_MAXIMUM_STREAMS", "20"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let floods = async {
        let mut stream = 1;
        loop {
            // Few at a time, and the service keeps up with them.
            let calls: Vec<u8> = (0..10)
                .flat_map(|number| {
                    let stream = stream + 2 * number;
                    [begun(&world, stream), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
                })
                .collect();
            stream += 20;
            let ping = frame(PING, 0, 0, &[0; 8]);
            if wire.send(&[calls, ping].concat()).await.is_err() {
                return;
            }
            if wire.until(PING, 0).await.is_none() {
                return;
            }
        }
    };
    timeout(SOON, floods).await.expect("closed");
    answered(&world).await;
    assert_eq!(ended(admin, "reset_flood").await, 1);
}

/// "MadeYouReset": each frame is an error of its stream, which the service resets itself.
#[tokio::test]
async fn a_peer_that_makes_the_service_reset_streams_is_closed() {
    let world = World::start().await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let floods = async {
        for number in 0_u32.. {
            let stream = 2 * number + 1;
            let nothing_more = frame(frames::WINDOW_UPDATE, 0, stream, &[0; 4]);
            let bytes = [begun(&world, stream), nothing_more].concat();
            if wire.send(&bytes).await.is_err() {
                return;
            }
        }
    };
    timeout(SOON, floods).await.expect("closed");
    answered(&world).await;
}

#[tokio::test]
async fn headers_without_end_close_their_connection() {
    let world = World::start().await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let part = frames::field("x-part", &"x".repeat(10_000));
    wire.send(&frame(
        HEADERS,
        END_STREAM,
        1,
        &frames::call("/nothing", &[]),
    ))
    .await
    .unwrap();
    let floods = async { while wire.send(&frame(CONTINUATION, 0, 1, &part)).await.is_ok() {} };
    timeout(SOON, floods).await.expect("closed");
    answered(&world).await;
}

#[tokio::test]
async fn one_connection_carries_as_many_streams_as_the_setting_allows() {
    let settings = [("SERVER_CONNECTIONS_MAXIMUM_STREAMS", "10")];
    let world = World::with_settings(&settings).await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    for number in 0..11 {
        let call = begun(&world, 2 * number + 1);
        wire.send(&call).await.unwrap();
    }
    let refused = wire.until(RST_STREAM, 21).await.expect("a refusal");
    assert_eq!(refused.payload, [0, 0, 0, 7], "REFUSED_STREAM");
    // The connection goes on.
    wire.send(&frame(RST_STREAM, 0, 1, &CANCEL)).await.unwrap();
    wire.send(&whole(&world, 23)).await.unwrap();
    wire.until(HEADERS, 23).await.expect("an answer");
    answered(&world).await;
}

#[tokio::test]
async fn a_peer_that_pings_without_end_is_answered_and_harms_nobody() {
    let world = World::start().await;
    let mut wire = Wire::open(world.service.address, &[]).await;
    let pings: Vec<u8> = frame(PING, 0, 0, &[7; 8]).repeat(1_000);
    for _ in 0..50 {
        wire.send(&pings).await.unwrap();
        for _ in 0..1_000 {
            let told = wire.next().await.expect("alive");
            assert_ne!(told.kind, GOAWAY);
        }
    }
    answered(&world).await;
}
