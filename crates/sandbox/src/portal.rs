//! What a portal consists of, and the definitions that are built in or read from YAML.

mod definition;
pub mod demo;
mod limits;
mod yaml;

pub use definition::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, CrmItem, Grant, Line,
    NetworkLine, Portal, TokenState, User, Webhook,
};
pub use limits::{Intensity, Limits};
