//! A tenant as a row of the table `tenants`, with its secrets sealed.

use jiff::Timestamp;
use secrecy::SecretString;
use sqlx::{ColumnIndex, Decode, FromRow, Type};

use super::error::StoreError;
use crate::sealing::{Field, Keyring, Place};
use crate::stored::{Origin, Reauthorization, StoredApplication, StoredCredentials, StoredTenant};
use bitrix24::TenantId;
use bitrix24::{ClientId, MemberId};
use bitrix24::{Plan, RateLimit};

/// Makes the row, its columns for statements, and how it is read, from one list. Written by hand because
/// the derive macro of sqlx would build both of its databases a second time, for the compiler.
macro_rules! row {
    ($first:ident: $of_first:ty, $($column:ident: $kind:ty,)+) => {
        /// A row, in the order of its columns.
        pub(super) struct Row {
            pub(super) $first: $of_first,
            $(pub(super) $column: $kind,)+
        }

        impl<'r, R: sqlx::Row> FromRow<'r, R> for Row
        where
            &'static str: ColumnIndex<R>,
            $of_first: Decode<'r, R::Database> + Type<R::Database>,
            $($kind: Decode<'r, R::Database> + Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $first: row.try_get(stringify!($first))?,
                    $($column: row.try_get(stringify!($column))?,)+
                })
            }
        }

        /// The columns, in the order of [`Row`].
        macro_rules! columns {
            () => {
                concat!(stringify!($first), $(", ", stringify!($column)),+)
            };
        }
    };
}

row! {
    id: String,
    display_name: String,
    portal: String,
    member_id: Option<String>,
    credentials: String,
    webhook_user_id: Option<i64>,
    webhook_secret: Option<Vec<u8>>,
    client_id: Option<String>,
    client_secret: Option<Vec<u8>>,
    authorization_server: Option<String>,
    application_token: Option<Vec<u8>>,
    scopes: String,
    access_token: Option<Vec<u8>>,
    access_token_expires_at: Option<i64>,
    refresh_token: Option<Vec<u8>>,
    generation: i64,
    disabled: bool,
    reauthorization_cause: Option<String>,
    reauthorization_since: Option<i64>,
    origin: String,
    file_fingerprint: Option<Vec<u8>>,
    sealing_key: Option<String>,
    sealed_values: i64,
    revision: i64,
    change_number: i64,
    created_at: i64,
    updated_at: i64,
    plan: Option<String>,
    plan_burst: Option<i64>,
    plan_per_second: Option<f64>,
}

/// A parameter for each column.
macro_rules! values {
    () => {
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, \
         $25, $26, $27, $28, $29, $30"
    };
}

/// Binds a row to the parameters of [`values!`].
macro_rules! bound {
    ($statement:expr, $row:expr) => {{
        let row = $row;
        sqlx::query($statement)
            .bind(row.id)
            .bind(row.display_name)
            .bind(row.portal)
            .bind(row.member_id)
            .bind(row.credentials)
            .bind(row.webhook_user_id)
            .bind(row.webhook_secret)
            .bind(row.client_id)
            .bind(row.client_secret)
            .bind(row.authorization_server)
            .bind(row.application_token)
            .bind(row.scopes)
            .bind(row.access_token)
            .bind(row.access_token_expires_at)
            .bind(row.refresh_token)
            .bind(row.generation)
            .bind(row.disabled)
            .bind(row.reauthorization_cause)
            .bind(row.reauthorization_since)
            .bind(row.origin)
            .bind(row.file_fingerprint)
            .bind(row.sealing_key)
            .bind(row.sealed_values)
            .bind(row.revision)
            .bind(row.change_number)
            .bind(row.created_at)
            .bind(row.updated_at)
            .bind(row.plan)
            .bind(row.plan_burst)
            .bind(row.plan_per_second)
    }};
}

pub(super) use {bound, columns, values};

/// What the store itself decides of a row.
#[derive(Clone, Copy)]
pub(super) struct Version {
    pub(super) revision: i64,
    pub(super) generation: i64,
    pub(super) change_number: i64,
    /// In milliseconds since 1970.
    pub(super) created_at: i64,
    /// In milliseconds since 1970.
    pub(super) updated_at: i64,
}

impl Row {
    /// Seals a tenant's secrets, all with one key.
    pub(super) fn seal(
        tenant: &StoredTenant,
        version: Version,
        keyring: &Keyring,
    ) -> Result<Self, StoreError> {
        let mut row = Self::without_secrets(tenant, version);
        let mut sealer = Sealer {
            keyring: keyring.of_this_moment(),
            tenant: &tenant.id,
            values: 0,
        };
        match &tenant.credentials {
            StoredCredentials::Webhook { user_id, secret } => {
                let user = i64::try_from(*user_id).map_err(|_| {
                    StoreError::Corrupt(format!("the user id of tenant {}", tenant.id))
                })?;
                row.webhook_user_id = Some(user);
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
        row.sealing_key = (sealer.values > 0).then(|| sealer.keyring.first().to_string());
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
        }
    }

    /// Opens the secrets.
    pub(super) fn open(&self, keyring: &Keyring) -> Result<StoredTenant, StoreError> {
        let id = &self.tenant_id()?;
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
            credentials: self.credentials(id, keyring)?,
            disabled: self.disabled,
            reauthorization: reauthorization.map(|(cause, since)| Reauthorization { cause, since }),
            origin: origin_of(&self.origin).ok_or_else(|| corrupt("origin"))?,
            file_fingerprint: fingerprint
                .transpose()
                .map_err(|_| corrupt("file_fingerprint"))?,
            revision: self.revision,
            created_at: time(self.created_at, "created_at")?,
            updated_at: time(self.updated_at, "updated_at")?,
        })
    }

    /// The column at fault otherwise.
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
    ) -> Result<StoredCredentials, StoreError> {
        let corrupt = |column| StoreError::Corrupt(format!("{column} of tenant {}", self.id));
        let open = |sealed: &Option<Vec<u8>>, field| open(sealed.as_deref(), id, field, keyring);
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

    pub(super) fn version(&self) -> Version {
        Version {
            revision: self.revision,
            generation: self.generation,
            change_number: self.change_number,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    pub(super) fn tenant_id(&self) -> Result<TenantId, StoreError> {
        TenantId::parse(&self.id).map_err(|_| StoreError::Corrupt("the id of a tenant".to_owned()))
    }
}

/// Seals the secrets of one tenant and counts them.
struct Sealer<'a> {
    keyring: Keyring,
    tenant: &'a TenantId,
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
        let tenant = self.tenant;
        self.values = self.values.saturating_add(1);
        Ok(Some(self.keyring.seal(secret, Place { tenant, field })?))
    }
}

fn open(
    sealed: Option<&[u8]>,
    tenant: &TenantId,
    field: Field,
    keyring: &Keyring,
) -> Result<Option<SecretString>, StoreError> {
    let opened = sealed.map(|sealed| keyring.open(sealed, Place { tenant, field }));
    opened.transpose().map_err(|source| StoreError::Sealed {
        tenant: tenant.clone(),
        field: field.as_str(),
        source,
    })
}

const WEBHOOK: &str = "webhook";
const APPLICATION: &str = "application";
/// The plan that has figures of its own.
const OWN: &str = "own";

pub(super) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "file",
        Origin::Api => "api",
        Origin::Installation => "installation",
    }
}

fn origin_of(name: &str) -> Option<Origin> {
    [Origin::File, Origin::Api, Origin::Installation]
        .into_iter()
        .find(|origin| origin_name(*origin) == name)
}
