//! Judges a call that is not to be sent, as far as that is possible without the portal.

use tokio::time::Instant;
use uuid::Uuid;

use super::entering::unreadable;
use super::ledger::{Fingerprint, Known};
use super::{DispatchError, Dispatcher, LedgerFailure, NotAdmitted, full};
use crate::call::CallContext;
use crate::check::{Call, CallParts};
use bitrix24::TenantId;
use pacing::{Conversations, Forecast, Rejection, SchedulingInfo, TenantKey};
use store::ledger::Id;

/// What would become of a call if it were sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Estimate {
    /// It would be queued at its portal.
    Queued(Forecast),
    /// It would get the response to an earlier attempt, or wait for it.
    Replayed,
}

impl Dispatcher {
    /// Judges a call in the order of [`send`](Self::send): ledger, week, credential, queue. Nothing
    /// is sent, written, refreshed or taken.
    ///
    /// # Errors
    ///
    /// The [`DispatchError`] that the call would end with now.
    pub(crate) async fn estimate(
        &self,
        call: Call,
        conversations: Conversations,
        context: &CallContext,
    ) -> Result<Estimate, DispatchError> {
        let CallParts {
            tenant,
            method,
            parameters,
            priority,
            may_be_batched,
            idempotency_key,
            recipient,
        } = call.into_parts();
        let deadline = context.deadline();
        if let Some(key) = idempotency_key {
            let fingerprint = Fingerprint::of(method, &parameters);
            let known = self.look_up(tenant.id(), key, Some(fingerprint), deadline);
            match known.await.map_err(NotAdmitted::from)? {
                Known::Nothing => {}
                Known::Running | Known::Answered(_) => return Ok(Estimate::Replayed),
                Known::Unknown => return Err(NotAdmitted::from(LedgerFailure::Unknown).into()),
            }
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(NotAdmitted::from(Rejection::DeadlinePassed).into());
        }
        if let Some(recipient) = recipient {
            let watched = self.watch(&tenant, &recipient, deadline);
            watched.await.map_err(NotAdmitted::from)?;
        }
        let opening = self.context.access.check(&tenant).await;
        opening.map_err(NotAdmitted::from)?;
        let size = parameters.as_json().len();
        let room = self.context.capacity.check(context.queued(), size);
        room.map_err(|why| NotAdmitted::from(full(why)))?;
        let command = may_be_batched
            .then(|| parameters.to_command(method))
            .flatten();
        let info = SchedulingInfo {
            // Behind all others.
            number: u128::MAX,
            tenant: TenantKey::from(tenant.id().as_str()),
            method: method.name(),
            conversations,
            priority,
            deadline: deadline.into_std(),
            arrived: now.into_std(),
            not_before: None,
            command_bytes: command.as_ref().map(|command| command.len()),
            is_recorded: idempotency_key.is_some(),
        };
        // A portal that is not in use has no calls, and its bucket is full.
        let driver = self.drivers.known(tenant.portal());
        let forecast = driver.map(|driver| driver.forecast(&tenant, &info));
        Ok(Estimate::Queued(forecast.transpose()?.unwrap_or_default()))
    }

    /// What the ledger knows of a call with this key; of this request, if there is a fingerprint.
    ///
    /// # Errors
    ///
    /// [`LedgerFailure`].
    pub(crate) async fn look_up(
        &self,
        tenant: &TenantId,
        request: Uuid,
        fingerprint: Option<Fingerprint>,
        deadline: Instant,
    ) -> Result<Known, LedgerFailure> {
        let id = Id {
            tenant: tenant.clone(),
            request,
        };
        let known = self.context.ledger.known(&id, fingerprint, deadline).await;
        known.map_err(unreadable)
    }
}
