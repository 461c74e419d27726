//! The whole product through real sockets: a gRPC client, the service, and the sandbox portal
//! behind it over HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests stop the test, which clippy grants to test functions only"
)]

mod audit;
mod backup;
mod borders;
mod callers;
mod catalogue;
mod cli;
mod cut;
mod directory;
mod faults;
mod fuzzing;
mod golden;
mod hostile;
mod idempotency;
mod installation;
mod keys;
mod ledger;
mod metrics;
mod moves;
mod operating;
mod operations;
mod pages;
mod postgresql;
mod process;
mod proxies;
mod refresh;
mod replicas;
mod sandbox_command;
mod secrets;
mod self_hosted;
mod server;
mod store_copy;
mod streaming;
mod support;
mod tenants;
mod tenants_file;
mod tls;
mod traces;
mod validate_only;
mod validation;
mod waiting;
mod weekly_guard;
mod without_hands;
