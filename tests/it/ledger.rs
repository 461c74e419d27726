//! The ledger of calls with an idempotency key, on SQLite and on PostgreSQL.

mod backlog;
mod crashes;
mod known;
mod late;
mod lost;
mod outage;
mod refusals;
mod repeats;
mod replicas;
mod schedules;
mod signs_of_life;
mod support;
mod table;
