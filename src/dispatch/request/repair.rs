//! Another token or address, for calls that were not executed for want of it.

use std::sync::Arc;

use tokio::time::Instant;

use super::disposition::Disposition;
use crate::dispatch::driver::PortalDriver;
use crate::dispatch::job::Job;
use crate::dispatch::send_error::SendError;
use crate::metrics::RetryCause;
use crate::tenant::{AccessError, Opened};
use bitrix24::CallError;

/// What to change before a retry.
pub(super) enum Repair {
    RefreshToken,
    /// Use the token that replaced the unknown one.
    NewerToken,
    /// Use the portal's new address.
    NewAddress(Option<String>),
}

/// The result of a repair.
pub(super) struct Repaired {
    driver: Arc<PortalDriver>,
    opened: Result<Opened, AccessError>,
    has_moved: bool,
}

impl Repair {
    /// Repairs the access once, for all calls of a request. Callers whose deadlines are earlier
    /// than `deadline` do not wait for the end.
    pub(super) async fn run(
        self,
        driver: &Arc<PortalDriver>,
        opened: &Opened,
        deadline: Instant,
    ) -> Repaired {
        let access = &driver.context.access;
        let (opened, has_moved) = match self {
            Self::RefreshToken => (access.reopen(opened, deadline).await, false),
            Self::NewerToken => {
                let newer = access.newer(opened, deadline).await;
                (newer.ok_or(AccessError::NotRefreshable), false)
            }
            Self::NewAddress(address) => {
                let address = address.as_deref();
                (access.follow(opened, address, deadline).await, true)
            }
        };
        Repaired {
            driver: Arc::clone(driver),
            opened,
            has_moved,
        }
    }
}

impl Repaired {
    /// What to do with a call that failed with this error.
    pub(super) fn apply_to(&self, job: &mut Job, error: CallError) -> Disposition {
        let metrics = &self.driver.context.metrics;
        match &self.opened {
            Ok(opened) => {
                job.opened = opened.clone();
                if self.has_moved {
                    metrics.call_retried(RetryCause::Moved);
                    Disposition::Reroute
                } else {
                    metrics.call_retried(RetryCause::NewToken);
                    Disposition::Retry(None)
                }
            }
            // The portal's own response says more.
            Err(AccessError::NotRefreshable) => finish(error),
            Err(access) => finish(access.clone()),
        }
    }
}

fn finish(error: impl Into<SendError>) -> Disposition {
    Disposition::Finish(Box::new(Err(error.into())))
}
