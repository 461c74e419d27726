//! Which fields of a tenant a request is about.

use std::collections::BTreeMap;

use prost_types::FieldMask;

use crate::api::openlines::tenants::v1::Tenant;
use crate::api::openlines::tenants::v1::tenant::Credentials;
use crate::check::Violations;

/// A field of a tenant that a caller can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    DisplayName,
    Portal,
    Plan,
    WebhookUserId,
    WebhookSecret,
    ClientId,
    ClientSecret,
    AuthorizationServer,
    ApplicationToken,
    AccessToken,
    AccessTokenExpireTime,
    RefreshToken,
}

/// How a field came to be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    /// As part of a message that is replaced as a whole. Secrets that the request leaves empty
    /// stay.
    Within,
    /// By itself. If it is empty in the request it is emptied.
    Named,
}

/// The fields that a request is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection(BTreeMap<Field, How>);

const TENANT: [Field; 3] = [Field::DisplayName, Field::Portal, Field::Plan];
const WEBHOOK: [Field; 2] = [Field::WebhookUserId, Field::WebhookSecret];
const APPLICATION: [Field; 7] = [
    Field::ClientId,
    Field::ClientSecret,
    Field::AuthorizationServer,
    Field::ApplicationToken,
    Field::AccessToken,
    Field::AccessTokenExpireTime,
    Field::RefreshToken,
];

/// Paths that a mask may name and that are ignored: output only fields, the name, and the etag.
const IGNORED: [&str; 19] = [
    "name",
    "etag",
    "state",
    "reauthorization",
    "reauthorization.cause",
    "reauthorization.occur_time",
    "member_id",
    "origin",
    "create_time",
    "create_time.seconds",
    "create_time.nanos",
    "update_time",
    "webhook.has_secret",
    "application.has_client_secret",
    "application.has_application_token",
    "application.has_access_token",
    "application.has_refresh_token",
    "application.scopes",
    "application.token_generation",
];

impl Field {
    /// The path of the field in a mask.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Portal => "portal",
            Self::Plan => "plan",
            Self::WebhookUserId => "webhook.user_id",
            Self::WebhookSecret => "webhook.secret",
            Self::ClientId => "application.client_id",
            Self::ClientSecret => "application.client_secret",
            Self::AuthorizationServer => "application.authorization_server",
            Self::ApplicationToken => "application.application_token",
            Self::AccessToken => "application.access_token",
            Self::AccessTokenExpireTime => "application.access_token_expire_time",
            Self::RefreshToken => "application.refresh_token",
        }
    }

    /// Its path in a request.
    pub(super) fn in_request(self) -> String {
        format!("tenant.{}", self.path())
    }

    fn by_itself(path: &str) -> Option<Self> {
        TENANT
            .into_iter()
            .chain(WEBHOOK)
            .chain(APPLICATION)
            .find(|field| field.path() == path)
    }
}

impl Selection {
    /// Every field, as for a tenant that is created.
    pub(super) fn everything() -> Self {
        let mut all = Self::default();
        all.replace_all();
        all
    }

    /// The fields of a change: those of the mask, or without one those that are not empty.
    pub(super) fn of(
        mask: Option<&FieldMask>,
        tenant: &Tenant,
        violations: &mut Violations,
    ) -> Self {
        match mask {
            Some(mask) if !mask.paths.is_empty() => Self::named(&mask.paths, violations),
            Some(_) | None => Self::populated(tenant),
        }
    }

    /// How a field was selected, if it was.
    pub(super) fn how(&self, field: Field) -> Option<How> {
        self.0.get(&field).copied()
    }

    /// How fields of a webhook were selected, if any was.
    pub(super) fn webhook(&self) -> Option<How> {
        WEBHOOK
            .into_iter()
            .filter_map(|field| self.how(field))
            .min()
    }

    /// How fields of an application were selected, if any was.
    pub(super) fn application(&self) -> Option<How> {
        APPLICATION
            .into_iter()
            .filter_map(|field| self.how(field))
            .min()
    }

    fn replace_all(&mut self) {
        self.replace(&TENANT);
        self.replace(&WEBHOOK);
        self.replace(&APPLICATION);
    }

    fn replace(&mut self, fields: &[Field]) {
        for field in fields {
            self.0.entry(*field).or_insert(How::Within);
        }
    }

    fn named(paths: &[String], violations: &mut Violations) -> Self {
        let mut selection = Self::default();
        for (index, path) in paths.iter().enumerate() {
            match path.as_str() {
                "*" => selection.replace_all(),
                "webhook" => selection.replace(&WEBHOOK),
                "application" => selection.replace(&APPLICATION),
                path if IGNORED.contains(&path) => {}
                path => match Field::by_itself(path) {
                    Some(field) => {
                        selection.0.insert(field, How::Named);
                    }
                    None => violations.add(
                        format!("update_mask.paths[{index}]"),
                        "UNKNOWN_FIELD",
                        format!(
                            "{} is no field of a tenant; the comment of update_mask lists them",
                            shown(path)
                        ),
                    ),
                },
            }
        }
        selection
    }

    fn populated(tenant: &Tenant) -> Self {
        let mut fields = vec![
            (Field::DisplayName, !tenant.display_name.is_empty()),
            (Field::Portal, !tenant.portal.is_empty()),
            (Field::Plan, tenant.plan.is_some()),
        ];
        match &tenant.credentials {
            None => {}
            Some(Credentials::Webhook(webhook)) => fields.extend([
                (Field::WebhookUserId, webhook.user_id != 0),
                (Field::WebhookSecret, !webhook.secret.is_empty()),
            ]),
            Some(Credentials::Application(application)) => fields.extend([
                (Field::ClientId, !application.client_id.is_empty()),
                (Field::ClientSecret, !application.client_secret.is_empty()),
                (
                    Field::AuthorizationServer,
                    !application.authorization_server.is_empty(),
                ),
                (
                    Field::ApplicationToken,
                    !application.application_token.is_empty(),
                ),
                (Field::AccessToken, !application.access_token.is_empty()),
                (
                    Field::AccessTokenExpireTime,
                    application.access_token_expire_time.is_some(),
                ),
                (Field::RefreshToken, !application.refresh_token.is_empty()),
            ]),
        }
        let populated = fields.into_iter().filter(|(_, populated)| *populated);
        Self(populated.map(|(field, _)| (field, How::Named)).collect())
    }
}

/// A path as it may be shown: what looks like no path could be a secret in the wrong place.
fn shown(path: &str) -> String {
    let is_path = path.len() <= 60
        && path
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_.".contains(&byte));
    if is_path {
        format!("`{path}`")
    } else {
        "(a text that is no path)".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openlines::tenants::v1::WebhookCredentials;

    fn named(paths: &[&str]) -> (Selection, Violations) {
        let mut violations = Violations::default();
        let mask = FieldMask {
            paths: paths.iter().map(ToString::to_string).collect(),
        };
        let selection = Selection::of(Some(&mask), &Tenant::default(), &mut violations);
        (selection, violations)
    }

    #[test]
    fn without_a_mask_what_is_not_empty_is_meant() {
        let tenant = Tenant {
            display_name: "Acme".to_owned(),
            credentials: Some(Credentials::Webhook(WebhookCredentials {
                secret: "x".to_owned(),
                ..Default::default()
            })),
            ..Default::default()
        };
        for mask in [None, Some(&FieldMask::default())] {
            let selection = Selection::of(mask, &tenant, &mut Violations::default());
            let fields: Vec<Field> = selection.0.keys().copied().collect();
            assert_eq!(fields, [Field::DisplayName, Field::WebhookSecret]);
        }
    }

    #[test]
    fn a_field_that_is_named_beside_its_message_is_emptied_like_any_named_one() {
        for paths in [
            ["application", "application.client_secret"],
            ["application.client_secret", "*"],
        ] {
            let (selection, violations) = named(&paths);
            assert!(violations.is_empty());
            assert_eq!(selection.how(Field::ClientSecret), Some(How::Named));
            assert_eq!(selection.how(Field::RefreshToken), Some(How::Within));
        }
    }

    #[test]
    fn fields_that_callers_cannot_set_are_ignored_and_unknown_ones_are_named() {
        let (selection, violations) = named(&["state", "etag", "webhook.has_secret"]);
        assert!(violations.is_empty() && selection.0.is_empty());
        let (_, violations) = named(&["portl", "portal", "credentials", "S3CR3T/canary"]);
        let fields: Vec<&str> = violations
            .kept()
            .iter()
            .map(|violation| violation.field.as_str())
            .collect();
        assert_eq!(
            fields,
            [
                "update_mask.paths[0]",
                "update_mask.paths[2]",
                "update_mask.paths[3]"
            ]
        );
        assert!(violations.kept()[0].description.contains("`portl`"));
        assert!(!format!("{violations:?}").contains("canary"));
    }
}
