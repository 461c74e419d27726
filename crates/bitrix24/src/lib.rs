//! Bitrix24's REST interface, as a client sees it.
//!
//! A [`Client`] posts [`Parameters`] to a [`PortalAddress`] with a [`Credential`] and reads the envelope of the answer. Every
//! failure is a [`CallError`] that knows its [`Outcome`]: whether Bitrix24 executed the call, did not, or whether nobody
//! can tell. Several calls travel in one request as [`Command`]s of a batch. Nothing here knows gRPC.
//!
//! Tokens come from an [`AuthorizationServer`]: [`Client::refresh`] and [`Client::application_info`], which fail with an
//! [`OAuthError`].

mod address_guard;
pub mod advertised;
mod answer;
mod authorization_server;
mod batch;
mod call_error;
mod client;
mod command;
mod credential;
mod host_name;
mod identity;
mod loopback;
pub mod loose;
mod method;
mod oauth;
mod outcome;
mod parameters;
mod plan;
mod portal;
mod refusal;
mod send_guard;
mod suffix;
mod tenant_id;
mod time;
mod transport;

pub use answer::Answer;
pub use authorization_server::{AuthorizationServer, InvalidAuthorizationServer};
pub use batch::BatchAnswer;
pub use call_error::{CallError, NotSent, Unanswered};
pub use client::Client;
pub use command::{Command, MAXIMUM_COMMANDS};
pub use credential::Credential;
pub use host_name::{HostName, InvalidHostName};
pub use identity::{ClientId, InvalidIdentity, MemberId};
pub use method::Method;
pub use oauth::token_life;
pub use oauth::{ApplicationInfo, Consequence, OAuthError, OAuthRefusal, Tokens};
pub use outcome::Outcome;
pub use parameters::{NotAnObject, Parameters};
pub use plan::{Intensity, InvalidRateLimit, Plan, RateLimit};
pub use portal::{InvalidPortal, Policy, PortalAddress};
pub use refusal::Refusal;
pub use send_guard::{Deadlines, SendGuard};
pub use suffix::Suffix;
pub use tenant_id::{InvalidTenantId, TenantId};
pub use time::Time;

/// The target of the spans that traces are made of.
pub const SPANS: &str = "openlines::span";

pub use transport::{TransportOptions, TransportUnusable};
