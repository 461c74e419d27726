//! The guard for Bitrix24's weekly limit of network messages, on SQLite and on PostgreSQL.

mod exempt;
mod records;
mod refusals;
mod site;
mod week;
