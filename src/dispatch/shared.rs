//! What all portals share.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::announced::Announcements;
use super::ledger::Ledger;
use super::place::Place;
use super::room::Room;
use super::settings::Options;
use super::sharing::Sharing;
use crate::metrics::Metrics;
use crate::tenant::PortalAccess;
use bitrix24::Intensity;
use bitrix24::{Client, PortalAddress};

/// How often portals that nobody uses are forgotten.
const SWEEP: Duration = Duration::from_secs(60);

/// What requests are sent with.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) access: PortalAccess,
    pub(super) ledger: Ledger,
    /// The portals' budgets with other replicas, if there may be any.
    pub(super) sharing: Option<Sharing>,
    pub(super) options: Arc<Options>,
    pub(super) room: Arc<Room>,
    pub(super) metrics: Metrics,
    /// Requests on their way.
    pub(super) tasks: TaskTracker,
    /// Cancelled when the service stops and every caller was answered.
    pub(super) stopped: CancellationToken,
    pub(super) announcements: Arc<Announcements>,
    /// Makes the numbers of calls unique.
    pub(super) numbers: AtomicU64,
}

/// The portals that calls are made to.
#[derive(Debug)]
pub(super) struct Places {
    shared: Arc<Shared>,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    places: HashMap<String, Arc<Place>>,
    swept: Instant,
}

impl Places {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            known: Mutex::new(Known {
                places: HashMap::new(),
                swept: Instant::now(),
            }),
        }
    }

    /// The place of a portal, made if it is the first call.
    pub(super) fn of(&self, portal: &PortalAddress, plan: Option<Intensity>) -> Arc<Place> {
        let now = Instant::now();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(known.swept) > SWEEP {
            known.swept = now;
            known
                .places
                .retain(|_, place| Arc::strong_count(place) > 1 || !place.is_idle(now));
        }
        let name = portal.authority();
        if let Some(place) = known.places.get(name) {
            return Arc::clone(place);
        }
        let place = Place::new(name, Arc::clone(&self.shared), plan, now);
        known.places.insert(name.to_owned(), Arc::clone(&place));
        place
    }
}
