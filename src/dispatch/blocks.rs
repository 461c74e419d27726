//! Tenants whose calls Bitrix24 blocks, whatever they say.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::job::Job;
use super::send_error::SendError;
use crate::tenant::Tenant;
use bitrix24::{CallError, ErrorCode, TenantId};
use pacing::Selection;

/// How long the calls of a tenant are rejected after `OVERLOAD_LIMIT`. People at Bitrix24 set this
/// block and lift it, so asking more often only adds to the load that it is for.
const OVERLOADED: Duration = Duration::from_secs(300);

/// The same after `authorization_error`, which an administrator of the portal can end at any time.
const UNAUTHORIZED: Duration = Duration::from_secs(60);

/// How long one call is waited for that asks whether a block has ended: longer than any response
/// takes.
const PROBE: Duration = Duration::from_secs(70);

/// The blocks of one portal.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    by_tenant: HashMap<TenantId, Block>,
}

#[derive(Debug)]
struct Block {
    refusal: CallError,
    /// The tenant as it was blocked: with new credentials it may not be.
    revision: i64,
    until: Instant,
}

/// How long a refusal blocks its tenant; `None` if it does not.
pub(super) fn lasts(error: &CallError) -> Option<Duration> {
    let CallError::Refused(refusal) = error else {
        return None;
    };
    if refusal.is(ErrorCode::OverloadLimit) {
        Some(OVERLOADED)
    } else if refusal.is(ErrorCode::AuthorizationError) {
        Some(UNAUTHORIZED)
    } else {
        None
    }
}

impl Blocks {
    /// The portal blocks the tenant. True if that is new.
    pub(super) fn add(
        &mut self,
        tenant: &Tenant,
        refusal: CallError,
        lasts: Duration,
        now: Instant,
    ) -> bool {
        let block = Block {
            refusal,
            revision: tenant.revision(),
            until: now + lasts,
        };
        self.by_tenant.insert(tenant.id().clone(), block).is_none()
    }

    /// A call of the tenant was executed. True if it was blocked before.
    pub(super) fn clear(&mut self, tenant: &TenantId) -> bool {
        self.by_tenant.remove(tenant).is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_tenant.is_empty()
    }

    /// The refusal of a call of this tenant; `None` if it may be sent.
    pub(super) fn check(&self, tenant: &Tenant, now: Instant) -> Option<SendError> {
        let block = self.by_tenant.get(tenant.id())?;
        let is_same = block.revision == tenant.revision();
        (is_same && now < block.until)
            .then(|| SendError::later(block.refusal.clone(), block.until - now))
    }

    /// The refusal of calls that are about to be sent; `None` if they may be. If the block may have
    /// ended they probe, and other calls are rejected until the result is known.
    pub(super) fn refuses(
        &mut self,
        selection: &Selection<Box<Job>>,
        now: Instant,
    ) -> Option<SendError> {
        if self.by_tenant.is_empty() {
            return None;
        }
        let tenant = selection.jobs().next()?.opened.tenant();
        let refused = self.check(tenant, now);
        if refused.is_none()
            && let Some(block) = self.by_tenant.get_mut(tenant.id())
            && block.revision == tenant.revision()
        {
            block.until = now + PROBE;
        }
        refused
    }
}
