//! The second stage: a request that may be sent now.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::guard::Guard;
use super::in_flight::InFlight;
use crate::dispatch::cargo::Cargo;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::{Job, ScheduledJob};
use crate::telemetry::SPANS;
use crate::tenant::Opened;
use pacing::{Permit, Rejection};

/// Prepared calls with a permit. They are sent as soon as there is a connection.
pub(super) struct Permitted {
    driver: Arc<PortalDriver>,
    opened: Opened,
    cargo: Cargo,
    /// Calls that have no place in the request: they are queued again.
    left_over: Vec<ScheduledJob>,
    guard: Guard,
    send_by: Instant,
}

impl Permitted {
    /// The permit may have come long after its calls were prepared: those whose callers have
    /// cancelled, or whose deadline has passed, are not sent. `None`: none is left, and the permit
    /// is released.
    pub(super) fn of(
        driver: Arc<PortalDriver>,
        permit: Permit<Box<Job>>,
        bucket_fill: Option<f64>,
    ) -> Option<Self> {
        let send_by = permit.send_by();
        let (request, calls) = permit.into_parts();
        let mut guard = Guard::new(Arc::clone(&driver), request);
        let now = Instant::now().into_std();
        let mut kept = Vec::with_capacity(calls.len());
        for call in calls {
            if call.job.is_cancelled() || call.info.deadline <= now {
                guard.left_out(&call.info);
                driver.reject(call, Rejection::DeadlinePassed.into());
            } else {
                kept.push(driver.dequeued(call));
            }
        }
        let opened = kept.first().map(|(_, job)| job.opened.clone());
        let Some((opened, (cargo, left_over))) = opened.zip(Cargo::of(kept)) else {
            guard.withdraw();
            return None;
        };
        let permitted = Self {
            driver,
            opened,
            cargo,
            left_over,
            guard,
            send_by: Instant::from_std(send_by),
        };
        permitted.measure(bucket_fill);
        Some(permitted)
    }

    fn measure(&self, bucket_fill: Option<f64>) {
        let metrics = &self.driver.context.metrics;
        let size = self.cargo.calls().count();
        metrics.request_sent(size, bucket_fill);
        for (info, job) in self.cargo.calls() {
            let waited = job.sent_flag.spent().waiting;
            metrics.call_sent(info.priority, waited);
            if !job.span.is_disabled() && (size > 1 || !waited.is_zero()) {
                let wait_us = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
                tracing::info!(target: SPANS, parent: &job.span, wait_us, calls = size, "sent");
            }
        }
    }

    /// The span of the request: that of its first call that is traced.
    pub(super) fn span(&self) -> tracing::Span {
        let mut spans = self.cargo.calls().map(|(_, job)| &job.span);
        let traced = spans.find(|span| !span.is_disabled());
        traced.map_or_else(tracing::Span::none, tracing::Span::clone)
    }

    /// Cancelled when the request is to be terminated because the service stops. By then its
    /// callers have their responses. A request with a call in the ledger is never terminated.
    pub(super) fn stopped(&self) -> CancellationToken {
        if self.cargo.calls().any(|(_, job)| job.claim.is_some()) {
            CancellationToken::new()
        } else {
            self.driver.stopped.clone()
        }
    }

    /// Sends the request.
    pub(super) fn send(self) -> InFlight {
        let Self {
            driver,
            opened,
            cargo,
            left_over,
            guard,
            send_by,
        } = self;
        InFlight::new(driver, opened, cargo, left_over, guard, send_by)
    }
}
