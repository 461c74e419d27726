//! The third stage: a request on its way.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::guard::Guard;
use super::landed::Landed;
use crate::dispatch::cargo::Cargo;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::ScheduledJob;
use crate::tenant::Opened;
use bitrix24::{CallError, Deadlines, NotSent, SendGuard};

/// A request that may be on its way to the portal. Its calls know when it was sent.
pub(super) struct InFlight {
    driver: Arc<PortalDriver>,
    opened: Opened,
    cargo: Cargo,
    left_over: Vec<ScheduledJob>,
    guard: Guard,
    send_guard: SendGuard,
    /// When it must have left, or the answer would come after the deadline of a call.
    send_by: Instant,
    begun: Instant,
}

impl InFlight {
    pub(super) fn new(
        driver: Arc<PortalDriver>,
        opened: Opened,
        cargo: Cargo,
        left_over: Vec<ScheduledJob>,
        mut guard: Guard,
        send_by: Instant,
    ) -> Self {
        for (_, job) in cargo.calls() {
            job.note_may_be_sent();
        }
        let send_guard = {
            let (driver, request) = (Arc::clone(&driver), guard.request());
            let flags = cargo.sent_flags();
            // One cancelled call keeps a batch from being sent; the others are retried.
            SendGuard::new(move || {
                let is_sent = flags.send();
                if is_sent {
                    driver.sent(request);
                }
                is_sent
            })
        };
        guard.watch(send_guard.clone());
        Self {
            driver,
            opened,
            cargo,
            left_over,
            guard,
            send_guard,
            send_by,
            begun: Instant::now(),
        }
    }

    /// Waits for the response, which the request gets whatever its callers do.
    pub(super) async fn land(self) -> Landed {
        let Self {
            driver,
            opened,
            cargo,
            left_over,
            guard,
            send_guard,
            send_by,
            begun,
        } = self;
        let deadlines = Deadlines {
            send_by,
            answer_by: begun + driver.context.options.longest_answer,
        };
        let (method, is_batch) = (cargo.method(), cargo.is_batch());
        let sender = &driver.context.sender;
        let ended = sender.send(&opened, &cargo, deadlines, &send_guard).await;
        let mut took = Duration::ZERO;
        let mut calls = cargo.into_calls();
        for (_, job) in &mut calls {
            let before = job.spent.portal;
            job.spent = job.sent_flag.ended();
            took = took.max(job.spent.portal.saturating_sub(before));
        }
        if let Err(CallError::NotSent(NotSent::Unreachable(obstacle))) = &ended {
            driver.note_unreachable(opened.tenant(), *obstacle);
        }
        let (status, kind) = match &ended {
            Ok(response) => (Some(response.http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let metrics = &driver.context.metrics;
        metrics.portal_request_ended(method, status, kind, begun.elapsed());
        Landed {
            driver,
            opened,
            is_batch,
            calls,
            left_over,
            ended,
            took,
            guard,
        }
    }
}
