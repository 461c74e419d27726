//! What the command line says of a tenant.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use prost_types::FieldMask;

use super::{plan, secret};
use crate::api::openlines::tenants::v1::tenant::Credentials;
use crate::api::openlines::tenants::v1::{
    ApplicationCredentials, Plan, Tenant, WebhookCredentials,
};
use crate::cli::usage::Usage;

/// The fields of a tenant. Secrets are read from files; `-` is standard input.
#[derive(Debug, Args)]
pub(super) struct Entry {
    /// What people call the tenant.
    #[arg(long, value_name = "TEXT")]
    display_name: Option<String>,
    /// The portal's host name, like example.bitrix24.com.
    #[arg(long, value_name = "HOST")]
    portal: Option<String>,
    /// The portal's rate limit: standard, enterprise, unlimited, or BURST/PER_SECOND like 100/3.
    #[arg(long, value_name = "PLAN", value_parser = plan::parse)]
    plan: Option<Plan>,
    /// Webhook: the user in whose name it acts.
    #[arg(long, value_name = "ID", help_heading = "Webhook")]
    webhook_user_id: Option<i64>,
    /// Webhook: a file with its secret, the last part of its address.
    #[arg(long, value_name = "FILE", help_heading = "Webhook")]
    webhook_secret_file: Option<PathBuf>,
    /// Application: its id.
    #[arg(long, value_name = "ID", help_heading = "Application")]
    client_id: Option<String>,
    /// Application: a file with its secret, if it does not stand in the service's settings.
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    client_secret_file: Option<PathBuf>,
    /// Application: the host that grants its tokens.
    #[arg(long, value_name = "HOST", help_heading = "Application")]
    authorization_server: Option<String>,
    /// Application: a file with what proves the origin of the portal's events.
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    application_token_file: Option<PathBuf>,
    /// Application: a file with an access token.
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    access_token_file: Option<PathBuf>,
    /// Application: when that access token expires, like 2026-11-21T17:00:00Z.
    #[arg(
        long,
        value_name = "TIME",
        requires = "access_token_file",
        help_heading = "Application"
    )]
    access_token_expires: Option<Timestamp>,
    /// Application: a file with a refresh token.
    #[arg(long, value_name = "FILE", help_heading = "Application")]
    refresh_token_file: Option<PathBuf>,
}

/// A field that can be emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Cleared {
    DisplayName,
    Plan,
    ClientId,
    ClientSecret,
    AuthorizationServer,
    ApplicationToken,
    AccessToken,
    RefreshToken,
}

impl Cleared {
    fn is_of_application(self) -> bool {
        match self {
            Self::DisplayName | Self::Plan => false,
            Self::ClientId
            | Self::ClientSecret
            | Self::AuthorizationServer
            | Self::ApplicationToken
            | Self::AccessToken
            | Self::RefreshToken => true,
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::DisplayName => "display_name",
            Self::Plan => "plan",
            Self::ClientId => "application.client_id",
            Self::ClientSecret => "application.client_secret",
            Self::AuthorizationServer => "application.authorization_server",
            Self::ApplicationToken => "application.application_token",
            Self::AccessToken => "application.access_token",
            Self::RefreshToken => "application.refresh_token",
        }
    }
}

impl Entry {
    /// Reads the files. The mask names what was given and what is to be emptied.
    pub(super) fn read(self, cleared: &[Cleared]) -> Result<(Tenant, FieldMask), Usage> {
        let Self {
            display_name,
            portal,
            plan,
            webhook_user_id,
            webhook_secret_file,
            client_id,
            client_secret_file,
            authorization_server,
            application_token_file,
            access_token_file,
            access_token_expires,
            refresh_token_file,
        } = self;
        let mut given = Given::default();
        let tenant = Tenant {
            display_name: given.text("display_name", display_name),
            portal: given.text("portal", portal),
            plan: given.value("plan", plan),
            ..Tenant::default()
        };
        let before = given.paths.len();
        let webhook = WebhookCredentials {
            user_id: given
                .value("webhook.user_id", webhook_user_id)
                .unwrap_or_default(),
            secret: given.secret(
                "webhook.secret",
                "--webhook-secret-file",
                webhook_secret_file,
            )?,
            ..Default::default()
        };
        let has_webhook = given.paths.len() > before;
        let before = given.paths.len();
        let application = ApplicationCredentials {
            client_id: given.text("application.client_id", client_id),
            client_secret: given.secret(
                "application.client_secret",
                "--client-secret-file",
                client_secret_file,
            )?,
            authorization_server: given
                .text("application.authorization_server", authorization_server),
            application_token: given.secret(
                "application.application_token",
                "--application-token-file",
                application_token_file,
            )?,
            access_token: given.secret(
                "application.access_token",
                "--access-token-file",
                access_token_file,
            )?,
            access_token_expire_time: given
                .value("application.access_token_expire_time", access_token_expires)
                .map(|time| prost_types::Timestamp {
                    seconds: time.as_second(),
                    nanos: time.subsec_nanosecond(),
                }),
            refresh_token: given.secret(
                "application.refresh_token",
                "--refresh-token-file",
                refresh_token_file,
            )?,
            ..Default::default()
        };
        let clears_application = cleared.iter().any(|field| field.is_of_application());
        let has_application = given.paths.len() > before || clears_application;
        let credentials = match (has_webhook, has_application) {
            (true, true) => {
                let problem =
                    "a tenant has a webhook or an application; give options of one of the two";
                return Err(Usage(problem.to_owned()));
            }
            (true, false) => Some(Credentials::Webhook(webhook)),
            (false, true) => Some(Credentials::Application(application)),
            (false, false) => None,
        };
        for field in cleared {
            let path = field.path();
            if given.paths.contains(&path) {
                return Err(Usage(format!("--clear: {path} is given, too")));
            }
            given.paths.push(path);
        }
        let paths = given.paths.into_iter().map(str::to_owned).collect();
        let tenant = Tenant {
            credentials,
            ..tenant
        };
        Ok((tenant, FieldMask { paths }))
    }
}

/// The paths of what was given.
#[derive(Default)]
struct Given {
    paths: Vec<&'static str>,
}

impl Given {
    fn value<T>(&mut self, path: &'static str, value: Option<T>) -> Option<T> {
        if value.is_some() {
            self.paths.push(path);
        }
        value
    }

    fn text(&mut self, path: &'static str, text: Option<String>) -> String {
        self.value(path, text).unwrap_or_default()
    }

    fn secret(
        &mut self,
        path: &'static str,
        option: &str,
        file: Option<PathBuf>,
    ) -> Result<String, Usage> {
        match self.value(path, file) {
            None => Ok(String::new()),
            Some(file) => secret::read(option, &file),
        }
    }
}
