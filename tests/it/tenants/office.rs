//! A service whose tenants are managed, and those who manage them.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::Credentials;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::api::openlines::v1::{self as openlines};
use bitrix24_openlines::testing::auth::NewKey;
use prost_types::FieldMask;
use sandbox::{Portal, Sandbox, demo};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::Channel;

use crate::support::requests::crm_message;
use crate::support::{Service, tenants, with_key};

/// A service with a sandbox portal, the two tenants of the tenants file, and three callers.
pub(super) struct Office {
    pub(super) sandbox: Sandbox,
    pub(super) service: Service,
    /// Where the store is.
    pub(super) folder: TempDir,
    pub(super) keys: Keys,
}

/// The callers' keys.
pub(super) struct Keys {
    /// Manages every tenant.
    pub(super) manager: String,
    /// Manages the tenants acme, beta and ghost.
    pub(super) clerk: String,
    /// Acts for every tenant and manages none.
    pub(super) sender: String,
}

/// What a manager works with.
pub(super) struct Desk {
    pub(super) client: TenantServiceClient<Channel>,
    key: String,
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::with_settings(&[]).await
    }

    pub(super) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::with(settings, "").await
    }

    /// With the section `applications` of the settings file.
    pub(super) async fn with_applications(applications: &str) -> Self {
        Self::with(&[], applications).await
    }

    async fn with(settings: &[(&str, &str)], more: &str) -> Self {
        let keys = [(); 3].map(|()| NewKey::generate().unwrap());
        let auth = callers(&keys) + more;
        let [manager, clerk, sender] = keys;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("store.db").display());
        let server = format!("http://{}", sandbox.address());
        let mut all = vec![
            ("STORE_URL", url.as_str()),
            ("AUTHORIZATION_DEFAULT_SERVER", server.as_str()),
        ];
        all.extend(settings);
        let keys = Keys {
            manager: manager.expose().to_owned(),
            clerk: clerk.expose().to_owned(),
            sender: sender.expose().to_owned(),
        };
        let file = tenants(sandbox.address());
        let service = Service::with_auth(manager, &auth, &all, &file).await;
        Self {
            sandbox,
            service,
            folder,
            keys,
        }
    }

    /// The desk of whoever has this key.
    pub(super) async fn desk(&self, key: &str) -> Desk {
        Desk {
            client: TenantServiceClient::new(self.service.channel().await),
            key: key.to_owned(),
        }
    }

    pub(super) async fn manager(&self) -> Desk {
        self.desk(&self.keys.manager).await
    }

    /// The address of the sandbox portal.
    pub(super) fn portal(&self) -> String {
        format!("http://{}", self.sandbox.address())
    }

    /// The tenant of the sandbox portal with its webhook.
    pub(super) fn webhook(&self) -> api::Tenant {
        webhook(&self.portal(), demo::OWNER, demo::WEBHOOK_SECRET)
    }

    /// The tenant of the sandbox portal with its application: both tokens, and everything to
    /// refresh them.
    pub(super) fn application(&self) -> api::Tenant {
        application(
            &self.portal(),
            api::ApplicationCredentials {
                client_id: demo::CLIENT_ID.to_owned(),
                client_secret: demo::CLIENT_SECRET.to_owned(),
                access_token: demo::ACCESS_TOKEN.to_owned(),
                refresh_token: demo::REFRESH_TOKEN.to_owned(),
                ..Default::default()
            },
        )
    }

    /// Sends a CRM message for a tenant, as a caller that sends.
    pub(super) async fn send(&self, tenant_id: &str) -> Result<(), Status> {
        let mut client = OpenLinesServiceClient::new(self.service.channel().await);
        let message = openlines::SendCrmMessageRequest {
            tenant_id: tenant_id.to_owned(),
            ..crm_message("hello")
        };
        let request = with_key(message, &self.keys.sender);
        client.send_crm_message(request).await.map(drop)
    }
}

pub(super) fn webhook(portal: &str, user_id: i64, secret: &str) -> api::Tenant {
    api::Tenant {
        portal: portal.to_owned(),
        credentials: Some(Credentials::Webhook(api::WebhookCredentials {
            user_id,
            secret: secret.to_owned(),
            ..Default::default()
        })),
        ..Default::default()
    }
}

pub(super) fn application(portal: &str, credentials: api::ApplicationCredentials) -> api::Tenant {
    api::Tenant {
        portal: portal.to_owned(),
        credentials: Some(Credentials::Application(credentials)),
        ..Default::default()
    }
}

/// The application's credentials of an answer.
pub(super) fn application_of(tenant: &api::Tenant) -> &api::ApplicationCredentials {
    match &tenant.credentials {
        Some(Credentials::Application(application)) => application,
        other => panic!("{other:?}"),
    }
}

impl Desk {
    pub(super) async fn create(
        &mut self,
        id: &str,
        tenant: api::Tenant,
    ) -> Result<api::Tenant, Status> {
        let request = api::CreateTenantRequest {
            tenant_id: id.to_owned(),
            tenant: Some(tenant),
        };
        let created = self
            .client
            .create_tenant(with_key(request, &self.key))
            .await?;
        Ok(created.into_inner().tenant.unwrap())
    }

    pub(super) async fn get(&mut self, id: &str) -> Result<api::Tenant, Status> {
        let request = api::GetTenantRequest { name: name(id) };
        let found = self.client.get_tenant(with_key(request, &self.key)).await?;
        Ok(found.into_inner().tenant.unwrap())
    }

    pub(super) async fn list(
        &mut self,
        request: api::ListTenantsRequest,
    ) -> Result<api::ListTenantsResponse, Status> {
        let page = self
            .client
            .list_tenants(with_key(request, &self.key))
            .await?;
        Ok(page.into_inner())
    }

    /// Without paths, without a mask.
    pub(super) async fn update(
        &mut self,
        id: &str,
        tenant: api::Tenant,
        paths: &[&str],
    ) -> Result<api::Tenant, Status> {
        let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
        let request = api::UpdateTenantRequest {
            tenant: Some(api::Tenant {
                name: name(id),
                ..tenant
            }),
            update_mask: (!paths.is_empty()).then_some(FieldMask { paths }),
        };
        let updated = self
            .client
            .update_tenant(with_key(request, &self.key))
            .await?;
        Ok(updated.into_inner().tenant.unwrap())
    }

    pub(super) async fn disable(&mut self, id: &str, etag: &str) -> Result<api::Tenant, Status> {
        let request = api::DisableTenantRequest {
            name: name(id),
            etag: etag.to_owned(),
        };
        let disabled = self
            .client
            .disable_tenant(with_key(request, &self.key))
            .await?;
        Ok(disabled.into_inner().tenant.unwrap())
    }

    pub(super) async fn enable(&mut self, id: &str, etag: &str) -> Result<api::Tenant, Status> {
        let request = api::EnableTenantRequest {
            name: name(id),
            etag: etag.to_owned(),
        };
        let enabled = self
            .client
            .enable_tenant(with_key(request, &self.key))
            .await?;
        Ok(enabled.into_inner().tenant.unwrap())
    }

    pub(super) async fn delete(&mut self, id: &str, etag: &str) -> Result<(), Status> {
        let request = api::DeleteTenantRequest {
            name: name(id),
            etag: etag.to_owned(),
        };
        self.client
            .delete_tenant(with_key(request, &self.key))
            .await
            .map(drop)
    }

    pub(super) async fn verify(&mut self, id: &str) -> Result<api::VerifyTenantResponse, Status> {
        let request = api::VerifyTenantRequest { name: name(id) };
        let verified = self
            .client
            .verify_tenant(with_key(request, &self.key))
            .await?;
        Ok(verified.into_inner())
    }
}

/// The name of a tenant. What looks like a name already, or like none, is left as it is.
pub(super) fn name(id: &str) -> String {
    if id.is_empty() || id.contains('/') {
        id.to_owned()
    } else {
        format!("tenants/{id}")
    }
}

/// The settings of the three callers.
pub(super) fn callers([manager, clerk, sender]: &[NewKey; 3]) -> String {
    format!(
        "auth:\n  callers:\n\
         \x20 - {{name: manager, tenants: ['*'], manages_tenants: true, keys: ['{}']}}\n\
         \x20 - {{name: clerk, tenants: [acme, beta, ghost], manages_tenants: true, keys: ['{}']}}\n\
         \x20 - {{name: sender, tenants: ['*'], keys: ['{}']}}\n",
        manager.entry(),
        clerk.entry(),
        sender.entry()
    )
}
