//! How many permits the portal's calls need, where replicas share the bucket.

use std::time::Instant;

use super::gathering::Linger;
use super::state::Portal;
use crate::breaker::Allows;

impl<J> Portal<J> {
    /// Tells the shared bucket how many requests wait for permits. To be called when there is
    /// nothing [next](Portal::next).
    pub fn want(&mut self, now: Instant) {
        if self.budget.shared().is_some()
            && let Some(requests) = self.wanted(now)
        {
            self.budget.want(requests, now);
        }
    }

    /// `None`: as many as before, because calls linger and the number of their requests is open.
    fn wanted(&mut self, now: Instant) -> Option<u32> {
        let bound = self.free_requests();
        let bound = match self.breaker.allows(now) {
            Allows::All => bound,
            Allows::Probe => bound.min(1),
            Allows::NoneUntil(_) | Allows::NoneWhileProbing(_) => 0,
        };
        let prepared = self.selections.prepared();
        if bound == 0 || self.queue.ready_by_tenant().is_empty() {
            return Some(u32::try_from(prepared.min(bound)).unwrap_or(u32::MAX));
        }
        let linger = self.linger(now);
        if let Linger::Until(_) = linger {
            return None;
        }
        let ready = self.queue.ready_by_tenant();
        let requests = if self.is_crowded(self.budget.peek(now), linger, now) {
            let size = self.batch_size(true);
            let batches = ready.iter().map(|(tenant, ready)| {
                let batches = self.queue.of_tenant(tenant).div_ceil(size);
                batches.clamp(1, (*ready).max(1))
            });
            batches.sum()
        } else {
            ready.values().sum::<usize>()
        };
        let requests = (prepared + requests).min(bound);
        Some(u32::try_from(requests).unwrap_or(u32::MAX))
    }
}
