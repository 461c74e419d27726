//! The arrival order of calls that are not queued yet, by conversation.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::call::{Arrival, Order};
use bitrix24::TenantId;
use pacing::{CallNumber, Conversation, Rejection};

/// All announced calls, by tenant: the portal is not known yet.
#[derive(Debug, Default)]
pub(super) struct Announcements(Mutex<HashMap<TenantId, OfTenant>>);

/// The announced calls of one tenant.
#[derive(Debug, Default)]
struct OfTenant {
    /// How many there are.
    calls: usize,
    lines: Arc<Lines>,
}

/// The conversations of a tenant. They have a lock of their own: a call may have many, and other
/// tenants' calls must not wait for them.
#[derive(Debug, Default)]
struct Lines(Mutex<HashMap<Conversation, Order>>);

/// A call whose conversations are known. Later calls to them wait until it is queued or dropped.
pub(crate) struct Announced {
    number: CallNumber,
    tenant: TenantId,
    conversations: Vec<Conversation>,
    arrival: Option<Arrival>,
    lines: Arc<Lines>,
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
        let lines = self.join(&tenant);
        {
            let mut lines = lines.lock();
            for conversation in &conversations {
                lines.entry(*conversation).or_default().enter(number);
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
            lines,
            all: Arc::clone(self),
        }
    }

    /// Counts one more call of a tenant.
    fn join(&self, tenant: &TenantId) -> Arc<Lines> {
        let mut all = self.lock();
        let of_tenant = all.entry(tenant.clone()).or_default();
        of_tenant.calls += 1;
        Arc::clone(&of_tenant.lines)
    }

    /// Counts one less, and forgets the tenant after its last.
    fn part(&self, tenant: &TenantId) {
        let mut all = self.lock();
        if let Some(of_tenant) = all.get_mut(tenant) {
            of_tenant.calls -= 1;
            if of_tenant.calls == 0 {
                all.remove(tenant);
            }
        }
    }

    /// Locked for a moment only, whatever the size of a call.
    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, OfTenant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Conversation, Order>> {
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
                .lines
                .lock()
                .get_mut(conversation)
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
        let mut lines = self.lines.lock();
        for conversation in &self.conversations {
            if let Some(order) = lines.get_mut(conversation) {
                order.leave(self.number);
                if order.is_empty() {
                    lines.remove(conversation);
                }
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.leave();
        self.all.part(&self.tenant);
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

    /// If tenants shared a lock, this test would wait for itself.
    #[tokio::test]
    async fn a_tenant_whose_lines_are_locked_does_not_delay_another_one() {
        let site = Site::new();
        let busy = site.announce(1, "acme", &[7]);
        let _lines = busy.lines.lock();
        let other = site.announce(2, "other", &[7]);
        assert!(site.may_go(&other));
        drop(other);
    }

    #[tokio::test]
    async fn calls_that_have_left_leave_nothing() {
        let site = Site::new();
        let calls: Vec<_> = (0..10)
            .map(|number| site.announce(number, "acme", &[1, 2]))
            .collect();
        calls.iter().for_each(Announced::leave);
        assert!(calls[0].lines.lock().is_empty());
        drop(calls);
        assert!(site.all.lock().is_empty());
    }
}
