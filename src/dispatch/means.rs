//! What a dispatcher is made of.

use super::ledger::Ledger;
use super::sharing::Sharing;
use crate::metrics::Metrics;
use crate::tenant::PortalAccess;
use bitrix24::Client;

/// What a dispatcher needs to send calls.
#[derive(Clone, Debug)]
pub struct Means {
    /// Sends requests to portals.
    pub client: Client,
    /// Opens access to portals.
    pub access: PortalAccess,
    /// Remembers calls with an idempotency key.
    pub ledger: Ledger,
    /// Set if replicas share the portals' rate limits.
    pub sharing: Option<Sharing>,
    /// Measures.
    pub metrics: Metrics,
}
