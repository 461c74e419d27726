//! Injected faults: what goes wrong, for which requests, and what the client gets.

mod gate;
mod kind;
mod message_rule;
mod queue;
mod reply;

pub use gate::Gate;
pub use kind::{CommandFault, Damage, Fault, FaultKind, Moment, Schedule};
pub use message_rule::MessageRule;
pub(crate) use queue::{Faults, Hit};
pub use reply::PHP_NOTICE;
pub(crate) use reply::{after, instead};
