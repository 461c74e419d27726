//! An entry of the tenants file.

use jiff::Timestamp;
use secrecy::SecretString;

use super::Reading;
use super::fingerprint::fingerprint;
use super::keys;
use super::plan;
use crate::settings::{Fields, Node};
use crate::tenant::applications::Applications;
use crate::tenant::secret_source::{self, Alphabet};
use bitrix24::TenantId;
use bitrix24::{AuthorizationServer, ClientId, MemberId, PortalAddress};
use store::{Origin, StoredApplication, StoredCredentials, StoredTenant};

/// The longest display name, in characters.
const DISPLAY_NAME: usize = 200;

impl Reading<'_> {
    pub(super) fn tenant(&mut self, item: &Node<'_>) -> Option<StoredTenant> {
        let fields = item.fields(&keys::ENTRY, &mut self.file.errors)?;
        let id = fields
            .required("id", &mut self.file.errors)
            .and_then(|node| self.id(&node));
        let display_name = match fields.optional("display_name") {
            None => Some(String::new()),
            Some(node) => self.display_name(&node),
        };
        let portal = fields
            .required("portal", &mut self.file.errors)
            .and_then(|node| self.portal(&node));
        let plan = match fields.optional("plan") {
            None => Some(None),
            Some(node) => plan::read(&node, &mut self.file.errors).map(Some),
        };
        let credentials = fields
            .exactly_one(&["webhook", "application"], &mut self.file.errors)
            .and_then(|(kind, node)| match kind {
                "webhook" => Some((self.webhook(&node)?, None)),
                _ => self.application(&node),
            });
        let (credentials, member_id) = credentials?;
        let mut tenant = StoredTenant {
            id: id?,
            display_name: display_name?,
            portal: portal?,
            member_id,
            plan: plan?,
            credentials,
            disabled: false,
            reauthorization: None,
            origin: Origin::File,
            file_fingerprint: None,
            last_event: None,
            revision: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        tenant.file_fingerprint = Some(fingerprint(&tenant));
        Some(tenant)
    }

    fn id(&mut self, node: &Node<'_>) -> Option<TenantId> {
        match TenantId::parse(node.text(&mut self.file.errors)?) {
            Ok(id) if self.ids.insert(id.clone()) => Some(id),
            Ok(id) => {
                let problem = format!("repeats the tenant id `{id}`");
                let error = node.error(problem, "give each tenant its own id");
                self.file.errors.push(error);
                None
            }
            Err(error) => {
                let error = node.error("is not a tenant id", error.to_string());
                self.file.errors.push(error);
                None
            }
        }
    }

    fn display_name(&mut self, node: &Node<'_>) -> Option<String> {
        let text = node.text(&mut self.file.errors)?;
        if text.chars().count() > DISPLAY_NAME || text.contains(char::is_control) {
            let remedy = format!("give at most {DISPLAY_NAME} characters in one line");
            self.file
                .errors
                .push(node.error("is not a display name", remedy));
            return None;
        }
        Some(text.to_owned())
    }

    fn portal(&mut self, node: &Node<'_>) -> Option<String> {
        let text = node.text(&mut self.file.errors)?;
        match PortalAddress::parse(text, self.policy?) {
            Ok(_) => Some(text.to_owned()),
            Err(error) => self.refuse(node, &error.to_string()),
        }
    }

    fn webhook(&mut self, node: &Node<'_>) -> Option<StoredCredentials> {
        let fields = node.fields(&keys::WEBHOOK, &mut self.file.errors)?;
        let user_id = fields
            .required("user_id", &mut self.file.errors)
            .and_then(|node| node.whole(1, &mut self.file.errors));
        let secret = fields
            .required("secret", &mut self.file.errors)
            .and_then(|node| self.secret(&node, Alphabet::LettersAndDigits));
        Some(StoredCredentials::Webhook {
            user_id: user_id?,
            secret: secret?,
        })
    }

    fn application(&mut self, node: &Node<'_>) -> Option<(StoredCredentials, Option<MemberId>)> {
        let fields = node.fields(&keys::APPLICATION, &mut self.file.errors)?;
        let before = self.file.errors.len();
        let client_id = self.optional(&fields, "client_id", |this, node| {
            let text = node.text(&mut this.file.errors)?;
            let client_id = ClientId::parse(text);
            client_id
                .map_err(|error| this.refuse::<()>(node, &error.to_string()))
                .ok()
        });
        let member_id = self.optional(&fields, "member_id", |this, node| {
            let text = node.text(&mut this.file.errors)?;
            let member_id = MemberId::parse(text);
            member_id
                .map_err(|error| this.refuse::<()>(node, &error.to_string()))
                .ok()
        });
        let authorization_server = self.optional(&fields, "authorization_server", |this, node| {
            let text = node.text(&mut this.file.errors)?;
            match AuthorizationServer::parse(text, this.policy?) {
                Ok(server) => Some(server.authority().to_owned()),
                Err(error) => this.refuse(node, &error.to_string()),
            }
        });
        let mut secret = |key| {
            self.optional(&fields, key, |this, node| {
                this.secret(node, Alphabet::Visible)
            })
        };
        let application = StoredApplication {
            client_secret: secret("client_secret"),
            access_token: secret("access_token"),
            refresh_token: secret("refresh_token"),
            application_token: secret("application_token"),
            client_id,
            authorization_server,
            ..StoredApplication::default()
        };
        if self.file.errors.len() > before {
            return None;
        }
        match problem(&application, self.applications) {
            None => Some((StoredCredentials::Application(application), member_id)),
            Some((problem, remedy)) => {
                self.file.errors.push(node.error(problem, remedy));
                None
            }
        }
    }

    fn optional<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        read: impl FnOnce(&mut Self, &Node<'_>) -> Option<T>,
    ) -> Option<T> {
        let node = fields.optional(key)?;
        read(self, &node)
    }

    fn secret(&mut self, node: &Node<'_>, alphabet: Alphabet) -> Option<SecretString> {
        secret_source::read(
            node,
            alphabet,
            self.environment,
            &mut self.file.variables,
            &mut self.file.errors,
        )
    }

    fn refuse<T>(&mut self, node: &Node<'_>, problem: &str) -> Option<T> {
        self.file.errors.push(node.error(problem, ""));
        None
    }
}

/// What is missing in an application's entry.
fn problem(
    application: &StoredApplication,
    registered: &Applications,
) -> Option<(&'static str, &'static str)> {
    let StoredApplication {
        client_id,
        client_secret,
        access_token,
        refresh_token,
        ..
    } = application;
    if access_token.is_none() && refresh_token.is_none() {
        return Some((
            "has neither `access_token` nor `refresh_token`",
            "give the refresh token, or both; an access token alone works for an hour",
        ));
    }
    match client_id {
        None if refresh_token.is_some() || client_secret.is_some() => {
            Some(("has no `client_id`", "add the application's client id"))
        }
        Some(client_id)
            if client_secret.is_none() && registered.by_client_id(client_id).is_none() =>
        {
            Some((
                "has no `client_secret`, and `applications` has no application with its client id",
                "add `client_secret`, or the application to `applications`",
            ))
        }
        Some(_) | None => None,
    }
}
