//! The store, on SQLite and on PostgreSQL: every test is written once, and runs on both.

mod changes;
mod commands;
mod leases;
mod opening;
mod outage;
mod plans;
mod secrets;
mod tenants;
mod writers;
