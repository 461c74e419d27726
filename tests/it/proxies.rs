//! A real nginx and a real HAProxy in front of the portal: connections that they end lose no call
//! and double none.
//!
//! `OPENLINES_TEST_PROXIED` says how many calls each test sends. docs/portals.md has the figures of
//! 5,000.

mod front;
mod haproxy;
mod load;
mod nginx;
mod refused;
mod scripted;

use std::time::Duration;

use self::front::{Options, Protocol, Software};
use self::load::{Load, Tally};

const LONG: u32 = 75_000;

/// nginx's defaults.
fn nginx(protocol: Protocol) -> Options {
    Options {
        software: Software::Nginx,
        protocol,
        keepalive_requests: 1_000,
        keepalive_ms: LONG,
    }
}

fn haproxy(protocol: Protocol) -> Options {
    Options {
        software: Software::Haproxy,
        ..nginx(protocol)
    }
}

/// Sends calls through the server while `disturb` runs. `None` without the server.
async fn through(options: Options, disturb: impl AsyncFnOnce(&Load)) -> Option<Tally> {
    if !options.software.is_installed() {
        return None;
    }
    let load = Load::start(options).await;
    let tally = load.run(disturb).await;
    let connections = load.front.connections().await;
    crate::support::tell(&format!("{options:?}: {connections} connections, {tally}"));
    // Otherwise nothing was tested.
    if options.software == Software::Nginx {
        let least = tally.calls / u64::from(options.keepalive_requests);
        assert!(connections >= least, "{connections} connections");
    }
    Some(tally)
}

/// Sends calls while `disturb` runs, and each arrives once.
async fn lossless(options: Options, disturb: impl AsyncFnOnce(&Load)) {
    if let Some(tally) = through(options, disturb).await {
        tally.assert_every_call_delivered_once();
    }
}

async fn undisturbed(options: Options) {
    lossless(options, async |_| ()).await;
}

fn ended_after(keepalive_requests: u32, protocol: Protocol) -> Options {
    Options {
        keepalive_requests,
        ..nginx(protocol)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_connections_that_end_after_50_requests_lose_nothing() {
    undisturbed(ended_after(50, Protocol::Http2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_connections_that_end_after_1000_requests_lose_nothing() {
    undisturbed(ended_after(1_000, Protocol::Http2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_connections_that_end_after_50_requests_lose_nothing() {
    undisturbed(ended_after(50, Protocol::Http1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_connections_that_end_after_1000_requests_lose_nothing() {
    undisturbed(ended_after(1_000, Protocol::Http1)).await;
}

/// Pauses as long as the server keeps a connection, give or take a little.
async fn pause(load: &Load) {
    for pause_ms in [2_998, 2_999, 3_000, 3_001, 3_002] {
        load.pause(Duration::from_millis(pause_ms)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_a_server_would_end_when_idle_have_ended_before() {
    for options in [nginx(Protocol::Http2), haproxy(Protocol::Http2)] {
        let keepalive_ms = 3_000;
        lossless(
            Options {
                keepalive_ms,
                ..options
            },
            pause,
        )
        .await;
    }
}

/// Many calls meet the end of their connection here. The `GOAWAY` that explains it is read even if
/// a write has failed before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_a_server_ends_before_the_service_does_lose_nothing() {
    for options in [nginx(Protocol::Http2), haproxy(Protocol::Http2)] {
        let options = Options {
            keepalive_ms: 20,
            ..options
        };
        let pauses = async |load: &Load| {
            while !load.has_ended() {
                load.pause(Duration::from_millis(20)).await;
            }
        };
        lossless(options, pauses).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_connections_are_not_idle_however_short_a_server_keeps_those() {
    for options in [nginx(Protocol::Http1), haproxy(Protocol::Http1)] {
        let keepalive_ms = 1;
        undisturbed(Options {
            keepalive_ms,
            ..options
        })
        .await;
    }
}

async fn reload(load: &Load) {
    while !load.has_ended() {
        tokio::time::sleep(Duration::from_millis(300)).await;
        load.front.reload();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_of_nginx_lose_nothing() {
    lossless(nginx(Protocol::Http1), reload).await;
    lossless(nginx(Protocol::Http2), reload).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_of_haproxy_lose_nothing() {
    lossless(haproxy(Protocol::Http1), reload).await;
    lossless(haproxy(Protocol::Http2), reload).await;
}

async fn an_upstream_dies(options: Options) {
    let die = async |load: &Load| {
        load.half_way().await;
        load.kill_an_upstream();
    };
    if let Some(tally) = through(options, die).await {
        tally.assert_nothing_doubled_or_lost();
        // At most as many as were on their way, and those only once.
        assert!(tally.unknown() <= load::IN_FLIGHT, "{tally}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_of_nginx_that_dies_leaves_only_those_calls_unknown_that_it_had() {
    an_upstream_dies(nginx(Protocol::Http1)).await;
    an_upstream_dies(nginx(Protocol::Http2)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_of_haproxy_that_dies_leaves_only_those_calls_unknown_that_it_had() {
    an_upstream_dies(haproxy(Protocol::Http1)).await;
    an_upstream_dies(haproxy(Protocol::Http2)).await;
}
