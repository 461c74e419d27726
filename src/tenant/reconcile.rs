//! Applies the tenants file to the store, at start and after every change of the file.
//!
//! An entry is applied only if it differs from the entry that was applied last. So refreshed tokens
//! and changes through the tenant service stay until the entry changes. Removing an entry does not
//! delete the tenant; it is only reported.

use super::file::same_tokens;
use crate::audit::{self, Action, Actor};
use crate::metrics::Metrics;
use crate::telemetry::chain;
use bitrix24::TenantId;
use store::{Applied, ENTRIES_IN_GROUP, Store, StoreError};
use store::{Origin, StoredCredentials, StoredTenant};

/// The most ids in a log line.
const NAMED: usize = 20;

/// The result of applying a tenants file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    pub created: usize,
    pub updated: usize,
    pub unchanged: usize,
    /// Tenants of the file whose entry was removed.
    pub unlisted: Vec<TenantId>,
}

/// Applies the changed entries of a file, and reports removed ones.
///
/// # Errors
///
/// The store failed. Groups of entries that were applied before stay applied.
pub async fn reconcile(
    store: &Store,
    tenants: &[StoredTenant],
    metrics: &Metrics,
) -> Result<Reconciled, StoreError> {
    let mut done = Reconciled::default();
    for group in tenants.chunks(ENTRIES_IN_GROUP) {
        let applied = store.apply_entries(group, update).await?;
        for (tenant, how) in group.iter().zip(applied) {
            done.count(tenant, how);
        }
    }
    done.unlisted = unlisted(store, tenants).await?;
    metrics.tenants_unlisted(done.unlisted.len());
    let Reconciled {
        created,
        updated,
        unchanged,
        ..
    } = done;
    tracing::info!(created, updated, unchanged, "applied the tenants file");
    if !done.unlisted.is_empty() {
        let named: Vec<&str> = done
            .unlisted
            .iter()
            .take(NAMED)
            .map(TenantId::as_str)
            .collect();
        let (count, tenants) = (done.unlisted.len(), named.join(" "));
        tracing::warn!(
            count,
            tenants,
            "these tenants are no longer in the tenants file; delete them with the tenant service"
        );
    }
    Ok(done)
}

impl Reconciled {
    /// Counts an entry, and writes its line into the audit trail if it was applied.
    fn count(&mut self, tenant: &StoredTenant, how: Applied) {
        let record = |action, facts| audit::record(Actor::TenantsFile, action, &tenant.id, facts);
        match how {
            Applied::Created => {
                self.created += 1;
                record(Action::Created, &tenant.portal);
            }
            Applied::Updated => {
                self.updated += 1;
                record(Action::Updated, "its entry has changed");
            }
            Applied::Unchanged => self.unchanged += 1,
            // A tenant that cannot be read does not prevent the others.
            Applied::Unreadable(error) => {
                let error = chain(&error);
                tracing::error!(tenant = %tenant.id, error, "cannot apply an entry of the tenants file");
            }
        }
    }
}

/// Changes a tenant as its changed entry says.
fn update(tenant: &mut StoredTenant, entry: &StoredTenant) {
    tenant.display_name.clone_from(&entry.display_name);
    tenant.portal.clone_from(&entry.portal);
    tenant.plan = entry.plan;
    if entry.member_id.is_some() {
        tenant.member_id.clone_from(&entry.member_id);
    }
    let keep_tokens = same_tokens(tenant.file_fingerprint, entry.file_fingerprint);
    apply_credentials(&mut tenant.credentials, &entry.credentials, keep_tokens);
    // Try the changed entry: if it does not help, the next refresh requires reauthorization again.
    tenant.reauthorization = None;
    tenant.origin = Origin::File;
    tenant.file_fingerprint = entry.file_fingerprint;
}

/// Applies the credentials of an entry. If its tokens have not changed, the stored tokens are
/// newer.
fn apply_credentials(stored: &mut StoredCredentials, entry: &StoredCredentials, keep_tokens: bool) {
    let mut taken = entry.clone();
    if let (StoredCredentials::Application(stored), StoredCredentials::Application(taken)) =
        (&*stored, &mut taken)
        && keep_tokens
    {
        taken.access_token.clone_from(&stored.access_token);
        taken.access_token_expires_at = stored.access_token_expires_at;
        taken.refresh_token.clone_from(&stored.refresh_token);
        taken.scopes.clone_from(&stored.scopes);
        let server = &mut taken.authorization_server;
        *server = server
            .take()
            .or_else(|| stored.authorization_server.clone());
        let token = &mut taken.application_token;
        *token = token.take().or_else(|| stored.application_token.clone());
    }
    *stored = taken;
}

async fn unlisted(store: &Store, tenants: &[StoredTenant]) -> Result<Vec<TenantId>, StoreError> {
    let listed: std::collections::HashSet<&TenantId> =
        tenants.iter().map(|tenant| &tenant.id).collect();
    let ids = store.ids_of(Origin::File).await?;
    Ok(ids.into_iter().filter(|id| !listed.contains(id)).collect())
}
