//! A tenant as a request has it, each field checked by itself.

use jiff::Timestamp;
use secrecy::SecretString;

use super::selection::Field;
use super::{plan, time};
use crate::api::openlines::tenants::v1::tenant::Credentials;
use crate::api::openlines::tenants::v1::{ApplicationCredentials, Tenant, WebhookCredentials};
use crate::check::Violations;
use bitrix24::Plan;
use bitrix24::{AuthorizationServer, ClientId, Policy, PortalAddress};

/// The longest name of a tenant for people, in characters.
const DISPLAY_NAME_CHARACTERS: usize = 200;
/// The longest secret, in bytes; real ones have less than a hundred.
const SECRET_BYTES: usize = 4096;

/// What a request says of a tenant. What is empty there is `None` here.
#[derive(Clone, Debug, Default)]
pub(super) struct RequestedTenant {
    pub(super) display_name: String,
    pub(super) portal: Option<String>,
    pub(super) plan: Option<Plan>,
    pub(super) credentials: Option<RequestedCredentials>,
}

#[derive(Clone, Debug)]
pub(super) enum RequestedCredentials {
    Webhook(RequestedWebhook),
    Application(Box<RequestedApplication>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct RequestedWebhook {
    pub(super) user_id: Option<u64>,
    pub(super) secret: Option<SecretString>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct RequestedApplication {
    pub(super) client_id: Option<ClientId>,
    pub(super) client_secret: Option<SecretString>,
    pub(super) authorization_server: Option<String>,
    pub(super) application_token: Option<SecretString>,
    pub(super) access_token: Option<SecretString>,
    pub(super) access_token_expires_at: Option<Timestamp>,
    pub(super) refresh_token: Option<SecretString>,
}

impl RequestedTenant {
    /// Checks each field by itself. A field with a violation counts as empty, so the others must
    /// not be used then.
    pub(super) fn read(tenant: Tenant, policy: &Policy, violations: &mut Violations) -> Self {
        let mut form = Form { policy, violations };
        form.display_name(&tenant.display_name);
        let portal = form.portal(&tenant.portal);
        let plan = tenant
            .plan
            .and_then(|plan| plan::of_request(plan, form.violations));
        let credentials = tenant.credentials.map(|credentials| match credentials {
            Credentials::Webhook(webhook) => RequestedCredentials::Webhook(form.webhook(webhook)),
            Credentials::Application(application) => {
                RequestedCredentials::Application(Box::new(form.application(application)))
            }
        });
        Self {
            display_name: tenant.display_name,
            portal,
            plan,
            credentials,
        }
    }
}

/// The form that is filled in: what it accepts, and what was wrong.
struct Form<'a> {
    policy: &'a Policy,
    violations: &'a mut Violations,
}

impl Form<'_> {
    fn wrong(&mut self, field: Field, rule: &'static str, description: impl Into<String>) {
        self.violations.add(field.in_request(), rule, description);
    }

    fn display_name(&mut self, text: &str) {
        let field = Field::DisplayName;
        let found = text.chars().count();
        if found > DISPLAY_NAME_CHARACTERS {
            let description =
                format!("has {found} characters; at most {DISPLAY_NAME_CHARACTERS}: shorten it");
            self.wrong(field, "TOO_LONG", description);
        }
        if text.chars().any(|character| character.is_ascii_control()) {
            let description = "has a control character, like a line end; remove it";
            self.wrong(field, "CHARACTERS", description);
        }
    }

    fn portal(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        match PortalAddress::parse(text, self.policy) {
            Ok(portal) if portal.is_loopback() => Some(portal.base_url()),
            Ok(portal) => Some(portal.authority().to_owned()),
            Err(fault) => {
                self.wrong(Field::Portal, "PORTAL_ADDRESS", fault.to_string());
                None
            }
        }
    }

    fn webhook(&mut self, webhook: WebhookCredentials) -> RequestedWebhook {
        let WebhookCredentials {
            user_id,
            secret,
            has_secret: _,
        } = webhook;
        let user_id = match u64::try_from(user_id) {
            Ok(0) => None,
            Ok(user_id) => Some(user_id),
            Err(_negative) => {
                self.wrong(
                    Field::WebhookUserId,
                    "NOT_POSITIVE",
                    "is below 0; give 1 or more",
                );
                None
            }
        };
        let secret = self.secret(
            Field::WebhookSecret,
            secret,
            |byte| byte.is_ascii_alphanumeric(),
            "ASCII letters and digits; give the last part of the webhook's address by itself",
        );
        RequestedWebhook { user_id, secret }
    }

    fn application(&mut self, application: ApplicationCredentials) -> RequestedApplication {
        let ApplicationCredentials {
            client_id,
            client_secret,
            authorization_server,
            application_token,
            access_token,
            access_token_expire_time,
            refresh_token,
            has_client_secret: _,
            has_application_token: _,
            has_access_token: _,
            has_refresh_token: _,
            scopes: _,
            token_generation: _,
        } = application;
        RequestedApplication {
            client_id: self.client_id(&client_id),
            client_secret: self.visible(Field::ClientSecret, client_secret),
            authorization_server: self.authorization_server(&authorization_server),
            application_token: self.visible(Field::ApplicationToken, application_token),
            access_token: self.visible(Field::AccessToken, access_token),
            access_token_expires_at: self.expiry(access_token_expire_time.as_ref()),
            refresh_token: self.visible(Field::RefreshToken, refresh_token),
        }
    }

    fn client_id(&mut self, text: &str) -> Option<ClientId> {
        if text.is_empty() {
            return None;
        }
        ClientId::parse(text)
            .map_err(|fault| self.wrong(Field::ClientId, "CLIENT_ID", fault.to_string()))
            .ok()
    }

    fn authorization_server(&mut self, text: &str) -> Option<String> {
        if text.is_empty() {
            return None;
        }
        match AuthorizationServer::parse(text, self.policy) {
            Ok(server) => Some(server.authority().to_owned()),
            Err(fault) => {
                let rule = "AUTHORIZATION_SERVER";
                self.wrong(Field::AuthorizationServer, rule, fault.to_string());
                None
            }
        }
    }

    fn expiry(&mut self, time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
        let time = time?;
        let read = time::of_request(time);
        if read.is_none() {
            let description = "is no time between the years 1 and 9999; correct it or leave it out";
            self.wrong(Field::AccessTokenExpireTime, "TIME", description);
        }
        read
    }

    fn visible(&mut self, field: Field, secret: String) -> Option<SecretString> {
        let remedy = "visible ASCII characters; give the value by itself, without line ends";
        self.secret(field, secret, |byte| byte.is_ascii_graphic(), remedy)
    }

    /// A secret, which no description quotes.
    fn secret(
        &mut self,
        field: Field,
        secret: String,
        allowed: impl Fn(u8) -> bool,
        alphabet: &str,
    ) -> Option<SecretString> {
        let secret = (!secret.is_empty()).then_some(secret)?;
        let found = secret.len();
        let sound = secret.bytes().all(allowed);
        if !sound {
            let description = format!("has other characters than {alphabet}");
            self.wrong(field, "CHARACTERS", description);
        }
        if found > SECRET_BYTES {
            let description = format!("has {found} bytes; at most {SECRET_BYTES}");
            self.wrong(field, "TOO_LONG", description);
        }
        (sound && found <= SECRET_BYTES).then(|| SecretString::from(secret))
    }
}
