//! What all steps share of a call: its context, identity and priority, its conversations, and the
//! order in which calls arrived.

mod context;
mod identity;
mod order;

pub(crate) use self::context::{CallContext, Progress};
pub(crate) use self::identity::CallIdentity;
pub(crate) use self::order::{Arrival, Arrivals, Order};
pub(crate) use pacing::{Conversation, Priority};
