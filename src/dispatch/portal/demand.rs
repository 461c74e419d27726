//! How many permits the portal's calls wait for, where permits are asked for.

use tokio::time::Instant;

use super::Portal;
use super::company::Company;
use crate::dispatch::breaker::Way;

impl<J> Portal<J> {
    /// Says how many requests wait for permits. To be called when there is nothing [next](Portal::next).
    pub(in crate::dispatch) fn want(&mut self, now: Instant) {
        if self.budget.shared().is_some()
            && let Some(requests) = self.wanted(now)
        {
            self.budget.want(requests, now);
        }
    }

    /// `None`: as many as before. While calls wait for company nobody knows how many requests they will be.
    fn wanted(&mut self, now: Instant) -> Option<u32> {
        let bound = self.options.parallel_requests_per_portal;
        let bound = bound.saturating_sub(self.in_the_air);
        let bound = match self.breaker.way(now) {
            Way::Free => bound,
            Way::Probe => bound.min(1),
            Way::Closed { .. } | Way::Probing => 0,
        };
        if bound == 0 || self.queue.ready_by_tenant().is_empty() {
            return Some(0);
        }
        let company = self.company(now);
        if let Company::Until(_) = company {
            return None;
        }
        let ready = self.queue.ready_by_tenant();
        let singly: usize = ready.values().sum();
        let requests = if self.is_crowded(self.budget.peek(now), company, now) {
            let size = self.batch_size(true);
            let batches = ready.iter().map(|(tenant, ready)| {
                let batches = self.queue.of_tenant(tenant).div_ceil(size);
                batches.clamp(1, (*ready).max(1))
            });
            batches.sum()
        } else {
            singly
        };
        Some(u32::try_from(requests.min(bound)).unwrap_or(u32::MAX))
    }
}
