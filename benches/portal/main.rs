//! The service at the limits of a portal: bursts, order, lost answers, a portal that hangs.
//!
//! `cargo bench --bench portal` starts a sandbox with the documented limits and the real program,
//! each as a process of its own, loads the program over gRPC, reads the sandbox's record, and
//! prints Markdown for docs/performance.md. It stops when the record shows something that must not
//! be. `-- --short` is what CI runs; `-- burst`, `conversations`, `first-call`, `lost-answers` and
//! `hang` measure one thing each.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a measurement stops when something is wrong, and prints its result"
)]

mod burst;
mod call;
mod connection;
mod conversations;
mod delivery;
mod first_call;
mod hang;
mod lost_answers;
#[path = "../programs/process.rs"]
mod process;
mod record;
mod sandbox;
#[path = "../programs/service.rs"]
mod service;
mod statistics;
mod testbed;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut modes = arguments
        .iter()
        .filter(|argument| *argument != "--bench")
        .map(String::as_str);
    let mode = modes.next();
    if mode == Some("sandbox") {
        sandbox::run(modes.next().unwrap());
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match mode {
            Some("--short") => {
                burst::measure(&[(500, 1)]).await;
                first_call::measure(1).await;
            }
            Some("burst") => burst::measure(&burst::ALL).await,
            Some("conversations") => conversations::measure().await,
            Some("first-call") => first_call::measure(first_call::PORTALS).await,
            Some("lost-answers") => lost_answers::measure().await,
            Some("hang") => hang::measure().await,
            None => {
                burst::measure(&burst::ALL).await;
                conversations::measure().await;
                first_call::measure(first_call::PORTALS).await;
                lost_answers::measure().await;
                hang::measure().await;
            }
            Some(other) => panic!("{other}: see the first lines of benches/portal/main.rs"),
        }
    });
}
