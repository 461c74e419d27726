//! The three operations: one file for each, and their common shape.
//!
//! A request without violations becomes a [`Call`](crate::check::Call); the dispatcher sends it;
//! the answer becomes the response.

mod attachment;
mod connector_messages;
mod crm_message;
mod estimate;
mod json_object;
mod json_struct;
mod keyboard;
mod names;
mod network_message;
mod operation;
mod respond;
mod send_status;
mod service;
mod settings;
mod streaming;
#[cfg(test)]
mod tests;
mod timing;

pub use self::names::NameRule;
pub use self::respond::respond;
pub use self::service::OpenLines;
pub use self::settings::Rules;
