//! The errors that portals and the authorization server return.

mod oauth;
mod refusal;
mod system;

pub use oauth::OAuthError;
pub(crate) use refusal::{Refusal, WireError};
pub use system::SystemError;
