//! A gRPC service that sends messages into Bitrix24 open channels, for many portals at once.
//!
//! # The journey of a call
//!
//! ```text
//! gRPC request
//!   → server       request id, deadline, admission, panic, log line     knows no Bitrix24
//!   → auth         → Caller     who calls
//!   → tenant       → Tenant     this caller may act for this portal
//!   → openlines    → Call       the request breaks no rule
//!   → dispatch     → Permit     it may be sent now
//!   → bitrix24     → Answer or CallError
//!   → openlines    Answer → response; error: Error → status
//! gRPC response
//! ```
//!
//! Each proof is a type that only the step before can make, so that a forgotten check does not compile. Data flows down this list
//! and back up. ARCHITECTURE.md says more.

#![expect(missing_docs, reason = "the library is not a public API")]

pub mod admin;
pub mod api;
pub mod app;
pub mod audit;
pub mod auth;
mod call;
mod check;
pub mod cli;
pub mod dispatch;
pub mod error;
pub mod install;
mod listener;
pub mod metrics;
pub mod openlines;

pub mod server;
pub mod settings;
pub mod telemetry;
pub mod tenant;
