//! The operations of the service, one after the other.

use tonic::{Request, Response, Status};

use super::Tenants;
use super::incoming::Incoming;
use super::verification::Trial;
use super::view;
use crate::api::openlines::tenants::v1::tenant_service_server::TenantService;
use crate::api::openlines::tenants::v1::{
    CreateTenantRequest, CreateTenantResponse, DeleteTenantRequest, DeleteTenantResponse,
    DisableTenantRequest, DisableTenantResponse, EnableTenantRequest, EnableTenantResponse,
    GetTenantRequest, GetTenantResponse, ListTenantsRequest, ListTenantsResponse,
    UpdateTenantRequest, UpdateTenantResponse, VerifyTenantRequest, VerifyTenantResponse,
};
use crate::audit::Action;
use crate::error::{Administration, Error};
use bitrix24::Outcome;
use bitrix24::TenantId;
use store::{StoreError, StoredTenant};

#[tonic::async_trait]
impl TenantService for Tenants {
    async fn create_tenant(
        &self,
        request: Request<CreateTenantRequest>,
    ) -> Result<Response<CreateTenantResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let created = self.create(&incoming, request).await;
        incoming.answer(created.map(|tenant| CreateTenantResponse {
            tenant: Some(view::of(&tenant)),
        }))
    }

    async fn get_tenant(
        &self,
        request: Request<GetTenantRequest>,
    ) -> Result<Response<GetTenantResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let found = self.get(&incoming, &request.name).await;
        incoming.answer(found.map(|tenant| GetTenantResponse {
            tenant: Some(view::of(&tenant)),
        }))
    }

    async fn list_tenants(
        &self,
        request: Request<ListTenantsRequest>,
    ) -> Result<Response<ListTenantsResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let page = self.list(&incoming, request).await;
        incoming.answer(page)
    }

    async fn update_tenant(
        &self,
        request: Request<UpdateTenantRequest>,
    ) -> Result<Response<UpdateTenantResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let updated = self.update(&incoming, request).await;
        incoming.answer(updated.map(|tenant| UpdateTenantResponse {
            tenant: Some(view::of(&tenant)),
        }))
    }

    async fn disable_tenant(
        &self,
        request: Request<DisableTenantRequest>,
    ) -> Result<Response<DisableTenantResponse>, Status> {
        let (incoming, DisableTenantRequest { name, etag }) = Incoming::open(request);
        let disabled = self.switch(&incoming, &name, etag, Action::Disabled).await;
        incoming.answer(disabled.map(|tenant| DisableTenantResponse {
            tenant: Some(view::of(&tenant)),
        }))
    }

    async fn enable_tenant(
        &self,
        request: Request<EnableTenantRequest>,
    ) -> Result<Response<EnableTenantResponse>, Status> {
        let (incoming, EnableTenantRequest { name, etag }) = Incoming::open(request);
        let enabled = self.switch(&incoming, &name, etag, Action::Enabled).await;
        incoming.answer(enabled.map(|tenant| EnableTenantResponse {
            tenant: Some(view::of(&tenant)),
        }))
    }

    async fn delete_tenant(
        &self,
        request: Request<DeleteTenantRequest>,
    ) -> Result<Response<DeleteTenantResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let deleted = self.delete(&incoming, request).await;
        incoming.answer(deleted.map(|()| DeleteTenantResponse {}))
    }

    async fn verify_tenant(
        &self,
        request: Request<VerifyTenantRequest>,
    ) -> Result<Response<VerifyTenantResponse>, Status> {
        let (incoming, request) = Incoming::open(request);
        let verified = self.verify(&incoming, &request.name).await;
        incoming.answer(verified)
    }
}

impl Tenants {
    async fn get(&self, incoming: &Incoming, name: &str) -> Result<StoredTenant, Error> {
        let managed = incoming.manager()?.manage_named(name, &incoming.context)?;
        self.read(managed.id()).await
    }

    async fn verify(&self, incoming: &Incoming, name: &str) -> Result<VerifyTenantResponse, Error> {
        let manager = incoming.manager()?;
        let managed = manager.manage_named(name, &incoming.context)?;
        let tenant = self.read(managed.id()).await?;
        let trial = Trial {
            service: self,
            tenant: &tenant,
            caller: manager.caller(),
            call: &incoming.context.identity(),
            deadline: incoming.context.deadline(),
        };
        Ok(trial.run().await)
    }

    pub(super) async fn read(&self, id: &TenantId) -> Result<StoredTenant, Error> {
        let found = self.store.tenant(id).await.map_err(unread)?;
        Ok(found.ok_or(Administration::NotFound)?)
    }
}

/// The error of a failed read from the store.
pub(super) fn unread(error: StoreError) -> Error {
    failed(error, Outcome::NotExecuted)
}

/// The error of a failed write to the store, which may have been executed.
pub(super) fn unwritten(error: StoreError) -> Error {
    failed(error, Outcome::Unknown)
}

fn failed(error: StoreError, outcome: Outcome) -> Error {
    match error {
        StoreError::Unavailable(source) => {
            tracing::warn!(error = %source, "the store is not available");
            Administration::StoreUnavailable { outcome }.into()
        }
        StoreError::Sealed { .. } => Administration::Sealed.into(),
        StoreError::Corrupt(what) => {
            tracing::error!(
                what,
                "the store holds something that this service did not write"
            );
            Error::Internal { outcome }
        }
    }
}
