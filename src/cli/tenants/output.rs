//! What the commands write.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use jiff::Timestamp;
use prost::{Message, Name};

use super::plan;
use crate::api::json;
use crate::api::openlines::tenants::v1::tenant::{Credentials, Origin, State};
use crate::api::openlines::tenants::v1::verify_tenant_response::Verdict;
use crate::api::openlines::tenants::v1::{
    ApplicationCredentials, DeleteTenantResponse, ListTenantsResponse, Tenant, VerifyTenantResponse,
};
use crate::cli::Failure;
use crate::cli::progress::grouped;

/// The form of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Text,
    /// The answer in Protobuf's JSON form.
    Json,
}

impl Output {
    pub(super) fn tenant(self, tenant: Tenant) -> Result<(), Failure> {
        match self {
            Self::Json => write_json(&tenant),
            Self::Text => write(&lines(&tenant)),
        }
    }

    pub(super) fn tenants(self, list: &ListTenantsResponse) -> Result<(), Failure> {
        match self {
            Self::Json => write_json(list),
            Self::Text => {
                let mut text = table(&list.tenants);
                for name in &list.unreachable {
                    let _ = writeln!(
                        text,
                        "{} cannot be shown: the service lacks the key of its secrets.",
                        id(name)
                    );
                }
                write(&text)
            }
        }
    }

    pub(super) fn deleted(self, name: &str, answer: &DeleteTenantResponse) -> Result<(), Failure> {
        match self {
            Self::Json => write_json(answer),
            Self::Text => write(&format!("{} is deleted.\n", id(name))),
        }
    }

    pub(super) fn imported(self, created: u64, present: u64, refused: u64) -> Result<(), Failure> {
        match self {
            Self::Json => {
                let counts = serde_json::json!({
                    "created": created,
                    "present": present,
                    "refused": refused,
                });
                write(&format!("{counts}\n"))
            }
            Self::Text => {
                let [created, present, refused] = [created, present, refused].map(grouped);
                write(&format!(
                    "{created} tenants were created, {present} were there already, {refused} were refused.\n"
                ))
            }
        }
    }

    pub(super) fn verification(self, verified: &VerifyTenantResponse) -> Result<(), Failure> {
        if self == Self::Json {
            return write_json(verified);
        }
        let verdict = match verified.verdict() {
            Verdict::Unspecified => "unknown",
            Verdict::Working => "working",
            Verdict::Refused => "refused",
            Verdict::Mismatched => "mismatched",
            Verdict::Unanswered => "unanswered",
            Verdict::Unusable => "unusable",
        };
        let mut text = format!("{verdict}: {}\n", verified.explanation);
        for finding in &verified.findings {
            let _ = writeln!(text, "  {}: {}", finding.field, finding.description);
        }
        if !verified.scopes.is_empty() {
            let _ = writeln!(text, "  permissions: {}", verified.scopes.join(", "));
        }
        write(&text)
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    Ok(output.flush()?)
}

fn write_json<M: Message + Name>(message: &M) -> Result<(), Failure> {
    write(&format!("{}\n", json::of_message(message)?))
}

/// One line for each tenant, in columns.
fn table(tenants: &[Tenant]) -> String {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(["ID", "STATE", "PORTAL", "CREDENTIALS", "ORIGIN", "NAME"])
        .add_rows(tenants.iter().map(|tenant| {
            [
                id(&tenant.name),
                state(tenant),
                &tenant.portal,
                kind(tenant),
                origin(tenant),
                &tenant.display_name,
            ]
        }));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    format!("{}\n", table.trim_fmt())
}

/// One line for each field.
fn lines(tenant: &Tenant) -> String {
    let mut lines = vec![
        ("id", id(&tenant.name).to_owned()),
        ("name", tenant.display_name.clone()),
        ("state", state(tenant).to_owned()),
        ("portal", tenant.portal.clone()),
        ("member id", tenant.member_id.clone()),
        (
            "plan",
            tenant.plan.as_ref().map(plan::shown).unwrap_or_default(),
        ),
        ("credentials", kind(tenant).to_owned()),
    ];
    match &tenant.credentials {
        None => {}
        Some(Credentials::Webhook(webhook)) => {
            lines.push(("user", webhook.user_id.to_string()));
        }
        Some(Credentials::Application(application)) => lines.extend(of_application(application)),
    }
    if let Some(required) = &tenant.reauthorization {
        let since = required.occur_time.as_ref().map(time).unwrap_or_default();
        lines.push((
            "reauthorization",
            format!("required since {since}: {}", required.cause),
        ));
    }
    lines.extend([
        ("origin", origin(tenant).to_owned()),
        (
            "created",
            tenant.create_time.as_ref().map(time).unwrap_or_default(),
        ),
        (
            "changed",
            tenant.update_time.as_ref().map(time).unwrap_or_default(),
        ),
        ("etag", tenant.etag.clone()),
    ]);
    let mut text = String::new();
    for (title, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{title:16}{value}");
    }
    text
}

fn of_application(application: &ApplicationCredentials) -> Vec<(&'static str, String)> {
    let has = |there: bool| if there { "yes" } else { "no" };
    let access_token = match &application.access_token_expire_time {
        _ if !application.has_access_token => "no".to_owned(),
        None => "yes".to_owned(),
        Some(expiry) => format!("yes, until {}", time(expiry)),
    };
    vec![
        ("client id", application.client_id.clone()),
        (
            "client secret",
            has(application.has_client_secret).to_owned(),
        ),
        ("tokens from", application.authorization_server.clone()),
        ("access token", access_token),
        (
            "refresh token",
            has(application.has_refresh_token).to_owned(),
        ),
        (
            "event token",
            has(application.has_application_token).to_owned(),
        ),
        ("permissions", application.scopes.join(", ")),
    ]
}

fn id(name: &str) -> &str {
    name.strip_prefix("tenants/").unwrap_or(name)
}

fn state(tenant: &Tenant) -> &'static str {
    match tenant.state() {
        State::Unspecified => "unknown",
        State::Active => "active",
        State::Disabled => "disabled",
        State::ReauthorizationRequired => "reauthorization-required",
    }
}

fn origin(tenant: &Tenant) -> &'static str {
    match tenant.origin() {
        Origin::Unspecified => "unknown",
        Origin::File => "file",
        Origin::Api => "api",
        Origin::Installation => "installation",
    }
}

fn kind(tenant: &Tenant) -> &'static str {
    match &tenant.credentials {
        None => "none",
        Some(Credentials::Webhook(_)) => "webhook",
        Some(Credentials::Application(_)) => "application",
    }
}

/// A time in seconds; more would only be hard to read.
fn time(time: &prost_types::Timestamp) -> String {
    Timestamp::from_second(time.seconds).map_or_else(|_| "?".to_owned(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_column_for_each_fact() {
        let tenant = |name: &str, portal: &str| Tenant {
            name: name.to_owned(),
            portal: portal.to_owned(),
            state: State::Active.into(),
            origin: Origin::Api.into(),
            ..Default::default()
        };
        let shown = table(&[
            tenant("tenants/a", "long-name.bitrix24.com"),
            tenant("tenants/longer", "b.bitrix24.de"),
        ]);
        assert_eq!(
            shown,
            "ID      STATE   PORTAL                  CREDENTIALS  ORIGIN  NAME\n\
             a       active  long-name.bitrix24.com  none         api\n\
             longer  active  b.bitrix24.de           none         api\n"
        );
    }
}
