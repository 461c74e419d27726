//! The sandbox portal over real HTTP: every response is compared with the record.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test, which clippy grants to test functions only"
)]

mod applications;
mod batch;
mod connector;
mod control;
mod crm;
mod definition;
mod desk;
mod entrance;
mod events;
mod faults;
mod forms;
mod front;
mod https;
mod limits;
mod network;
mod oauth;
mod page;
mod renames;
mod unknowns;
mod watch;
