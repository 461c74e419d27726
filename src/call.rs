//! What all steps share of a call: its context, identity and priority, its conversations, the order
//! in which calls arrived, and who answers when around its deadline.

mod context;
mod holdings;
mod identity;
pub(crate) mod margins;
mod order;
mod recipient;

pub(crate) use self::context::{CallContext, Progress};
pub(crate) use self::holdings::Holdings;
pub(crate) use self::identity::CallIdentity;
pub(crate) use self::order::{Arrival, Arrivals, Order};
pub(crate) use self::recipient::Recipient;
pub(crate) use pacing::{Conversation, Conversations, Priority};
