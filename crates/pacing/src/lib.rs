//! When a call to a portal is sent, and with which others.
//!
//! [`Portal`] is the state machine of one portal: callers submit calls to it, and it decides which
//! of them form the next request. Such a [`Selection`] is prepared and given back. Sending requires
//! a [`Permit`], and only [`Portal::next`] issues one, to prepared calls. Replicas share a portal's
//! rate limit by the rules of [`sharing`].
//!
//! Nothing here reads a clock, does I/O or knows Bitrix24's wire format: every function takes the
//! time as an argument, so tests simulate hours in a moment.

mod backoff;
mod breaker;
mod bucket;
mod budget;
mod capacity;
mod conversation;
mod latency;
mod limits;
mod operating;
mod operating_key;
mod permit;
mod pool;
mod portal;
mod priority;
mod queue;
mod rate_limit;
mod rejection;
mod retry_budget;
mod scheduling;
mod selection;
pub mod sharing;
mod taken;
mod tenant_key;

pub use self::budget::OpenShared;
pub use self::capacity::{QueueCapacity, Queued, Slot};
pub use self::conversation::{Conversation, Conversations};
pub use self::limits::Limits;
pub use self::operating::{BATCH, OperatingTime, SentAs};
pub use self::operating_key::OperatingKey;
pub use self::permit::{Permit, RequestNumber};
pub use self::pool::{Exhausted, Held, Pool};
pub use self::portal::{Forecast, LateRequest, Next, Portal, PortalView, RequestOutcome};
pub use self::priority::Priority;
pub use self::rate_limit::RateLimit;
pub use self::rejection::Rejection;
pub use self::scheduling::{CallNumber, SchedulingInfo, Waiting};
pub use self::selection::Selection;
pub use self::taken::Taken;
pub use self::tenant_key::TenantKey;

#[cfg(test)]
mod samples;
