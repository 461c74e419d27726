//! What all steps share of a call: its context, identity and priority, its conversations, and the
//! order in which calls arrived.

mod context;
mod conversation;
mod identity;
mod order;
mod priority;

pub(crate) use self::context::{CallContext, Progress};
pub(crate) use self::conversation::Conversation;
pub(crate) use self::identity::CallIdentity;
pub(crate) use self::order::{Arrival, Arrivals, Order};
pub(crate) use self::priority::Priority;
