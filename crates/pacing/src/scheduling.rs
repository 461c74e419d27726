//! A queued call.

use std::time::{Duration, Instant};

use crate::{Conversations, Priority, TenantKey};

/// A call's place in the order of arrival, and its unique name.
pub type CallNumber = u128;

/// What the scheduler knows of a call.
#[derive(Clone, Debug)]
pub struct SchedulingInfo {
    /// Its place in the order of arrival.
    pub number: CallNumber,
    /// Whose call it is.
    pub tenant: TenantKey,
    /// The method, whose operating time it uses.
    pub method: &'static str,
    /// The conversations it writes to, each once.
    pub conversations: Conversations,
    /// How urgent it is.
    pub priority: Priority,
    /// When the caller wants the response at the latest.
    pub deadline: Instant,
    /// When it arrived.
    pub arrived: Instant,
    /// Set on a retry: not before this moment.
    pub not_before: Option<Instant>,
    /// Its size in a batch, in bytes; `None` if it may not be batched.
    pub command_bytes: Option<usize>,
    /// Whether its start is recorded before it is sent, which may take time. Such a call is not
    /// sent together with others, so that these do not wait for the record.
    pub is_recorded: bool,
}

impl SchedulingInfo {
    /// The last moment at which the call can be sent if its answer takes this long. A caller that
    /// gives less time than that takes the chance itself.
    pub(crate) fn send_by(&self, takes: Duration) -> Instant {
        let given = self.deadline.saturating_duration_since(self.arrived);
        if given > takes {
            self.deadline - takes
        } else {
            self.deadline
        }
    }
}

/// A waiting call with its payload.
#[derive(Debug)]
pub struct Waiting<J> {
    /// What decides its turn.
    pub info: SchedulingInfo,
    /// The payload.
    pub job: J,
    /// The priority that it is served with: interactive if an interactive call waits behind it.
    pub(crate) turn: Priority,
    /// Whether it is in a list of ready calls.
    pub(crate) is_listed: bool,
}
