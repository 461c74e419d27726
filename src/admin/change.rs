//! What a request does to a tenant.

use secrecy::{ExposeSecret, SecretString};

use super::requested::{
    RequestedApplication, RequestedCredentials, RequestedTenant, RequestedWebhook,
};
use super::selection::{Field, How, Selection};
use crate::check::Violations;
use crate::tenant::Applications;
use store::{StoredApplication, StoredCredentials, StoredTenant};

/// New values for some fields of a tenant.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) selection: Selection,
    pub(super) requested: RequestedTenant,
}

/// The fields with a new value, and every secret in the request, also an unchanged one.
pub(super) type Changed = Vec<&'static str>;

impl Change {
    /// Applies the change, and checks the changed fields together.
    ///
    /// Unchanged credentials are not checked: a tenant whose application is missing in the settings
    /// can still be renamed.
    ///
    /// # Errors
    ///
    /// The violations of the changed tenant, which is incomplete then and must be discarded.
    pub(super) fn apply(
        &self,
        tenant: &mut StoredTenant,
        applications: &Applications,
    ) -> Result<Changed, Violations> {
        let mut applying = Applying {
            change: self,
            applications,
            changed: Changed::new(),
            violations: Violations::default(),
        };
        applying.run(tenant);
        if applying.violations.is_empty() {
            Ok(applying.changed)
        } else {
            Err(applying.violations)
        }
    }
}

/// A change while it is applied.
struct Applying<'a> {
    change: &'a Change,
    applications: &'a Applications,
    changed: Changed,
    violations: Violations,
}

impl Applying<'_> {
    fn run(&mut self, tenant: &mut StoredTenant) {
        let RequestedTenant {
            display_name,
            portal,
            plan,
            credentials,
        } = &self.change.requested;
        if self.is_selected(Field::DisplayName) && tenant.display_name != *display_name {
            tenant.display_name.clone_from(display_name);
            self.changed.push(Field::DisplayName.path());
        }
        if self.is_selected(Field::Plan) && tenant.plan != *plan {
            tenant.plan = *plan;
            self.changed.push(Field::Plan.path());
        }
        let moved = match portal {
            _ if !self.is_selected(Field::Portal) => false,
            None => {
                self.require(Field::Portal, "is required; it is empty");
                false
            }
            Some(portal) => self.portal(portal, tenant),
        };
        self.credentials(credentials.as_ref(), moved, tenant);
    }

    /// Whether the tenant has another portal now.
    fn portal(&mut self, portal: &str, tenant: &mut StoredTenant) -> bool {
        // A tenant that is being created has none yet, and nothing that belonged to it.
        let moved = !tenant.portal.is_empty() && tenant.portal != portal;
        if tenant.portal != portal {
            portal.clone_into(&mut tenant.portal);
            self.changed.push(Field::Portal.path());
        }
        if moved {
            tenant.member_id = None;
            if !self.enters_secrets() {
                self.violations.add(
                    Field::Portal.in_request(),
                    "CREDENTIALS_NEEDED",
                    "is another portal than before; enter its webhook's secret or its application's tokens in the same \
                     request, because the stored ones are not sent to another portal",
                );
            }
        }
        moved
    }

    /// Whether the request has what opens a portal.
    fn enters_secrets(&self) -> bool {
        match &self.change.requested.credentials {
            None => false,
            Some(RequestedCredentials::Webhook(webhook)) => {
                webhook.secret.is_some() && self.is_selected(Field::WebhookSecret)
            }
            Some(RequestedCredentials::Application(application)) => {
                (application.access_token.is_some() && self.is_selected(Field::AccessToken))
                    || (application.refresh_token.is_some()
                        && self.is_selected(Field::RefreshToken))
            }
        }
    }

    fn credentials(
        &mut self,
        requested: Option<&RequestedCredentials>,
        moved: bool,
        tenant: &mut StoredTenant,
    ) {
        let selection = &self.change.selection;
        let (webhook, application) = (selection.webhook(), selection.application());
        match requested {
            Some(RequestedCredentials::Webhook(requested)) if webhook.is_some() => {
                self.webhook(requested, moved, tenant);
            }
            Some(RequestedCredentials::Application(requested)) if application.is_some() => {
                self.application(requested, moved, tenant);
            }
            // The mask names the credentials of one kind and the request has the other.
            Some(RequestedCredentials::Webhook(_)) if application.is_some() => {
                self.mistaken("webhook")
            }
            Some(RequestedCredentials::Application(_)) if webhook.is_some() => {
                self.mistaken("application");
            }
            Some(_) => {}
            None if [webhook, application].contains(&Some(How::Within)) => {
                self.violations.add(
                    "tenant.credentials",
                    "REQUIRED",
                    "is required; give webhook or application",
                );
            }
            None if application.is_some() => {
                self.application(&RequestedApplication::default(), moved, tenant);
            }
            None if webhook.is_some() => self.webhook(&RequestedWebhook::default(), moved, tenant),
            None => {}
        }
    }

    fn mistaken(&mut self, given: &str) {
        self.violations.add(
            "update_mask",
            "CREDENTIALS_OF_ANOTHER_KIND",
            format!("names no field of the credentials in tenant, which are of the kind {given}; name those"),
        );
    }

    fn webhook(&mut self, requested: &RequestedWebhook, moved: bool, tenant: &mut StoredTenant) {
        let (mut user_id, mut secret) = match &tenant.credentials {
            StoredCredentials::Webhook { user_id, secret } if !moved => {
                (Some(*user_id), Some(secret.clone()))
            }
            StoredCredentials::Webhook { user_id, .. } => (Some(*user_id), None),
            StoredCredentials::Application(_) => (None, None),
        };
        let before = self.changed.len();
        self.set(
            Field::WebhookUserId,
            requested.user_id.as_ref(),
            &mut user_id,
        );
        self.set_secret(Field::WebhookSecret, requested.secret.as_ref(), &mut secret);
        // 0 stands for a webhook that has none: that of a tenant that is being created.
        let user_id = user_id.filter(|user_id| *user_id > 0);
        if user_id.is_none() {
            self.require(Field::WebhookUserId, "is required, above 0");
        }
        let secret = secret.filter(|secret| !secret.expose_secret().is_empty());
        if secret.is_none() {
            self.require(
                Field::WebhookSecret,
                "is required; the service has none that belongs to this portal",
            );
        }
        if let (Some(user_id), Some(secret)) = (user_id, secret) {
            tenant.credentials = StoredCredentials::Webhook { user_id, secret };
        }
        if self.changed.len() > before {
            tenant.reauthorization = None;
        }
    }

    fn application(
        &mut self,
        requested: &RequestedApplication,
        moved: bool,
        tenant: &mut StoredTenant,
    ) {
        let mut stored = match &tenant.credentials {
            StoredCredentials::Application(stored) => stored.clone(),
            StoredCredentials::Webhook { .. } => StoredApplication::default(),
        };
        if moved {
            stored = StoredApplication {
                client_id: stored.client_id,
                client_secret: stored.client_secret,
                authorization_server: stored.authorization_server,
                ..StoredApplication::default()
            };
        }
        let before = self.changed.len();
        self.set(
            Field::ClientId,
            requested.client_id.as_ref(),
            &mut stored.client_id,
        );
        self.set_secret(
            Field::ClientSecret,
            requested.client_secret.as_ref(),
            &mut stored.client_secret,
        );
        self.set(
            Field::AuthorizationServer,
            requested.authorization_server.as_ref(),
            &mut stored.authorization_server,
        );
        self.tokens(requested, &mut stored);
        let refreshed = self.changed.len() > before;
        // It proves where events come from and opens nothing: the grant stays the same.
        self.set_secret(
            Field::ApplicationToken,
            requested.application_token.as_ref(),
            &mut stored.application_token,
        );
        self.judge(&stored);
        if refreshed {
            tenant.reauthorization = None;
        }
        tenant.credentials = StoredCredentials::Application(stored);
    }

    fn tokens(&mut self, requested: &RequestedApplication, stored: &mut StoredApplication) {
        let refresh_token = requested.refresh_token.as_ref();
        if refresh_token.is_some() && self.is_selected(Field::RefreshToken) {
            // The stored access token is of another pair, and of another grant perhaps.
            stored.access_token = None;
            stored.access_token_expires_at = None;
            stored.scopes = Vec::new();
        }
        self.set_secret(
            Field::RefreshToken,
            refresh_token,
            &mut stored.refresh_token,
        );
        let access_token = requested.access_token.as_ref();
        self.set_secret(Field::AccessToken, access_token, &mut stored.access_token);
        if self.is_selected(Field::AccessToken) && access_token.is_some() {
            stored.access_token_expires_at = requested.access_token_expires_at;
        } else if stored.access_token.is_none() {
            stored.access_token_expires_at = None;
        }
    }

    /// Judges an application's credentials as a whole.
    fn judge(&mut self, stored: &StoredApplication) {
        if stored.access_token.is_none() && stored.refresh_token.is_none() {
            self.violations.add(
                "tenant.application",
                "TOKEN_REQUIRED",
                "has no token; give access_token, refresh_token or both",
            );
        }
        let Some(client_id) = &stored.client_id else {
            if stored.refresh_token.is_some() || stored.client_secret.is_some() {
                let description =
                    "is required with a refresh token or a client secret; it is empty";
                self.require(Field::ClientId, description);
            }
            return;
        };
        let known =
            stored.client_secret.is_some() || self.applications.by_client_id(client_id).is_some();
        if stored.refresh_token.is_some() && !known {
            self.require(
                Field::ClientSecret,
                "is required with a refresh token: the service's settings have no application with this client id",
            );
        }
    }

    fn is_selected(&self, field: Field) -> bool {
        self.change.selection.how(field).is_some()
    }

    fn require(&mut self, field: Field, description: &str) {
        self.violations
            .add(field.in_request(), "REQUIRED", description);
    }

    fn set<T: Clone + PartialEq>(
        &mut self,
        field: Field,
        requested: Option<&T>,
        stored: &mut Option<T>,
    ) {
        if self.is_selected(field) && stored.as_ref() != requested {
            *stored = requested.cloned();
            self.changed.push(field.path());
        }
    }

    /// A secret in the request counts as changed even if it equals the stored one: the caller
    /// declares it valid.
    fn set_secret(
        &mut self,
        field: Field,
        requested: Option<&SecretString>,
        stored: &mut Option<SecretString>,
    ) {
        let kept = match self.change.selection.how(field) {
            None => true,
            Some(How::Within) => requested.is_none(),
            Some(How::Named) => requested.is_none() && stored.is_none(),
        };
        if !kept {
            *stored = requested.cloned();
            self.changed.push(field.path());
        }
    }
}
