//! The service at the limits of a portal: bursts, order, lost answers, portals that are slow or
//! hang, callers with little time.
//!
//! `cargo bench --bench portal` starts a sandbox with the documented limits and the real program,
//! each as a process of its own, loads the program over gRPC, reads the sandbox's record, and
//! prints Markdown for docs/performance.md. It stops when the record shows something that must not
//! be. `-- --short` is what CI runs; the name of a scene measures that one, and [`SCENES`] has
//! them. With `--before PROGRAM`, a binary of an earlier commit, each scene runs with both, and the
//! tables have a column for each. Replicas need PostgreSQL: `.ci/postgres cargo bench …`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement stops when something is wrong, and prints its result"
)]

mod at_the_limit;
mod burst;
mod call;
mod callers;
#[path = "../programs/certificate.rs"]
mod certificate;
mod connection;
mod connections;
mod conversations;
#[path = "../programs/database.rs"]
mod database;
mod delivery;
mod far_database;
mod first_call;
mod hang;
mod lost_answers;
mod many_messages;
mod neighbour;
mod operating;
#[path = "../programs/process.rs"]
#[expect(dead_code, reason = "another benchmark reads more of it")]
mod process;
mod program;
#[path = "../../crates/store/tests/it/support/proxy.rs"]
#[expect(dead_code, reason = "tests do more with it")]
mod proxy;
mod record;
mod sandbox;
mod scene;
#[path = "../programs/service.rs"]
mod service;
mod silent_chat;
mod slow_portal;
mod statistics;
mod table;
mod testbed;

use program::{Program, programs};

/// The scenes that are measured if none is named: less than eight minutes for two programs.
const SCENES: [&str; 9] = [
    "burst",
    "conversations",
    "first-call",
    "slow-portal",
    "lost-answers",
    "operating",
    "hang",
    "silent-chat",
    "at-the-limit",
];
/// The others: three minutes, six, and one and a half, for each program, and five for the client
/// alone.
const LONG_SCENES: [&str; 4] = ["many-messages", "neighbour", "far-database", "connections"];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (mut scenes, mut before) = (Vec::new(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--before" => before = arguments.next(),
            "sandbox" => return sandbox::run(&arguments.next().unwrap()),
            "connections-client" => return connections::client::run(arguments),
            "connections-portal" => {
                let mut next = || arguments.next().unwrap();
                return connections::portal::run(&next(), &next());
            }
            _ => scenes.push(argument),
        }
    }
    if scenes.is_empty() {
        scenes = SCENES.map(str::to_owned).to_vec();
    }
    let programs = programs(before.as_deref());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for scene in &scenes {
            measure(scene, &programs).await;
        }
    });
}

async fn measure(scene: &str, programs: &[Program]) {
    match scene {
        "--short" => {
            let once = burst::Burst {
                runs: 1,
                ..burst::SMALL
            };
            burst::measure(programs, once).await;
            first_call::measure(programs, 1).await;
            connections::measure(connections::SHORT).await;
        }
        "burst" => {
            burst::measure(programs, burst::SMALL).await;
            burst::measure(programs, burst::LARGE).await;
        }
        "conversations" => conversations::measure(programs).await,
        "first-call" => first_call::measure(programs, first_call::PORTALS).await,
        "slow-portal" => slow_portal::measure(programs).await,
        "lost-answers" => lost_answers::measure(programs).await,
        "operating" => operating::measure(programs).await,
        "hang" => hang::measure(programs).await,
        "silent-chat" => silent_chat::measure(programs).await,
        "at-the-limit" => at_the_limit::measure(programs).await,
        "connections" => connections::measure(connections::WHOLE).await,
        "many-messages" => many_messages::measure(programs).await,
        "far-database" => far_database::measure(programs).await,
        "neighbour" => neighbour::measure(programs).await,
        other => panic!("{other} is not one of {SCENES:?}, {LONG_SCENES:?} and --short"),
    }
}
