//! What all portals share.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::ledger::Ledger;
use super::not_admitted::NotAdmitted;
use super::sender::Sender;
use super::settings::Options;
use super::sharing::Sharing;
use super::weekly_guard::WeeklyGuard;
use crate::metrics::Metrics;
use crate::tenant::PortalAccess;
use pacing::QueueCapacity;

/// What requests are sent with.
#[derive(Debug)]
pub(super) struct DispatchContext {
    pub(super) sender: Sender,
    pub(super) access: PortalAccess,
    pub(super) ledger: Ledger,
    /// Set if replicas share the portals' rate limits.
    pub(super) sharing: Option<Sharing>,
    /// Set if network messages are guarded.
    pub(super) weekly_guard: Option<WeeklyGuard>,
    pub(super) options: Options,
    pub(super) capacity: Arc<QueueCapacity>,
    pub(super) metrics: Metrics,
    /// The requests in flight.
    pub(super) tasks: TaskTracker,
    /// Cancelled when the service stops and every caller has its response.
    pub(super) stopped: CancellationToken,
}

impl DispatchContext {
    /// Counts a call that is not sent, if the dispatcher is the reason.
    pub(super) fn count(&self, why: &NotAdmitted) {
        match why {
            NotAdmitted::Rejected(rejection) => self.metrics.call_rejected(*rejection),
            NotAdmitted::WeeklyLimit(_) => self.metrics.week_guarded(),
            NotAdmitted::Access(_) | NotAdmitted::Ledger(_) => {}
        }
    }
}
