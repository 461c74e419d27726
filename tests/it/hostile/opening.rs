//! Connections that do not begin, or that show no credential.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::{answered, ended, key};
use crate::support::World;
use crate::support::admin::{free_address, sample};
use crate::support::frames::{self, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, Wire};
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;

/// Far more than the seconds of the settings, and far less than what a test waits for at most.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_peer_that_is_silent_or_slow_before_the_preface_is_closed() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_PREFACE_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut silent = Wire::silent(world.service.address).await;
    let mut half = Wire::silent(world.service.address).await;
    half.send(&PREFACE[..12]).await.unwrap();
    let mut dripping = Wire::silent(world.service.address).await;
    answered(&world).await;
    // The service may close in the middle of it.
    for byte in PREFACE {
        if dripping.send(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for wire in [&mut silent, &mut half, &mut dripping] {
        timeout(SOON, wire.closed()).await.expect("closed in time");
    }
    answered(&world).await;
    assert_eq!(ended(admin, "handshake").await, 3);
}

#[tokio::test]
async fn http_1_is_told_that_this_port_speaks_http_2() {
    let world = World::start().await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let response = client.get(format!("http://{}/", world.service.address));
    assert_eq!(response.send().await.unwrap().status(), 505);
    answered(&world).await;
}

#[tokio::test]
async fn peers_that_have_not_begun_and_silent_idle_ones_do_not_hold_the_stop() {
    let mut world = World::with_settings(&[
        ("SERVER_DRAIN_SECONDS", "600"),
        ("SERVER_CONNECTIONS_PREFACE_SECONDS", "60"),
    ])
    .await;
    let address = world.service.address;
    let silent = Wire::silent(address).await;
    let mut half = Wire::silent(address).await;
    half.send(&PREFACE[..12]).await.unwrap();
    // They never confirm that they have heard of the end.
    let stranger = Wire::open(address, &[]).await;
    let mut caller = Wire::open(address, &[]).await;
    let headers = frames::call("/nothing", &[("authorization", &key(&world))]);
    let call = frames::frame(HEADERS, END_STREAM | END_HEADERS, 1, &headers);
    caller.send(&call).await.unwrap();
    caller.until(HEADERS, 1).await.expect("an answer");
    answered(&world).await;

    world.service.stop();
    let stopped = timeout(SOON, world.service.stopped()).await;
    stopped.expect("the stop is held up").unwrap();
    assert!(caller.until(GOAWAY, 0).await.is_some(), "it is told");
    drop((silent, half, stranger));
}

#[tokio::test]
async fn a_stranger_is_sent_away_in_time_and_a_caller_may_be_idle() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_UNAUTHENTICATED_SECONDS", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut client = world.client().await;
    let call = world.request(crm_message("first"));
    client.send_crm_message(call).await.unwrap();
    let mut stranger = Wire::open(world.service.address, &[]).await;
    let headers = frames::call("/openlines.v1.OpenLinesService/SendCrmMessage", &[]);
    let call = frames::frame(HEADERS, END_STREAM | END_HEADERS, 1, &headers);
    stranger.send(&call).await.unwrap();
    assert!(stranger.until(GOAWAY, 0).await.is_some(), "it is told");
    timeout(SOON, stranger.closed())
        .await
        .expect("closed in time");

    assert_eq!(ended(admin, "unauthenticated").await, 1);
    let call = world.request(crm_message("second"));
    client.send_crm_message(call).await.unwrap();
    assert_eq!(ended(admin, "closed").await, 0, "it is the same connection");
}

#[tokio::test]
async fn strangers_take_places_from_each_other_only() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_MAXIMUM", "16"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut early = world.client().await;
    let call = world.request(crm_message("early"));
    early.send_crm_message(call).await.unwrap();
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(Wire::open(world.service.address, &[]).await);
    }
    // A new caller gets in although all places are taken, and the early one has kept its own.
    answered(&world).await;
    let call = world.request(crm_message("still"));
    early.send_crm_message(call).await.unwrap();
    assert!(ended(admin, "evicted").await >= 16);
    assert_eq!(ended(admin, "refused").await, 0);
}

#[tokio::test]
async fn a_connection_too_many_is_closed_at_once() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("SERVER_CONNECTIONS_MAXIMUM", "1"),
        ("ADMIN_LISTEN", &admin.to_string()),
    ])
    .await;
    let mut only = world.client().await;
    let call = world.request(crm_message("first"));
    only.send_crm_message(call).await.unwrap();
    let mut refused = Wire::silent(world.service.address).await;
    timeout(SOON, refused.closed())
        .await
        .expect("closed at once");
    assert_eq!(ended(admin, "refused").await, 1);
    let call = world.request(crm_message("second"));
    only.send_crm_message(call).await.unwrap();
}

#[tokio::test]
async fn probes_get_through_when_strangers_hold_all_connections_of_the_admin_port() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    answered(&world).await;
    let mut strangers = Vec::new();
    for _ in 0..300 {
        let mut stranger = Wire::silent(admin).await;
        let _ = stranger.send(b"GET /metrics HTTP/1.1\r\n").await;
        strangers.push(stranger);
    }
    assert_eq!(sample(admin, "openlines_calls_in_progress").await, 0);
}

/// The kernel holds some megabytes of responses for a peer that does not read.
#[tokio::test]
async fn a_connection_of_the_admin_port_has_an_age() {
    let admin = free_address();
    let world = World::with_settings(&[
        ("ADMIN_LISTEN", &admin.to_string()),
        ("ADMIN_CONNECTION_SECONDS", "1"),
    ])
    .await;
    answered(&world).await;
    let mut wire = Wire::silent(admin).await;
    let asks = async {
        // Until the service closes it.
        while wire
            .stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
            .await
            .is_ok()
        {}
    };
    timeout(SOON, asks).await.expect("closed in time");
    answered(&world).await;
}

#[tokio::test]
async fn a_process_that_may_open_too_few_files_does_not_start() {
    let files = Files::write("auth: {mode: dangerous_none}\n", "tenants: []\n");
    let settings = files.settings();
    let serve = |limit: &str, maximum: &str| {
        let program = openlines(&[]);
        let mut command = std::process::Command::new("sh");
        let script = format!("ulimit -n {limit}; exec \"$0\" serve --config \"$1\"");
        let given = program.get_envs();
        let given = given.filter_map(|(name, value)| Some((name, value?)));
        command
            .env_clear()
            .envs(given)
            .env("OPENLINES_SERVER_LISTEN", "127.0.0.1:0")
            .env("OPENLINES_SERVER_CONNECTIONS_MAXIMUM", maximum)
            .args(["-c", &script])
            .arg(program.get_program())
            .arg(&settings);
        command
    };
    let output = serve("1100", "100").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in ["1100", "1124", "server.connections.maximum", "ulimit -Hn"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // The soft limit alone does not matter.
    let process = Process::start(serve("-S 64", "100"));
    process.address().await;
}
