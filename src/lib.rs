//! A gRPC service that sends messages into Bitrix24 open channels, for many portals at once.
//!
//! # The journey of a call
//!
//! ```text
//! gRPC request
//!   → server       call id, deadline, admission, panic, log line     knows no Bitrix24
//!   → auth         → Caller     who calls
//!   → tenant       → Tenant     this caller may act for this portal
//!   → openlines    → Call       the request breaks no rule
//!   → dispatch     → Permit     it may be sent now
//!   → bitrix24     → Answer or CallError
//!   → openlines    Answer → response; error: Error → status
//! gRPC response
//! ```
//!
//! Each proof is a type that only the step before can make, so a forgotten check does not compile.
//! Data flows down this list and back up. ARCHITECTURE.md says more. The library is not an API: its
//! users are the binary, the tests and the benchmarks.

#![expect(missing_docs, reason = "the library is not a public API")]

mod admin;
pub mod api;
mod app;
mod audit;
mod auth;
mod call;
mod check;
pub mod cli;
mod dispatch;
mod error;
mod install;
mod listener;
mod metrics;
mod openlines;
mod readiness;
mod server;
mod settings;
mod stop;
mod tasks;
mod telemetry;
mod tenant;
#[doc(hidden)]
pub mod testing;
mod version;
mod workers;
