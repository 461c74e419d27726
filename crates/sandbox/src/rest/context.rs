//! The conditions under which a request is executed.

use jiff::Timestamp;

use crate::fault::MessageRule;
use crate::switches::Switches;

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) switches: Switches,
    pub(crate) rules: Vec<MessageRule>,
    pub(crate) now: Timestamp,
    /// The address of the portal's methods as the client can reach it.
    pub(crate) client_endpoint: String,
}

impl Context {
    /// Host name and port in the client endpoint.
    pub(crate) fn domain(&self) -> &str {
        self.client_endpoint.split('/').nth(2).unwrap_or_default()
    }
}
