//! Accepts connections, reads whole requests, and writes replies.

mod authority;
mod body;
mod connection;
mod goaway;
mod listener;
mod tls;
mod watch;

pub use authority::OwnAuthority;
pub(crate) use listener::Listener;
pub use tls::Identity;
