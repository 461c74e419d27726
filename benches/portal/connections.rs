//! Connections to portals over TLS: HTTP/2, HTTP/1.1 with one request for each connection, and
//! HTTP/1.1 with connections that are kept. The first two are the client of the service, the third
//! is the same HTTP library without the header that ends a connection: the service never does that.

pub(crate) mod client;
pub(crate) mod portal;

use std::collections::BTreeMap;
use std::process::Command;

use self::client::{Round, Way};
use self::portal::SecurePortal;
use super::statistics::middle;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    pub(crate) rounds: usize,
    pub(crate) round_ms: u64,
    pub(crate) places: &'static [Place],
}

/// Requests in flight, and the network to the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    in_flight: usize,
    /// The portal is 10 ms away, each way.
    is_far: bool,
}

const fn near(in_flight: usize) -> Place {
    Place {
        in_flight,
        is_far: false,
    }
}

const fn far(in_flight: usize) -> Place {
    Place {
        in_flight,
        is_far: true,
    }
}

/// About three minutes.
pub(crate) const WHOLE: Extent = Extent {
    rounds: 7,
    round_ms: 2_000,
    places: &[near(1), near(16), near(64), far(1), far(16), far(64)],
};

/// Some seconds.
pub(crate) const SHORT: Extent = Extent {
    rounds: 1,
    round_ms: 400,
    places: &[near(16), far(16)],
};

pub(crate) async fn measure(extent: Extent) {
    let mut rounds: BTreeMap<(Place, Way), Vec<Round>> = BTreeMap::new();
    for _ in 0..extent.rounds {
        for place in extent.places {
            for way in Way::ALL {
                let round = one(*place, way, extent.round_ms).await;
                rounds.entry((*place, way)).or_default().push(round);
            }
        }
    }
    print(extent, &rounds);
}

/// A new portal and a new client, each as a process of its own.
async fn one(place: Place, way: Way, round_ms: u64) -> Round {
    let portal = SecurePortal::start(way == Way::Http2);
    let address = if place.is_far {
        portal.far
    } else {
        portal.near
    };
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["connections-client", way.name(), &address.to_string()])
        .arg(portal.certificate())
        .args([place.in_flight.to_string(), round_ms.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let round: Round = serde_json::from_slice(&output.stdout).unwrap();
    let connections = portal.connections().await;
    Round {
        connections,
        ..round
    }
}

fn print(extent: Extent, rounds: &BTreeMap<(Place, Way), Vec<Round>>) {
    println!(
        "### Connections to a portal over TLS, medians of {} alternating rounds of {} ms\n",
        extent.rounds, extent.round_ms
    );
    println!(
        "| in flight | portal | figure | HTTP/2 | HTTP/1.1, one request each | ratio | HTTP/1.1, kept | ratio |\n\
         |---|---|---|---|---|---|---|---|"
    );
    for place in extent.places {
        row(*place, rounds, "processor time per call, µs", |round| {
            round.processor_us / round.calls
        });
        row(*place, rounds, "p50, µs", |round| round.p50_us);
        row(*place, rounds, "p99, µs", |round| round.p99_us);
        row(*place, rounds, "calls per second", |round| {
            round.calls * 1e3 / extent.round_ms as f64
        });
        row(*place, rounds, "connections per 1,000 calls", |round| {
            round.connections * 1e3 / round.all_calls
        });
        row(*place, rounds, "connections", |round| round.connections);
    }
    println!();
}

fn row(
    place: Place,
    rounds: &BTreeMap<(Place, Way), Vec<Round>>,
    name: &str,
    figure: impl Fn(&Round) -> f64,
) {
    let [http2, single, kept] =
        Way::ALL.map(|way| middle(rounds[&(place, way)].iter().map(&figure).collect()));
    let network = if place.is_far { "10 ms away" } else { "near" };
    println!(
        "| {} | {network} | {name} | {http2:.1} | {single:.1} | {:.2} | {kept:.1} | {:.2} |",
        place.in_flight,
        single / http2,
        kept / http2
    );
}
