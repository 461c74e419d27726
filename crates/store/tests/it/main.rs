//! The store on SQLite and on PostgreSQL: every test is written once and runs on both.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test, which clippy grants to test functions only"
)]

mod budgets;
mod changes;
mod copy;
mod destinations;
mod entries;
mod events;
mod inspection;
mod leases;
mod log;
mod opening;
mod outage;
mod plans;
mod replicas;
mod secrets;
mod support;
mod tenants;
mod writers;
