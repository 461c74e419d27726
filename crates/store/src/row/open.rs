//! Makes a tenant from a row.

use jiff::Timestamp;
use secrecy::SecretString;

use bitrix24::{ClientId, MemberId, Plan, RateLimit, TenantId};

use super::{OWN, Row, WEBHOOK, origin_name};
use crate::error::StoreError;
use crate::sealing::{Binding, DoesNotOpen, Field, Forms, Keyring};
use crate::stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};

impl Row {
    /// Makes a tenant from a row. Opens its secrets.
    pub(crate) fn open(&self, keyring: &Keyring) -> Result<StoredTenant, StoreError> {
        self.open_forms(keyring, Forms::Current)
    }

    /// The same for values of these forms.
    pub(crate) fn open_forms(
        &self,
        keyring: &Keyring,
        forms: Forms,
    ) -> Result<StoredTenant, StoreError> {
        let id = &self.tenant_id()?;
        self.is_witnessed(id, keyring, forms)?;
        let corrupt = |column| StoreError::Corrupt(format!("{column} of tenant {}", self.id));
        let time = |milliseconds: i64, column| {
            Timestamp::from_millisecond(milliseconds).map_err(|_| corrupt(column))
        };
        let member_id = self.member_id.as_deref().map(MemberId::parse).transpose();
        let since = self.reauthorization_since;
        let since = since.map(|since| time(since, "reauthorization_since"));
        let since = since.transpose()?;
        let reauthorization = self.reauthorization_cause.clone().zip(since);
        let fingerprint = self.file_fingerprint.as_deref().map(TryInto::try_into);
        Ok(StoredTenant {
            id: id.clone(),
            display_name: self.display_name.clone(),
            portal: self.portal.clone(),
            member_id: member_id.map_err(|_| corrupt("member_id"))?,
            plan: self.plan().map_err(corrupt)?,
            credentials: self.credentials(id, keyring, forms)?,
            disabled: self.disabled,
            reauthorization: reauthorization.map(|(cause, since)| Reauthorization { cause, since }),
            origin: origin_of(&self.origin).ok_or_else(|| corrupt("origin"))?,
            file_fingerprint: fingerprint
                .transpose()
                .map_err(|_| corrupt("file_fingerprint"))?,
            last_event: self
                .last_event
                .map(|at| time(at, "last_event"))
                .transpose()?,
            revision: self.revision,
            created_at: time(self.created_at, "created_at")?,
            updated_at: time(self.updated_at, "updated_at")?,
        })
    }

    /// Whether the service wrote this row. A row of an earlier version has no witness, but a
    /// secret, which is opened later.
    fn is_witnessed(
        &self,
        tenant: &TenantId,
        keyring: &Keyring,
        forms: Forms,
    ) -> Result<(), StoreError> {
        let field = Field::Witness;
        let binding = Binding {
            tenant,
            field,
            destination: self.destination(),
        };
        if open(self.witness.as_deref(), binding, keyring, Forms::Current)?.is_some() {
            return Ok(());
        }
        let has_secret = if self.credentials == WEBHOOK {
            self.webhook_secret.is_some()
        } else {
            self.client_secret.is_some()
                || self.application_token.is_some()
                || self.access_token.is_some()
                || self.refresh_token.is_some()
        };
        let source = match (forms, has_secret) {
            (Forms::All, true) => return Ok(()),
            (Forms::Current, true) => DoesNotOpen::Unaddressed,
            (Forms::Current | Forms::All, false) => DoesNotOpen::Forged,
        };
        Err(StoreError::Sealed {
            tenant: tenant.clone(),
            field: field.as_str(),
            source,
        })
    }

    /// # Errors
    ///
    /// The name of the corrupt column.
    fn plan(&self) -> Result<Option<Plan>, &'static str> {
        let Some(name) = self.plan.as_deref() else {
            return Ok(None);
        };
        if name != OWN {
            return Plan::named(name).ok_or("plan").map(Some);
        }
        let burst = self.plan_burst.map(RateLimit::burst);
        let per_second = self.plan_per_second.map(RateLimit::per_second);
        Ok(Some(Plan::Own(RateLimit {
            burst: burst.and_then(Result::ok).ok_or("plan_burst")?,
            per_second: per_second.and_then(Result::ok).ok_or("plan_per_second")?,
        })))
    }

    fn credentials(
        &self,
        id: &TenantId,
        keyring: &Keyring,
        forms: Forms,
    ) -> Result<StoredCredentials, StoreError> {
        let corrupt = |column| StoreError::Corrupt(format!("{column} of tenant {}", self.id));
        let open = |sealed: &Option<Vec<u8>>, field| {
            let (tenant, destination) = (id, self.destination());
            let binding = Binding {
                tenant,
                field,
                destination,
            };
            open(sealed.as_deref(), binding, keyring, forms)
        };
        if self.credentials == WEBHOOK {
            let user_id = self.webhook_user_id.map(u64::try_from);
            let user_id = user_id.and_then(Result::ok);
            let secret = open(&self.webhook_secret, Field::WebhookSecret)?;
            return Ok(StoredCredentials::Webhook {
                user_id: user_id.ok_or_else(|| corrupt("webhook_user_id"))?,
                secret: secret.ok_or_else(|| corrupt("webhook_secret"))?,
            });
        }
        let client_id = self.client_id.as_deref().map(ClientId::parse).transpose();
        let expires_at = self.access_token_expires_at;
        let expires_at = expires_at.map(Timestamp::from_millisecond).transpose();
        Ok(StoredCredentials::Application(StoredApplication {
            client_id: client_id.map_err(|_| corrupt("client_id"))?,
            client_secret: open(&self.client_secret, Field::ClientSecret)?,
            authorization_server: self.authorization_server.clone(),
            application_token: open(&self.application_token, Field::ApplicationToken)?,
            scopes: serde_json::from_str(&self.scopes).map_err(|_| corrupt("scopes"))?,
            generation: self.generation,
            access_token: open(&self.access_token, Field::AccessToken)?,
            access_token_expires_at: expires_at.map_err(|_| corrupt("access_token_expires_at"))?,
            refresh_token: open(&self.refresh_token, Field::RefreshToken)?,
        }))
    }
}

fn open(
    sealed: Option<&[u8]>,
    binding: Binding<'_>,
    keyring: &Keyring,
    forms: Forms,
) -> Result<Option<SecretString>, StoreError> {
    let opened = sealed.map(|sealed| keyring.open(sealed, binding, forms));
    opened.transpose().map_err(|source| StoreError::Sealed {
        tenant: binding.tenant.clone(),
        field: binding.field.as_str(),
        source,
    })
}

fn origin_of(name: &str) -> Option<Origin> {
    [Origin::File, Origin::Api, Origin::Installation]
        .into_iter()
        .find(|origin| origin_name(*origin) == name)
}
