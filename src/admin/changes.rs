//! The operations that change tenants. Each change is written into the audit trail.

use jiff::Timestamp;
use secrecy::SecretString;
use tracing::Instrument;

use super::Tenants;
use super::change::{Change, Changed};
use super::incoming::Incoming;
use super::manager::Managed;
use super::requested::RequestedTenant;
use super::selection::Selection;
use super::service::unwritten;
use super::{etag, name};
use crate::api::openlines::tenants::v1::{
    CreateTenantRequest, DeleteTenantRequest, Tenant, UpdateTenantRequest,
};
use crate::audit::{self, Action, Actor};
use crate::call::Progress;
use crate::check::Violations;
use crate::error::{Administration, Error};
use bitrix24::Outcome;
use bitrix24::TenantId;
use store::{CreateError, DeleteError, ModifyError, Origin, StoredCredentials, StoredTenant};

impl Tenants {
    pub(super) async fn create(
        &self,
        incoming: &Incoming,
        request: CreateTenantRequest,
    ) -> Result<StoredTenant, Error> {
        let manager = incoming.manager()?;
        let mut violations = Violations::default();
        let id = name::read_id("tenant_id", &request.tenant_id, &mut violations);
        let managed = id
            .map(|id| manager.manage(id, &incoming.context))
            .transpose()?;
        let requested = match request.tenant {
            Some(tenant) => Some(RequestedTenant::read(
                tenant,
                &self.judgement.policy,
                &mut violations,
            )),
            None => {
                violations.add("tenant", "REQUIRED", "is required; it is missing");
                None
            }
        };
        // Without a sound id the rest is judged all the same, so that everything is told at once.
        let id = managed.as_ref().map(|managed| managed.id().clone());
        let mut tenant = id.or_else(|| TenantId::parse("unnamed").ok()).map(blank);
        if let (Some(requested), Some(tenant)) = (requested, &mut tenant) {
            let change = Change {
                selection: Selection::everything(),
                requested,
            };
            if let Err(later) = change.apply(tenant, &self.judgement.applications) {
                violations.extend(later);
            }
        }
        let (managed, tenant) = match (managed, tenant) {
            (Some(managed), Some(tenant)) if violations.is_empty() => (managed, tenant),
            _ => return Err(Error::InvalidRequest(violations)),
        };

        let (store, caller) = (self.store.clone(), manager.name().to_owned());
        incoming.context.note_progress(Progress::Changing);
        self.to_the_end(managed.id(), async move {
            let created = store.create(&tenant).await.map_err(|error| match error {
                // Only events are too late.
                CreateError::AlreadyExists | CreateError::Outdated => {
                    Administration::AlreadyExists.into()
                }
                CreateError::Store(error) => unwritten(error),
            })?;
            let facts = format!("portal {}", created.portal);
            audit::record(Actor::Caller(&caller), Action::Created, &created.id, &facts);
            Ok(created)
        })
        .await
    }

    pub(super) async fn update(
        &self,
        incoming: &Incoming,
        request: UpdateTenantRequest,
    ) -> Result<StoredTenant, Error> {
        let manager = incoming.manager()?;
        let mut violations = Violations::default();
        let UpdateTenantRequest {
            tenant,
            update_mask,
        } = request;
        let Some(tenant) = tenant else {
            violations.add("tenant", "REQUIRED", "is required; it is missing");
            return Err(Error::InvalidRequest(violations));
        };
        let id = name::read("tenant.name", &tenant.name, &mut violations);
        let managed = id
            .map(|id| manager.manage(id, &incoming.context))
            .transpose()?;
        let selection = Selection::of(update_mask.as_ref(), &tenant, &mut violations);
        let Tenant { etag, .. } = &tenant;
        let etag = etag.clone();
        let requested = RequestedTenant::read(tenant, &self.judgement.policy, &mut violations);
        let managed = match managed {
            Some(managed) if violations.is_empty() => managed,
            Some(_) | None => return Err(Error::InvalidRequest(violations)),
        };
        let change = Change {
            selection,
            requested,
        };
        let applications = self.judgement.applications.clone();
        let modification = move |tenant: &mut StoredTenant| {
            etag::check(&etag, tenant)?;
            change
                .apply(tenant, &applications)
                .map_err(Error::InvalidRequest)
        };
        self.modify(incoming, &managed, Action::Updated, modification)
            .await
    }

    /// Switches a tenant on or off.
    pub(super) async fn switch(
        &self,
        incoming: &Incoming,
        name: &str,
        etag: String,
        action: Action,
    ) -> Result<StoredTenant, Error> {
        let managed = incoming.manager()?.manage_named(name, &incoming.context)?;
        let disabled = action == Action::Disabled;
        let modification = move |tenant: &mut StoredTenant| {
            etag::check(&etag, tenant)?;
            let changed = tenant.disabled != disabled;
            tenant.disabled = disabled;
            Ok(if changed {
                vec!["state"]
            } else {
                Changed::new()
            })
        };
        self.modify(incoming, &managed, action, modification).await
    }

    /// Changes a stored tenant. What changes nothing is not written and not audited.
    async fn modify(
        &self,
        incoming: &Incoming,
        managed: &Managed,
        action: Action,
        mut modification: impl FnMut(&mut StoredTenant) -> Result<Changed, Error> + Send + 'static,
    ) -> Result<StoredTenant, Error> {
        let (store, id) = (self.store.clone(), managed.id().clone());
        let caller = incoming.manager()?.name().to_owned();
        incoming.context.note_progress(Progress::Changing);
        self.to_the_end(managed.id(), async move {
            let mut changed = Changed::new();
            let mut portal = String::new();
            let modified = store
                .modify(&id, |tenant| {
                    portal.clone_from(&tenant.portal);
                    changed = modification(tenant)?;
                    Ok(())
                })
                .await
                .map_err(|error| match error {
                    ModifyError::NotFound => Administration::NotFound.into(),
                    ModifyError::Refused(refused) => refused,
                    ModifyError::Store(error) => unwritten(error),
                })?;
            if !changed.is_empty() {
                let mut facts = changed.join(", ");
                if portal != modified.portal {
                    facts = format!("{facts}; portal from {portal} to {}", modified.portal);
                }
                audit::record(Actor::Caller(&caller), action, &id, &facts);
            }
            Ok(modified)
        })
        .await
    }

    pub(super) async fn delete(
        &self,
        incoming: &Incoming,
        request: DeleteTenantRequest,
    ) -> Result<(), Error> {
        let manager = incoming.manager()?;
        let managed = manager.manage_named(&request.name, &incoming.context)?;
        // Without an etag the tenant is not read, so one with secrets that do not open can be
        // deleted.
        let revision = if request.etag.is_empty() {
            None
        } else {
            let tenant = self.read(managed.id()).await?;
            etag::check(&request.etag, &tenant)?;
            Some(tenant.revision)
        };
        let (store, id) = (self.store.clone(), managed.id().clone());
        let caller = manager.name().to_owned();
        incoming.context.note_progress(Progress::Changing);
        self.to_the_end(managed.id(), async move {
            store
                .delete(&id, revision)
                .await
                .map_err(|error| match error {
                    DeleteError::NotFound => Administration::NotFound.into(),
                    DeleteError::Changed => Administration::Changed.into(),
                    DeleteError::Store(error) => unwritten(error),
                })?;
            audit::record(Actor::Caller(&caller), Action::Deleted, &id, "");
            Ok(())
        })
        .await
    }

    /// Changes a tenant in a task of its own: a caller that cancels interrupts neither the change
    /// nor its audit line. When it is done, the caller's next call uses the changed tenant.
    async fn to_the_end<T: Send + 'static>(
        &self,
        id: &TenantId,
        change: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        let (directory, id) = (self.directory.clone(), id.clone());
        let work = async move {
            let done = change.await;
            // If the store does not answer just now, the feed of changes tells the directory later.
            let _ = directory.reread(&id).await;
            done
        };
        match tokio::spawn(work.in_current_span()).await {
            Ok(done) => done,
            Err(_panicked) => Err(Error::Internal {
                outcome: Outcome::Unknown,
            }),
        }
    }
}

/// A tenant that nothing is known of yet.
fn blank(id: TenantId) -> StoredTenant {
    StoredTenant {
        id,
        display_name: String::new(),
        portal: String::new(),
        member_id: None,
        plan: None,
        credentials: StoredCredentials::Webhook {
            user_id: 0,
            secret: SecretString::from(""),
        },
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        // The store sets these.
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
