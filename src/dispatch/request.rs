//! A request to a portal, with one call or with many, in stages. Each is a type that is made of the
//! one before:
//!
//! 1. [`Prepared`](super::prepared::Prepared): the calls are in the ledger and their token is
//!    valid. They have no permit.
//! 2. [`Permitted`]: they may be sent now. Nothing is awaited any more but a connection.
//! 3. [`InFlight`]: the request goes on when its callers cancel, because the next calls of its
//!    conversations, the budgets and the ledger depend on its outcome.
//! 4. [`Landed`]: it has an outcome, and each call ends or is retried.

mod disposition;
mod guard;
mod in_flight;
mod landed;
mod outcome;
mod permitted;
mod preparation;
mod recovery;
mod repair;

use std::sync::Arc;

use tracing::Instrument;

use self::permitted::Permitted;
use super::driver::{PortalDriver, Sending, Stages};
use super::job::Job;
use pacing::{Permit, Selection};

/// How the driver starts stages.
pub(super) const STAGES: Stages = Stages { prepare, send };

fn prepare(driver: Arc<PortalDriver>, selection: Selection<Box<Job>>) -> Sending {
    Box::pin(preparation::run(driver, selection))
}

fn send(driver: Arc<PortalDriver>, permit: Permit<Box<Job>>, bucket_fill: Option<f64>) -> Sending {
    Box::pin(run(driver, permit, bucket_fill))
}

/// Sends the request of a permit, and returns the outcome to its callers.
async fn run(driver: Arc<PortalDriver>, permit: Permit<Box<Job>>, bucket_fill: Option<f64>) {
    let Some(permitted) = Permitted::of(driver, permit, bucket_fill) else {
        return;
    };
    let (span, stopped) = (permitted.span(), permitted.stopped());
    let sending = permitted.send().land().instrument(span.clone());
    let Some(landed) = stopped.run_until_cancelled(sending).await else {
        return;
    };
    landed.conclude().instrument(span).await;
}
