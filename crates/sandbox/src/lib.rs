//! A simulated Bitrix24 portal over real HTTP, for tests, demonstrations and the `sandbox` command.
//!
//! It follows the documented and observed behaviour of Bitrix24 alone and shares no code with this
//! project's client, so both ends of the wire cannot agree on the same mistake.
//!
//! # A request's way
//!
//! ```text
//! server     accepts a connection, reads the whole request, writes or cuts the reply
//!   control  /sandbox/… steers the simulator: neither recorded nor hit by faults
//!     page   /sandbox/ is what people look at
//!     view   what it shows of a portal, as JSON
//!   handler  everything else: rate limit, entry in the record, fault; completes the entry
//!     oauth  /oauth/token/ grants tokens
//!     rest   /rest/… executes one method or the commands of a batch
//!              execution  scope, operating time, latency
//!              methods    arguments in the documented order, then the effect, then the result
//! ```
//!
//! Below these are `event` (what portals send), `simulator` (the running portals), `state` (their
//! memory), `fault`, `exchange`, `request`, `response`, `record`, `error`, `portal` (definitions)
//! and `switches`. Modules import only from modules below them.
//!
//! A handler runs in a task of its own: as on a real portal, a client that disconnects undoes
//! nothing. Every request has one [`Entry`] in the [`Record`]; `executed` is the truth about its
//! effect, whatever the client received.
//!
//! # Unknown behaviour
//!
//! Where the documentation contradicts itself or observation, or is silent, a field of [`Switches`]
//! selects the behaviour. Its default is what was observed.

mod control;
mod error;
mod event;
mod exchange;
mod fault;
mod handler;
mod nat64;
mod oauth;
mod page;
mod php;
mod portal;
mod record;
mod request;
mod response;
mod rest;
mod sandbox;
mod server;
mod simulator;
mod state;
mod switches;
mod sync;
mod view;

pub use error::{OAuthError, SystemError};
pub use event::{Event, EventKind};
pub use fault::{
    CommandFault, Damage, Fault, FaultKind, Gate, MessageRule, Moment, PHP_NOTICE, Schedule,
};
pub use nat64::Nat64Prefix;
pub use portal::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, CrmItem, Grant, Intensity,
    Limits, Line, NetworkLine, Portal, TokenState, User, Webhook, demo,
};
pub use record::{AuthKind, CommandEntry, DeliveredFile, Delivery, Entry, Record};
pub use request::decode as decode_form;
pub use sandbox::Sandbox;
pub use server::{Identity, OwnAuthority};
pub use state::GrantedPair;
pub use switches::{
    AnswerGeneration, BatchCharging, BatchReferences, ConnectorResult, DateForm, ErrorDialect,
    EventScope, ExtraForm, IdForm, IntensityKey, InvalidName, RefreshRotation, RepeatedMessage,
    ReplacedToken, ResultForm, SenderOutsideChat, StatusTable, SuccessForm, Switches, TimeForm,
    UnknownCrmType, Week,
};
