//! PostgreSQL as it is run: with TLS, behind a pooler, with a standby that takes over, restarted,
//! at the limit of its connections, with locked tables. The servers are real, and of one test.

mod failover;
mod pooler;
mod server;
mod tls;
mod trouble;
mod users;
