//! A real nginx in front of the portal: connections that it ends lose no call and double none.
//!
//! `OPENLINES_TEST_PROXIED` says how many calls each test sends.

mod load;
mod nginx;
mod scripted;

use std::time::Duration;

use self::load::{Load, Tally};
use self::nginx::{Options, Protocol};

const LONG: u32 = 75_000;

/// Sends calls through nginx while `disturb` runs. `None` without nginx.
async fn through(options: Options, disturb: impl AsyncFnOnce(&Load)) -> Option<Tally> {
    if !nginx::is_installed() {
        return None;
    }
    let load = Load::start(options).await;
    let tally = load.run(disturb).await;
    let connections = load.nginx.connections().await;
    crate::support::tell(&format!("{connections} connections, {tally}"));
    // Otherwise nothing was tested.
    let least = tally.calls / u64::from(options.keepalive_requests);
    assert!(connections >= least, "{connections} connections");
    Some(tally)
}

async fn undisturbed(protocol: Protocol, keepalive_requests: u32, keepalive_ms: u32) {
    let options = Options {
        protocol,
        keepalive_requests,
        keepalive_ms,
    };
    if let Some(tally) = through(options, async |_| ()).await {
        tally.assert_every_call_delivered_once();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_connections_that_end_after_50_requests_lose_nothing() {
    undisturbed(Protocol::Http2, 50, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_connections_that_end_after_1000_requests_lose_nothing() {
    undisturbed(Protocol::Http2, 1_000, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_connections_that_end_after_50_requests_lose_nothing() {
    undisturbed(Protocol::Http1, 50, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_1_connections_that_end_after_1000_requests_lose_nothing() {
    undisturbed(Protocol::Http1, 1_000, LONG).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nginx_would_end_when_idle_have_ended_before() {
    let options = Options {
        protocol: Protocol::Http2,
        keepalive_requests: 1_000,
        keepalive_ms: 1_500,
    };
    // Each pause is as long as nginx keeps a connection, give or take a little.
    let pause = async |load: &Load| {
        for pause_ms in [1_498, 1_499, 1_500, 1_501, 1_502] {
            load.pause(Duration::from_millis(pause_ms)).await;
        }
    };
    if let Some(tally) = through(options, pause).await {
        tally.assert_every_call_delivered_once();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_of_nginx_lose_nothing() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let options = Options {
            protocol,
            keepalive_requests: 1_000,
            keepalive_ms: LONG,
        };
        let reload = async |load: &Load| {
            while !load.has_ended() {
                tokio::time::sleep(Duration::from_millis(300)).await;
                load.nginx.reload();
            }
        };
        if let Some(tally) = through(options, reload).await {
            tally.assert_every_call_delivered_once();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_dies_leaves_only_those_calls_unknown_that_it_had() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let options = Options {
            protocol,
            keepalive_requests: 1_000,
            keepalive_ms: LONG,
        };
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
}
