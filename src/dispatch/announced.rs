//! The arrival order of calls that are not queued yet, by conversation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::shards::Shards;
use crate::call::{Arrival, Order};
use bitrix24::TenantId;
use pacing::{CallNumber, Conversations, Rejection};

/// All announced calls, by the fingerprint of tenant and conversation: the portal is not known yet.
/// Two that share one by chance wait for each other and lose nothing else.
#[derive(Debug, Default)]
pub(super) struct Announcements(Shards<u64, Order>);

/// A call whose conversations are known. Later calls to them wait until it is queued or dropped.
pub(crate) struct Announced {
    number: CallNumber,
    tenant: TenantId,
    conversations: Conversations,
    arrival: Option<Arrival>,
    has_left: AtomicBool,
    all: Arc<Announcements>,
}

impl Announcements {
    /// Announces a call, after those of its connection that arrived before it.
    pub(super) fn announce(
        self: &Arc<Self>,
        number: CallNumber,
        tenant: TenantId,
        conversations: Conversations,
        arrival: Option<Arrival>,
    ) -> Announced {
        let announced = Announced {
            number,
            tenant,
            conversations,
            arrival,
            has_left: AtomicBool::new(false),
            all: Arc::clone(self),
        };
        for line in announced.lines() {
            self.0.of(line).entry(line).or_default().enter(number);
        }
        // Only after it is in its lines.
        if let Some(arrival) = &announced.arrival {
            arrival.note_read();
        }
        announced
    }
}

impl Announced {
    pub(super) fn number(&self) -> CallNumber {
        self.number
    }

    /// The conversations that the call writes to, each once. Empty: it waits for no other call.
    pub(super) fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// Waits until no earlier call to one of its conversations is still to be queued. There must be
    /// no await between this and [`leave`](Self::leave).
    ///
    /// # Errors
    ///
    /// The deadline passed.
    pub(super) async fn turn(&self, deadline: Instant) -> Result<(), Rejection> {
        if let Some(arrival) = &self.arrival
            && !arrival.is_first()
        {
            let read = tokio::time::timeout_at(deadline, arrival.earlier_are_read());
            read.await.map_err(|_| Rejection::DeadlinePassed)?;
        }
        for line in self.lines() {
            let turn = {
                let mut lines = self.all.0.of(line);
                lines.get_mut(&line).and_then(|line| line.turn(self.number))
            };
            if let Some(turn) = turn {
                let waited = tokio::time::timeout_at(deadline, turn).await;
                waited.map_err(|_| Rejection::DeadlinePassed)?.ok();
            }
        }
        Ok(())
    }

    /// The call is queued, or will not be. May be called more than once.
    pub(super) fn leave(&self) {
        if self.has_left.swap(true, Ordering::AcqRel) {
            return;
        }
        for line in self.lines() {
            let mut lines = self.all.0.of(line);
            if let Some(order) = lines.get_mut(&line) {
                order.leave(self.number);
                if order.is_empty() {
                    lines.remove(&line);
                }
            }
        }
    }

    /// The lines in which it stands.
    fn lines(&self) -> impl Iterator<Item = u64> {
        let conversations = self.conversations.iter();
        conversations.map(|conversation| {
            self.all
                .0
                .fingerprint(&(self.tenant.as_str(), conversation))
        })
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
    use pacing::Conversation;

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
        let _lines = site.all.0.of(busy.lines().next().unwrap());
        let is_apart = |tenant: &String| {
            let key = (tenant.as_str(), Conversation::of(&7_u32));
            site.all.0.try_of(site.all.0.fingerprint(&key)).is_some()
        };
        let tenants = (0..).map(|number| format!("other-{number}"));
        let other = tenants.filter(is_apart).take(20);
        for tenant in other {
            let other = site.announce(2, &tenant, &[7]);
            assert!(site.may_go(&other));
        }
    }

    #[tokio::test]
    async fn calls_that_have_left_leave_nothing() {
        let site = Site::new();
        let calls: Vec<_> = (0..10)
            .map(|number| site.announce(number, "acme", &[1, 2]))
            .collect();
        calls.iter().for_each(Announced::leave);
        assert!(site.all.0.all().all(|lines| lines.is_empty()));
    }
}
