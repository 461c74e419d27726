//! What is asked before a call is sent: the ledger, and the guard of the weekly limit.

use tokio::time::Instant;

use super::ledger::{Claim, Entered, Key, LedgerError};
use super::weekly_guard::{Watched, WeeklyLimit};
use super::{Delivered, Dispatcher, LedgerFailure};
use crate::call::Recipient;
use crate::metrics::LedgerResult;
use crate::tenant::Tenant;

impl Dispatcher {
    /// Asks the ledger for a claim to send the call, or for the response to an earlier attempt.
    pub(super) async fn enter(
        &self,
        key: &Key,
        deadline: Instant,
        on_wait: impl Fn() + Send,
    ) -> Result<Result<Claim, Delivered>, LedgerFailure> {
        let entered = self.context.ledger.enter(key.clone(), deadline, on_wait);
        let entered = match entered.await {
            Ok(Entered::First(claim)) => Ok(Ok(claim)),
            Ok(Entered::Answered(answer)) => Ok(Err(Delivered {
                answer,
                is_replayed: true,
            })),
            Ok(Entered::Unknown) => Err(LedgerFailure::Unknown),
            Err(error) => Err(unreadable(error)),
        };
        self.context.metrics.key_looked_up(match &entered {
            Ok(Ok(_)) => LedgerResult::First,
            Ok(Err(_)) => LedgerResult::Replayed,
            Err(LedgerFailure::Unknown) => LedgerResult::Unknown,
            Err(LedgerFailure::Reused) => LedgerResult::Reused,
            Err(LedgerFailure::StillRunning) => LedgerResult::Running,
            Err(LedgerFailure::Unavailable) => LedgerResult::Unavailable,
        });
        entered
    }

    /// Asks the guard whether a network message may be sent; `None` if nothing is guarded.
    pub(super) async fn watch(
        &self,
        tenant: &Tenant,
        recipient: &Recipient,
        deadline: Instant,
    ) -> Result<Option<Box<Watched>>, WeeklyLimit> {
        let Some(guard) = &self.context.weekly_guard else {
            return Ok(None);
        };
        // Boxed: few calls are guarded, and all would have a future of its size.
        let watched = Box::pin(guard.judge(tenant, recipient, deadline)).await?;
        Ok(Some(Box::new(watched)))
    }
}

/// What a caller is told if the ledger does not tell the state of its call. The log has the cause.
pub(super) fn unreadable(error: LedgerError) -> LedgerFailure {
    match error {
        LedgerError::Reused => LedgerFailure::Reused,
        LedgerError::StillRunning => LedgerFailure::StillRunning,
        LedgerError::Unavailable(error) => {
            let error = crate::telemetry::chain(&error);
            tracing::warn!(error, "ledger cannot be read");
            LedgerFailure::Unavailable
        }
    }
}
