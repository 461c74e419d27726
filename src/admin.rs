//! Management of tenants: the implementation of `openlines.tenants.v1.TenantService`.
//!
//! A call goes through proofs like one that sends: a [`Caller`](crate::auth::Caller) becomes a
//! `Manager`, the manager and a tenant's name become `Managed`, which every access to the store
//! needs. The fields of a request are checked (`entered`), narrowed to those of the mask
//! (`selection`), and applied to the stored tenant inside the store's compare-and-set (`change`),
//! so two concurrent changes cannot mix.
//!
//! Secrets are write-only: `view` makes the responses and has no field for one.

mod change;
mod changes;
mod etag;
mod incoming;
mod list;
mod manager;
mod name;
mod page;
mod plan;
mod requested;
mod selection;
mod service;
mod time;
mod verification;
mod view;

use crate::metrics::Metrics;
use crate::tenant::{Directory, Judgement, PortalAccess};
use bitrix24::Client;
use store::Store;

/// The implementation of `openlines.tenants.v1.TenantService`.
#[derive(Clone, Debug)]
pub(crate) struct Tenants {
    /// Where the tenants are kept.
    pub store: Store,
    /// What calls see of them: it learns of a change before its caller does.
    pub directory: Directory,
    /// What refreshes an access token that is to be tried.
    pub access: PortalAccess,
    /// What entered addresses and applications are judged by.
    pub judgement: Judgement,
    /// What tries credentials.
    pub client: Client,
    /// What counts.
    pub metrics: Metrics,
}
