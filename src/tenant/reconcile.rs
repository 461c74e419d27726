//! The tenants file is taken over into the store: at start, and whenever it changes.
//!
//! An entry is taken over when it differs from the one that was taken over last. So tokens that were refreshed since, and what was
//! changed by the tenant service, stay until somebody changes the entry. Tenants that the file no longer names stay too: they are
//! reported.

use super::file::same_tokens;
use crate::audit::{self, Action, Actor};
use crate::metrics::Metrics;
use crate::telemetry::chain;
use bitrix24::TenantId;
use store::{CreateError, ModifyError, Store, StoreError};
use store::{Origin, StoredCredentials, StoredTenant};

/// How many ids a report names.
const NAMED: usize = 20;

/// What a tenants file changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Tenants that were new.
    pub created: usize,
    /// Tenants whose entry had changed.
    pub updated: usize,
    /// Tenants whose entry is the one of last time.
    pub unchanged: usize,
    /// Tenants that came from the file and are no longer in it.
    pub unlisted: Vec<TenantId>,
}

/// Takes over what has changed among the tenants of a file, and reports what the file no longer names.
///
/// # Errors
///
/// The store failed; what was taken over before stays.
pub async fn reconcile(
    store: &Store,
    tenants: &[StoredTenant],
    metrics: &Metrics,
) -> Result<Reconciled, StoreError> {
    let mut done = Reconciled::default();
    for tenant in tenants {
        match take_over(store, tenant).await {
            Ok(Some(Action::Created)) => done.created += 1,
            Ok(Some(_)) => done.updated += 1,
            Ok(None) => done.unchanged += 1,
            // One that cannot be read does not keep the others away.
            Err(error @ (StoreError::Sealed { .. } | StoreError::Corrupt(_))) => {
                let error = chain(&error);
                tracing::error!(tenant = %tenant.id, error, "a tenant of the tenants file is not taken over");
            }
            Err(error) => return Err(error),
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
    tracing::info!(created, updated, unchanged, "tenants file taken over");
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
            "the tenants file no longer names these tenants; they stay until they are deleted with the tenant service"
        );
    }
    Ok(done)
}

/// What was done with an entry; nothing if it is the one of last time.
async fn take_over(store: &Store, entry: &StoredTenant) -> Result<Option<Action>, StoreError> {
    loop {
        match store.tenant(&entry.id).await? {
            Some(stored) if stored.file_fingerprint == entry.file_fingerprint => return Ok(None),
            Some(_) => {
                if let Some(action) = update(store, entry).await? {
                    return Ok(action);
                }
            }
            None => match store.create(entry).await {
                Ok(_) => {
                    audit::record(
                        Actor::TenantsFile,
                        Action::Created,
                        &entry.id,
                        &entry.portal,
                    );
                    return Ok(Some(Action::Created));
                }
                // Another replica reads the same file.
                Err(CreateError::AlreadyExists) => {}
                Err(CreateError::Store(error)) => return Err(error),
            },
        }
    }
}

/// The entry is the one of last time.
struct Unchanged;

/// `None` if the tenant was deleted meanwhile.
async fn update(store: &Store, entry: &StoredTenant) -> Result<Option<Option<Action>>, StoreError> {
    let updated = store.modify(&entry.id, |tenant| {
        if tenant.file_fingerprint == entry.file_fingerprint {
            return Err(Unchanged);
        }
        tenant.display_name.clone_from(&entry.display_name);
        tenant.portal.clone_from(&entry.portal);
        tenant.plan = entry.plan;
        if entry.member_id.is_some() {
            tenant.member_id.clone_from(&entry.member_id);
        }
        let keep_tokens = same_tokens(tenant.file_fingerprint, entry.file_fingerprint);
        take_credentials(&mut tenant.credentials, &entry.credentials, keep_tokens);
        // Whatever was corrected, it is worth a try: where it was not enough, the next refresh marks the tenant again.
        tenant.reauthorization = None;
        tenant.origin = Origin::File;
        tenant.file_fingerprint = entry.file_fingerprint;
        Ok(())
    });
    match updated.await {
        Ok(_) => {
            audit::record(
                Actor::TenantsFile,
                Action::Updated,
                &entry.id,
                "its entry has changed",
            );
            Ok(Some(Some(Action::Updated)))
        }
        Err(ModifyError::Refused(Unchanged)) => Ok(Some(None)),
        Err(ModifyError::NotFound) => Ok(None),
        Err(ModifyError::Store(error)) => Err(error),
    }
}

/// Takes over the credentials of an entry; where the entry's tokens are those of last time, the stored ones are newer.
fn take_credentials(stored: &mut StoredCredentials, entry: &StoredCredentials, keep_tokens: bool) {
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
