//! Management of tenants, through the gRPC socket and through the command line.

mod command_line;
mod creation;
mod import;
mod listing;
mod masks;
mod office;
mod plans;
mod rights;
mod secrecy;
mod store;
mod switching;
mod terminal;
mod trail;
mod updates;
mod verification;
mod versions;
