//! Accepts connections, reads whole requests, and writes replies.

mod body;
mod listener;
mod tls;

pub(crate) use listener::Listener;
pub use tls::Identity;
