//! Preparing calls that need the ledger or a new token first.

use std::sync::Arc;

use tokio::time::Instant;

use crate::dispatch::driver::{PortalDriver, Sending};
use crate::dispatch::job::Job;
use crate::dispatch::ledger::Started;
use crate::dispatch::not_admitted::{LedgerFailure, NotAdmitted};
use crate::dispatch::prepared::Prepared;
use crate::tenant::Opened;
use pacing::{CallNumber, Rejection, Selection, Waiting};

/// Prepares the calls and gives them back to the driver, which has them sent; one that goes alone
/// is sent here. Each caller keeps its own deadline meanwhile; calls without one are taken out.
pub(super) async fn run(driver: Arc<PortalDriver>, selection: Selection<Box<Job>>) {
    let mut preparation = Preparation {
        driver,
        selection: Some(selection),
    };
    preparation.take_out_late();
    preparation.record().await;
    let opened = preparation.open().await;
    preparation.take_out_late();
    if let Some(sending) = preparation.end(opened.as_ref()) {
        sending.await;
    }
}

/// Calls that are being prepared. However that ends, the portal gets its selection back.
struct Preparation {
    driver: Arc<PortalDriver>,
    selection: Option<Selection<Box<Job>>>,
}

impl Preparation {
    fn take_out(&mut self, leaves: impl FnMut(&Waiting<Box<Job>>) -> bool) -> Vec<Job> {
        let Some(selection) = &mut self.selection else {
            return Vec::new();
        };
        let left = selection.take_out(leaves).into_iter();
        left.map(|call| *self.driver.dequeued(call).1).collect()
    }

    /// Takes out the calls whose callers have cancelled, or whose deadline has passed.
    fn take_out_late(&mut self) {
        let now = Instant::now().into_std();
        let Some(selection) = &mut self.selection else {
            return;
        };
        let is_late =
            |call: &Waiting<Box<Job>>| call.job.is_cancelled() || call.info.deadline <= now;
        for call in selection.take_out(is_late) {
            self.driver.reject(call, Rejection::DeadlinePassed.into());
        }
    }

    /// Writes to the ledger that its calls are about to be sent. Takes out those that may not be.
    async fn record(&mut self) {
        let calls = self.selection.iter().flat_map(|selection| {
            let claims = selection.jobs().map(|job| job.claim.as_ref());
            selection.infos().map(|info| info.number).zip(claims)
        });
        let calls = calls.filter_map(|(number, claim)| Some((number, claim?)));
        let (numbers, claims): (Vec<CallNumber>, Vec<_>) = calls.unzip();
        if claims.is_empty() {
            return;
        }
        let started = self.driver.context.ledger.start(&claims).await;
        let started = match started {
            Ok(started) => started,
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                tracing::warn!(error, "ledger cannot be written; calls were not sent");
                for job in self.take_out(|call| numbers.contains(&call.info.number)) {
                    job.not_sent(LedgerFailure::Unavailable.into());
                }
                return;
            }
        };
        let taken = numbers.into_iter().zip(started);
        let taken = taken.filter(|(_, started)| *started == Started::Taken);
        let taken: Vec<CallNumber> = taken.map(|(number, _)| number).collect();
        for job in self.take_out(|call| taken.contains(&call.info.number)) {
            job.overtaken();
        }
    }

    /// Opens access to the portal. The call with the latest deadline decides how long that may
    /// take. `None`: no call is left.
    async fn open(&mut self) -> Option<Opened> {
        let selection = self.selection.as_ref()?;
        let latest = selection.infos().map(|info| info.deadline).max()?;
        let tenant = selection.jobs().next()?.opened.tenant().clone();
        let access = &self.driver.context.access;
        match access.open(tenant, Instant::from_std(latest)).await {
            Ok(opened) => Some(opened),
            Err(error) => {
                for job in self.take_out(|_| true) {
                    job.not_sent(NotAdmitted::Access(error.clone()));
                }
                None
            }
        }
    }

    fn end(mut self, opened: Option<&Opened>) -> Option<Sending> {
        // Without a token the selection stays, and goes back without calls.
        let opened = opened?;
        let selection = self.selection.take()?;
        self.driver.prepared(Prepared::with(selection, opened))
    }
}

impl Drop for Preparation {
    fn drop(&mut self) {
        // Nothing is left to send, or preparing has panicked.
        if let Some(selection) = self.selection.take() {
            let (nothing, crashed) = Prepared::nothing(selection);
            for call in crashed {
                drop(self.driver.dequeued(call));
            }
            drop(self.driver.prepared(nothing));
        }
    }
}
