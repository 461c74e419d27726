//! The whole system under one seeded clock: replicas of the real service, with a store, a portal,
//! an authorization server and callers that are played. docs/simulation.md is its page.
//!
//! `cargo test --features simulation --test simulation -- --seeds 200` runs so many seeds, each in
//! a process of its own; `--seed 7` runs one and prints what happens.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test stops when something is wrong, and prints its result"
)]

mod authorization;
mod books;
mod callers;
mod chance;
mod command;
mod line;
mod network;
mod plan;
mod planted;
mod portal;
mod replica;
mod run;
mod verdict;
mod world;

fn main() -> std::process::ExitCode {
    command::run()
}
