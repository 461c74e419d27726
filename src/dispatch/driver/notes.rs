//! What responses say of a portal, its tenants and its methods.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::{PortalDriver, State, now};
use crate::tenant::Tenant;
use bitrix24::{Answer, CallError, Method, Obstacle};
use pacing::{LateRequest, OperatingTime, RequestOutcome, SentAs, TenantKey};

impl State {
    /// Applies what a response says of the operating budget. Returns what is left of it.
    pub(super) fn note_operating_time(
        &mut self,
        tenant: &TenantKey,
        method: Method,
        is_batch: bool,
        answer: &Answer,
        now: Instant,
    ) -> Option<(&'static str, Duration)> {
        let time = &answer.time;
        let reset = time.operating_reset_at.zip(time.finish);
        let resets_in = reset.map(|(reset, finish)| reset - finish);
        let time = OperatingTime::of(time.operating, resets_in, time.duration)?;
        let name = method.name();
        let sent_as = if is_batch {
            SentAs::Batch
        } else {
            SentAs::Single
        };
        let remaining = (self.portal).note_operating_time(tenant, name, sent_as, time, now)?;
        Some((name, remaining))
    }
}

impl PortalDriver {
    /// A request is without a response for longer than expected, and holds its conversations.
    pub(super) fn note_late(&self, request: LateRequest) {
        self.context.metrics.request_silent();
        tracing::warn!(
            portal = self.name,
            conversations = request.conversations,
            held_seconds = request.held_for.as_secs_f64(),
            "portal does not respond to a request; its conversations are held"
        );
    }

    /// A request could not connect. Each cause is logged once, until a request gets a response.
    pub(in crate::dispatch) fn note_unreachable(&self, tenant: &Tenant, obstacle: Obstacle) {
        let last = self.lock().obstacle.replace(obstacle);
        if last != Some(obstacle) {
            tracing::warn!(
                portal = self.name,
                tenant = %tenant.id(),
                cause = %obstacle,
                "cannot connect to the portal"
            );
        }
    }

    pub(super) fn note_backoff(&self, outcome: RequestOutcome, backoff: Duration) {
        let backoff_seconds = backoff.as_secs_f64();
        if outcome == RequestOutcome::RateLimited {
            tracing::warn!(
                portal = self.name,
                backoff_seconds,
                "portal rejects requests over its rate limit although the configured plan allows \
                 them; backing off"
            );
        } else {
            tracing::warn!(
                portal = self.name,
                backoff_seconds,
                "portal is not available and asks to wait; backing off"
            );
        }
    }

    pub(super) fn note_breaker(&self, was_open: bool, is_open: bool) {
        if !was_open && is_open {
            self.context.metrics.breaker_opened();
            tracing::warn!(
                portal = self.name,
                "portal does not respond; its circuit breaker is open and its calls are rejected"
            );
        } else if was_open && !is_open {
            self.context.metrics.breaker_closed();
            tracing::info!(
                portal = self.name,
                "portal responds again; its circuit breaker is closed"
            );
        }
    }

    /// When a call that was rejected over the rate limit may go again, if it is retried.
    pub(in crate::dispatch) fn rejected_retry(&self, deadline: Instant) -> Option<Instant> {
        self.lock().portal.rejected_retry(deadline, now())
    }

    /// How much longer nothing is sent because the portal rejected a request.
    pub(in crate::dispatch) fn backoff(&self) -> Duration {
        self.lock().portal.backoff(now())
    }

    /// How long a call that could not reach the portal waits before its retry; `None` if it is not
    /// retried.
    pub(in crate::dispatch) fn retry_wait(&self, attempts_before: u32) -> Option<Duration> {
        self.lock().portal.retry_wait(attempts_before)
    }

    /// Applies what a response says of the operating budget.
    pub(in crate::dispatch) fn note_operating_time(
        &self,
        tenant: &TenantKey,
        method: Method,
        sent_as: SentAs,
        answer: &Answer,
    ) {
        let is_batch = sent_as == SentAs::Batch;
        let noted = self
            .lock()
            .note_operating_time(tenant, method, is_batch, answer, now());
        if let Some((name, remaining)) = noted {
            self.context.metrics.operating_reported(name, remaining);
        }
    }

    /// The portal rejected a method, or `batch`, because its operating budget is used up. Returns
    /// how long that lasts.
    pub(in crate::dispatch) fn operating_rejected(
        &self,
        tenant: &TenantKey,
        method: &'static str,
    ) -> Duration {
        let mut state = self.lock();
        state.portal.operating_rejected(tenant, method, now())
    }

    /// The portal blocks the calls of a tenant, whatever they are.
    pub(in crate::dispatch) fn note_blocked(
        &self,
        tenant: &Tenant,
        error: &CallError,
        lasts: Duration,
    ) {
        let is_new = {
            let mut state = self.lock();
            self.has_blocks.store(true, Ordering::Relaxed);
            state.blocks.add(tenant, error.clone(), lasts, now())
        };
        if is_new {
            self.context.metrics.tenant_blocked();
            tracing::warn!(
                portal = self.name,
                tenant = %tenant.id(),
                %error,
                seconds = lasts.as_secs(),
                "portal blocks the tenant's calls; they are rejected"
            );
        }
    }

    /// A call of the tenant was executed.
    pub(in crate::dispatch) fn note_unblocked(&self, tenant: &Tenant) {
        if !self.has_blocks.load(Ordering::Relaxed) {
            return;
        }
        let was_blocked = {
            let mut state = self.lock();
            let was_blocked = state.blocks.clear(tenant.id());
            self.has_blocks
                .store(!state.blocks.is_empty(), Ordering::Relaxed);
            was_blocked
        };
        if was_blocked {
            tracing::info!(
                portal = self.name,
                tenant = %tenant.id(),
                "portal accepts the tenant's calls again"
            );
        }
    }

    pub(in crate::dispatch) fn note_never_batched(&self, method: Method) {
        let method = method.name();
        tracing::info!(
            portal = self.name,
            method,
            "portal does not accept the method in a batch"
        );
        self.lock().portal.note_never_batched(method, now());
    }

    pub(in crate::dispatch) fn note_no_batches(&self, tenant: &TenantKey) {
        tracing::info!(
            portal = self.name,
            %tenant,
            "portal does not accept batches of the tenant"
        );
        self.lock().portal.note_no_batches(tenant, now());
    }
}
