//! Bitrix24's REST interface, as a client sees it. Nothing here knows gRPC.
//!
//! A [`Client`] posts [`Parameters`] to a [`PortalAddress`] with a [`Credential`] and reads the
//! envelope of the response. A batch sends several calls as [`Command`]s in one request. Every
//! failure is a [`CallError`] that knows its [`Outcome`]: whether Bitrix24 executed the call.
//!
//! An [`AuthorizationServer`] grants tokens: [`Client::refresh`] and [`Client::application_info`]
//! ask it, and fail with an [`OAuthError`].

mod address_guard;
pub mod advertised;
mod answer;
mod authorization_server;
mod batch;
mod call_error;
mod certificates;
mod client;
mod command;
mod credential;
mod echo;
mod error_code;
mod front;
mod front_refusal;
#[doc(hidden)]
pub mod fuzzing;
mod host_name;
mod identity;
mod loopback;
pub mod loose;
mod method;
mod nat64;
mod oauth;
mod origin;
mod outcome;
mod parameters;
mod payload;
mod plan;
mod portal;
mod proxy;
mod refusal;
mod self_hosted;
mod send_guard;
#[cfg(feature = "simulation")]
pub mod simulation;
mod suffix;
mod tenant_id;
mod time;
mod transport;

pub use answer::Answer;
pub use authorization_server::{AuthorizationServer, InvalidAuthorizationServer};
pub use batch::BatchAnswer;
pub use call_error::{CallError, NotSent, Obstacle, Unanswered};
pub use certificates::{Authorities, CertificatePin, InvalidAuthorities, InvalidPin};
pub use client::{Client, SPAN_TARGET};
pub use command::{Command, MAXIMUM_COMMANDS};
pub use credential::Credential;
pub use error_code::ErrorCode;
pub use front_refusal::{FrontCause, FrontRefusal};
pub use host_name::{HostName, InvalidHostName};
pub use identity::{ClientId, InvalidIdentity, MemberId};
pub use method::Method;
pub use nat64::{InvalidNat64Prefix, Nat64Prefix};
pub use oauth::{ApplicationInfo, Consequence, OAuthError, OAuthRefusal, Tokens, token_life};
pub use outcome::Outcome;
pub use parameters::{NotAnObject, Parameters};
pub use plan::{InvalidRateLimit, Plan, RateLimit};
pub use portal::{InvalidPortal, Policy, PortalAddress};
pub use proxy::{ForwardProxy, InvalidProxy, InvalidProxyCredentials};
pub use refusal::Refusal;
pub use self_hosted::{InvalidSelfHosted, SelfHosted};
pub use send_guard::{Deadlines, SendGuard};
pub use suffix::Suffix;
pub use tenant_id::{InvalidTenantId, TenantId};
pub use time::Time;
pub use transport::{Connections, TransportOptions, TransportUnusable};
