//! The arrival order of calls that are not queued yet, by conversation.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::call::{Arrival, Order};
use bitrix24::TenantId;
use pacing::{CallNumber, Conversation, Rejection};

/// A tenant's conversation: the portal is not known yet.
type Line = (TenantId, Conversation);

/// All announced calls.
#[derive(Debug, Default)]
pub(super) struct Announcements(Mutex<HashMap<Line, Order>>);

/// A call whose conversations are known. Later calls to them wait until it is queued or dropped.
pub(crate) struct Announced {
    number: CallNumber,
    tenant: TenantId,
    conversations: Vec<Conversation>,
    arrival: Option<Arrival>,
    all: Arc<Announcements>,
}

impl Announcements {
    /// Announces a call, after those of its connection that arrived before it.
    pub(super) fn announce(
        self: &Arc<Self>,
        number: CallNumber,
        tenant: TenantId,
        conversations: Vec<Conversation>,
        arrival: Option<Arrival>,
    ) -> Announced {
        {
            let mut lines = self.lock();
            for conversation in &conversations {
                let line = lines.entry((tenant.clone(), *conversation));
                line.or_default().enter(number);
            }
        }
        // Only after it is in its lines.
        if let Some(arrival) = &arrival {
            arrival.note_read();
        }
        Announced {
            number,
            tenant,
            conversations,
            arrival,
            all: Arc::clone(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Line, Order>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Announced {
    pub(super) fn number(&self) -> CallNumber {
        self.number
    }

    /// The conversations that the call writes to, each once. Empty: it waits for no other call.
    pub(super) fn conversations(&self) -> &[Conversation] {
        &self.conversations
    }

    /// Waits until no earlier call to one of its conversations is still to be queued. There must be
    /// no await between this and [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// The deadline passed.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<(), Rejection> {
        if let Some(arrival) = &self.arrival {
            let read = tokio::time::timeout_at(deadline, arrival.earlier_are_read());
            read.await.map_err(|_| Rejection::DeadlinePassed)?;
        }
        for conversation in &self.conversations {
            let turn = self
                .all
                .lock()
                .get_mut(&(self.tenant.clone(), *conversation))
                .and_then(|line| line.turn(self.number));
            if let Some(turn) = turn {
                let waited = tokio::time::timeout_at(deadline, turn).await;
                waited.map_err(|_| Rejection::DeadlinePassed)?.ok();
            }
        }
        Ok(())
    }

    /// The call is queued, or will not be. May be called more than once.
    pub(super) fn leave(&self) {
        let mut lines = self.all.lock();
        for conversation in &self.conversations {
            let line = (self.tenant.clone(), *conversation);
            if let Some(order) = lines.get_mut(&line) {
                order.leave(self.number);
                if order.is_empty() {
                    lines.remove(&line);
                }
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announced")
            .field("number", &self.number)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;

    struct Site {
        all: Arc<Announcements>,
        deadline: Instant,
    }

    impl Site {
        fn new() -> Self {
            Self {
                all: Arc::default(),
                deadline: Instant::now() + Duration::from_secs(5),
            }
        }

        fn announce(&self, number: CallNumber, tenant: &str, conversations: &[u32]) -> Announced {
            let tenant = TenantId::parse(tenant).unwrap();
            let conversations = conversations.iter().map(Conversation::of).collect();
            self.all.announce(number, tenant, conversations, None)
        }

        fn may_go(&self, call: &Announced) -> bool {
            let turn = call.turn(self.deadline).now_or_never();
            turn.is_some_and(|turn| turn.is_ok())
        }
    }

    #[tokio::test]
    async fn a_call_waits_for_those_before_it_in_any_of_its_conversations() {
        let site = Site::new();
        let first = site.announce(1, "acme", &[7]);
        let second = site.announce(2, "acme", &[8, 7]);
        let third = site.announce(3, "acme", &[8]);
        assert!(site.may_go(&first) && !site.may_go(&second) && !site.may_go(&third));
        first.leave();
        assert!(site.may_go(&second) && !site.may_go(&third));
        drop(second);
        assert!(site.may_go(&third));
    }

    #[tokio::test]
    async fn other_conversations_and_other_tenants_do_not_wait() {
        let site = Site::new();
        let _first = site.announce(1, "acme", &[7]);
        assert!(site.may_go(&site.announce(2, "acme", &[8])));
        assert!(site.may_go(&site.announce(3, "other", &[7])));
        assert!(site.may_go(&site.announce(4, "acme", &[])));
    }

    #[tokio::test]
    async fn a_call_waits_no_longer_than_its_deadline() {
        let site = Site::new();
        let _first = site.announce(1, "acme", &[7]);
        let second = site.announce(2, "acme", &[7]);
        let soon = Instant::now() + Duration::from_millis(5);
        let late = second.turn(soon).await.unwrap_err();
        assert_eq!(late, Rejection::DeadlinePassed);
    }

    #[tokio::test]
    async fn calls_that_have_left_leave_nothing() {
        let site = Site::new();
        let calls: Vec<_> = (0..10)
            .map(|number| site.announce(number, "acme", &[1, 2]))
            .collect();
        calls.iter().for_each(Announced::leave);
        assert!(site.all.lock().is_empty());
    }
}
