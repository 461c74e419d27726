//! The service beside its peers: gateways that translate gRPC to REST, and the client libraries of
//! Bitrix24 that people use today.
//!
//! `cargo bench --bench peers` installs the peers into `.cache/peers`, measures them beside a bare
//! hop and the service, and prints Markdown for docs/performance.md. `-- --update-docs` writes
//! tables and pictures there. `-- --short` takes a minute; `-- gateways` and `-- libraries`
//! measure one half; `-- --check`, for CI, lets one call pass through each gateway and plays the
//! scenes of the libraries in short. It needs Linux with two cores, Go, Python and Node, and the
//! registries of their packages.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement stops when something is wrong, and prints its result"
)]

#[path = "../hop/bare.rs"]
mod bare;
#[path = "../programs/certificate.rs"]
#[expect(dead_code, reason = "another benchmark makes one")]
mod certificate;
mod figures;
mod gateway;
mod gateways;
mod install;
mod libraries;
#[path = "../hop/load.rs"]
#[expect(dead_code, reason = "another benchmark does more with it")]
mod load;
mod page;
mod picture;
#[path = "../programs/pinned.rs"]
mod pinned;
#[path = "../programs/process.rs"]
#[expect(dead_code, reason = "another benchmark does more with it")]
mod process;
#[path = "../programs/service.rs"]
#[expect(dead_code, reason = "another benchmark does more with it")]
mod service;
#[path = "../hop/stub.rs"]
mod stub;

use std::time::Duration;

use install::Peers;
use page::Page;

/// How long and how often is measured.
struct Plan {
    rounds: usize,
    round: Duration,
    starts: usize,
}

/// Six minutes for the gateways; the libraries take four.
const WHOLE: Plan = Plan {
    rounds: 9,
    round: Duration::from_secs(2),
    starts: 5,
};
const SHORT: Plan = Plan {
    rounds: 3,
    round: Duration::from_millis(300),
    starts: 1,
};

fn main() {
    let mut plan = WHOLE;
    let (mut gateways, mut libraries, mut is_short) = (true, true, false);
    let (mut page, mut is_check) = (Page::printed(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "bare" => return bare::run(&arguments.next().unwrap(), false),
            "stub" => return stub::run(None),
            "--check" => is_check = true,
            "--short" => (plan, is_short) = (SHORT, true),
            "--update-docs" => page = Page::written(),
            "gateways" => libraries = false,
            "libraries" => gateways = false,
            other => panic!(
                "{other}: give gateways, libraries, --short, --check, --update-docs or nothing"
            ),
        }
    }
    let peers = Peers::install();
    if is_check {
        gateways::check(&peers);
        (gateways, is_short) = (false, true);
    }
    if gateways {
        gateways::measure(&peers, &plan, &mut page);
    }
    if libraries {
        peers.install_libraries();
        libraries::measure(&peers, is_short, &mut page);
    }
}
