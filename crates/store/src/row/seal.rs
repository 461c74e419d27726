//! Makes a row from a tenant.

use jiff::Timestamp;
use secrecy::SecretString;

use bitrix24::{ClientId, MemberId, Plan, TenantId};

use super::{APPLICATION, OWN, Row, Version, WEBHOOK, origin_name};
use crate::error::StoreError;
use crate::sealing::{Binding, Destination, FORM, Field, Keyring};
use crate::stored::{StoredCredentials, StoredTenant};

impl Row {
    /// Makes a row from a tenant. Seals all its secrets with the same key.
    pub(crate) fn seal(
        tenant: &StoredTenant,
        version: Version,
        keyring: &Keyring,
    ) -> Result<Self, StoreError> {
        let mut row = Self::without_secrets(tenant, version);
        if let StoredCredentials::Webhook { user_id, .. } = &tenant.credentials {
            let user = i64::try_from(*user_id);
            let corrupt = |_| StoreError::Corrupt(format!("the user id of tenant {}", tenant.id));
            row.webhook_user_id = Some(user.map_err(corrupt)?);
        }
        let bound = row.clone();
        let mut sealer = Sealer {
            keyring: keyring.snapshot(),
            tenant: &tenant.id,
            destination: bound.destination(),
            values: 0,
        };
        match &tenant.credentials {
            StoredCredentials::Webhook { secret, .. } => {
                row.webhook_secret = sealer.seal(Some(secret), Field::WebhookSecret)?;
            }
            StoredCredentials::Application(application) => {
                row.client_secret =
                    sealer.seal(application.client_secret.as_ref(), Field::ClientSecret)?;
                row.application_token = sealer.seal(
                    application.application_token.as_ref(),
                    Field::ApplicationToken,
                )?;
                row.access_token =
                    sealer.seal(application.access_token.as_ref(), Field::AccessToken)?;
                row.refresh_token =
                    sealer.seal(application.refresh_token.as_ref(), Field::RefreshToken)?;
            }
        }
        row.sealed_values = sealer.values;
        row.witness = sealer.seal(Some(&SecretString::from("")), Field::Witness)?;
        row.sealing_key = Some(sealer.keyring.first().to_string());
        Ok(row)
    }

    fn without_secrets(tenant: &StoredTenant, version: Version) -> Self {
        let application = tenant.application();
        let reauthorization = tenant.reauthorization.as_ref();
        let own = match tenant.plan {
            Some(Plan::Own(intensity)) => Some(intensity),
            Some(Plan::Standard | Plan::Enterprise | Plan::Unlimited) | None => None,
        };
        Self {
            id: tenant.id.to_string(),
            display_name: tenant.display_name.clone(),
            portal: tenant.portal.clone(),
            member_id: tenant.member_id.as_ref().map(MemberId::to_string),
            credentials: match tenant.credentials {
                StoredCredentials::Webhook { .. } => WEBHOOK.to_owned(),
                StoredCredentials::Application(_) => APPLICATION.to_owned(),
            },
            webhook_user_id: None,
            webhook_secret: None,
            client_id: application
                .and_then(|application| application.client_id.as_ref())
                .map(ClientId::to_string),
            client_secret: None,
            authorization_server: application
                .and_then(|application| application.authorization_server.clone()),
            application_token: None,
            scopes: serde_json::Value::from(
                application.map_or(&[][..], |application| &application.scopes),
            )
            .to_string(),
            access_token: None,
            access_token_expires_at: application
                .and_then(|application| application.access_token_expires_at)
                .map(Timestamp::as_millisecond),
            refresh_token: None,
            generation: version.generation,
            disabled: tenant.disabled,
            reauthorization_cause: reauthorization.map(|reason| reason.cause.clone()),
            reauthorization_since: reauthorization.map(|reason| reason.since.as_millisecond()),
            origin: origin_name(tenant.origin).to_owned(),
            file_fingerprint: tenant.file_fingerprint.map(Vec::from),
            sealing_key: None,
            sealed_values: 0,
            revision: version.revision,
            change_number: version.change_number,
            created_at: version.created_at,
            updated_at: version.updated_at,
            plan: tenant
                .plan
                .map(|plan| plan.name().unwrap_or(OWN).to_owned()),
            plan_burst: own.map(|own| own.burst.into()),
            plan_per_second: own.map(|own| own.per_second),
            last_event: tenant.last_event.map(Timestamp::as_millisecond),
            sealed_form: FORM,
            witness: None,
        }
    }
}

/// Seals the secrets of one tenant and counts them.
struct Sealer<'a> {
    keyring: Keyring,
    tenant: &'a TenantId,
    destination: Destination<'a>,
    values: i64,
}

impl Sealer<'_> {
    fn seal(
        &mut self,
        secret: Option<&SecretString>,
        field: Field,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(secret) = secret else {
            return Ok(None);
        };
        let (tenant, destination) = (self.tenant, self.destination);
        let binding = Binding {
            tenant,
            field,
            destination,
        };
        self.values = self.values.saturating_add(1);
        Ok(Some(self.keyring.seal(secret, binding)?))
    }
}
