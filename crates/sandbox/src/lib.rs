//! A simulated Bitrix24 portal over real HTTP, for tests, demonstrations and the `sandbox` command.
//!
//! It is written from the documented and observed behaviour of Bitrix24 alone and shares nothing with
//! the client of this project, so that the two ends of the wire cannot agree on the same mistake.
//!
//! # A request's way through the simulator
//!
//! ```text
//! server      accepts a connection, knows which portal the listener belongs to
//! connection  tls or not; reads the whole request; can cut the connection with or without an answer
//!   control   /sandbox/… is answered here: never recorded, never faulted
//!   asked     /rest/… becomes method, credential and nested parameters (request, brackets, multipart, php);
//!             /oauth/token/ becomes a token request
//! world       the limit of requests (bucket), the entry in the record, the fault; closes the entry
//!   oauth     grants tokens, or says why not
//!   execution waits as long as the portal is told to take, runs one call or the commands of a batch
//!     dispatch  method lookup → auth → scope → operating time (baskets), the order in which a portal refuses
//!     methods   arguments in the documented order, then the effect, then the result
//!   answer    result or refusal → envelope, in the form that the switches ask for
//!   reply     the fault changes what leaves: another answer, a damaged one, or none
//! ```
//!
//! A handler works in a task of its own: a client that leaves does not undo what the portal does, as
//! with a real portal. Every request has one [`Entry`] in the [`Record`]: `executed` is the truth about
//! the effect, whatever the client was told.
//!
//! # What is certain and what is not
//!
//! Where the documentation contradicts itself or observation, or says nothing, the choice is a field of
//! [`Switches`] and its default is the observed behaviour.

mod answer;
mod applications;
mod asked;
mod auth;
mod baskets;
mod batch;
mod brackets;
mod bucket;
mod clock;
mod connection;
mod control;
mod definition;
pub mod demo;
mod dispatch;
mod event;
mod execution;
mod fault;
mod fault_request;
mod faults;
mod fields;
mod limits;
mod methods;
mod multipart;
mod oauth;
mod origin;
mod php;
mod portal;
mod record;
mod refusal;
mod reply;
mod request;
mod server;
mod state;
mod switches;
mod system_error;
mod tls;
mod world;

pub use brackets::decode as decode_form;
pub use event::{Event, EventKind};
pub use fault::{CommandFault, Damage, Fault, FaultKind, Gate, Moment, Schedule};
pub use limits::{Intensity, Limits};
pub use oauth::{GrantedPair, OAuthError};
pub use portal::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, CrmItem, Grant, Line,
    NetworkLine, Portal, TokenState, User, Webhook,
};
pub use record::{AuthKind, Command, Delivery, Entry, Record};
pub use server::Sandbox;
pub use state::MessageRule;
pub use switches::{
    AnswerGeneration, BatchCharging, BatchReferences, ConnectorResult, DateForm, ErrorDialect,
    EventScope, ExtraForm, IdForm, IntensityKey, InvalidName, RefreshRotation, RepeatedMessage,
    ReplacedToken, ResultForm, SenderOutsideChat, StatusTable, SuccessForm, Switches, TimeForm,
    UnknownCrmType, Week,
};
pub use system_error::SystemError;
pub use tls::Identity;
