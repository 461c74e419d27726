//! `openlines tenants import`: enters the tenants of a file of the form of the tenants file.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};

use super::connection::Client;
use super::output::Output;
use super::{plan, refusal};
use crate::api::openlines::tenants::v1::plan::Limit;
use crate::api::openlines::tenants::v1::tenant::Credentials;
use crate::api::openlines::tenants::v1::{
    ApplicationCredentials, CreateTenantRequest, Intensity, Plan, Tenant, WebhookCredentials,
};
use crate::cli::Failure;
use crate::cli::progress::{Progress, grouped};
use crate::error::code_name;
use crate::settings::{Document, Environment, Fields, Node, SettingErrors};
use crate::tenant::{Alphabet, file_keys, read_secret};

/// Codes that do not say that this tenant is refused.
const OF_ALL: [&str; 4] = [
    "UNAUTHENTICATED",
    "UNAVAILABLE",
    "UNIMPLEMENTED",
    "DEADLINE_EXCEEDED",
];

/// Reads the file and its secrets, all of it before the service is called.
///
/// # Errors
///
/// All errors of the file. What only the service knows, such as the portals that it may call, it
/// says of each tenant.
pub(super) fn read(path: &Path) -> Result<Vec<CreateTenantRequest>, SettingErrors> {
    let document = Document::read(path, "tenants file")?;
    let mut reading = Reading {
        environment: Environment::of_process().with_world_readable_files(true),
        errors: SettingErrors::default(),
    };
    let root = document.root().fields(&["tenants"], &mut reading.errors);
    let list = root.and_then(|root| root.required("tenants", &mut reading.errors));
    let items = list.and_then(|list| list.items(&mut reading.errors));
    let items = items.unwrap_or_default();
    let tenants: Vec<_> = items
        .iter()
        .filter_map(|item| reading.tenant(item))
        .collect();
    if reading.errors.is_empty() {
        Ok(tenants)
    } else {
        Err(reading.errors)
    }
}

/// Creates the tenants one after the other. Those that exist stay as they are.
pub(super) async fn run(
    requests: Vec<CreateTenantRequest>,
    client: &mut Client,
    output: Output,
) -> Result<(), Failure> {
    let all = u64::try_from(requests.len()).unwrap_or(u64::MAX);
    let mut progress = Progress::of("tenants imported");
    let (mut created, mut present) = (0_u64, 0_u64);
    let mut refused = Vec::new();
    for (done, request) in (1_u64..).zip(requests) {
        let id = request.tenant_id.clone();
        match client.create_tenant(request).await {
            Ok(_) => created += 1,
            Err(status) if code_name(status.code()) == "ALREADY_EXISTS" => present += 1,
            // None of the rest would fare better.
            Err(status) if OF_ALL.contains(&code_name(status.code())) => return Err(status.into()),
            Err(status) => refused.push(format!("{id}: {}", refusal::of(&status, output))),
        }
        progress.tell(done, all);
    }
    drop(progress);
    let failed = u64::try_from(refused.len()).unwrap_or(u64::MAX);
    output.imported(created, present, failed)?;
    if refused.is_empty() {
        return Ok(());
    }
    let text = format!(
        "{} tenants were refused:\n{}",
        grouped(failed),
        refused.join("\n")
    );
    Err(text.into())
}

/// One pass over the file.
struct Reading {
    environment: Environment,
    errors: SettingErrors,
}

impl Reading {
    fn tenant(&mut self, item: &Node<'_>) -> Option<CreateTenantRequest> {
        let fields = item.fields(&file_keys::ENTRY, &mut self.errors)?;
        let id = fields.required("id", &mut self.errors);
        let tenant_id = id.and_then(|node| node.text(&mut self.errors));
        let portal = fields.required("portal", &mut self.errors);
        let portal = portal.and_then(|node| node.text(&mut self.errors));
        let display_name = self.text(&fields, "display_name");
        let plan = fields.optional("plan").map(|node| self.plan(&node));
        let (kind, node) = fields.exactly_one(&["webhook", "application"], &mut self.errors)?;
        let credentials = match kind {
            "webhook" => self.webhook(&node).map(Credentials::Webhook),
            _ => self.application(&node).map(Credentials::Application),
        };
        Some(CreateTenantRequest {
            tenant_id: tenant_id?.to_owned(),
            tenant: Some(Tenant {
                display_name,
                portal: portal?.to_owned(),
                plan: plan.flatten(),
                credentials: Some(credentials?),
                ..Tenant::default()
            }),
        })
    }

    fn plan(&mut self, node: &Node<'_>) -> Option<Plan> {
        if !node.is_mapping() {
            let text = node.text(&mut self.errors)?;
            let plan = plan::parse(text);
            return plan
                .map_err(|problem| self.errors.push(node.error("is not a plan", problem)))
                .ok();
        }
        let fields = node.fields(&["burst", "per_second"], &mut self.errors)?;
        let burst = fields.required("burst", &mut self.errors);
        let burst = burst.and_then(|node| node.whole(1, &mut self.errors));
        let per_second = fields.required("per_second", &mut self.errors);
        let per_second = per_second.and_then(|node| node.number(&mut self.errors));
        let own = Intensity {
            burst: i32::try_from(burst?).unwrap_or(i32::MAX),
            per_second: per_second?,
        };
        Some(Plan {
            limit: Some(Limit::Own(own)),
        })
    }

    fn webhook(&mut self, node: &Node<'_>) -> Option<WebhookCredentials> {
        let fields = node.fields(&file_keys::WEBHOOK, &mut self.errors)?;
        let user_id = fields.required("user_id", &mut self.errors);
        let user_id = user_id.and_then(|node| node.whole(1, &mut self.errors));
        let secret = fields.required("secret", &mut self.errors);
        let secret = secret.and_then(|node| self.secret(&node, Alphabet::LettersAndDigits));
        Some(WebhookCredentials {
            user_id: i64::try_from(user_id?).unwrap_or(i64::MAX),
            secret: secret?.expose_secret().to_owned(),
            ..Default::default()
        })
    }

    /// The service learns the portal's own id by itself, so `member_id` may stand there and is left
    /// out.
    fn application(&mut self, node: &Node<'_>) -> Option<ApplicationCredentials> {
        let fields = node.fields(&file_keys::APPLICATION, &mut self.errors)?;
        let client_id = self.text(&fields, "client_id");
        let authorization_server = self.text(&fields, "authorization_server");
        let before = self.errors.len();
        let mut secret = |key| {
            let node = fields.optional(key);
            let secret = node.and_then(|node| self.secret(&node, Alphabet::Visible));
            secret
                .map(|secret| secret.expose_secret().to_owned())
                .unwrap_or_default()
        };
        let application = ApplicationCredentials {
            client_secret: secret("client_secret"),
            access_token: secret("access_token"),
            refresh_token: secret("refresh_token"),
            application_token: secret("application_token"),
            client_id,
            authorization_server,
            ..Default::default()
        };
        (self.errors.len() == before).then_some(application)
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> String {
        let node = fields.optional(key);
        let text = node.and_then(|node| node.text(&mut self.errors));
        text.unwrap_or_default().to_owned()
    }

    fn secret(&mut self, node: &Node<'_>, alphabet: Alphabet) -> Option<SecretString> {
        let mut variables = BTreeSet::new();
        read_secret(
            node,
            alphabet,
            &self.environment,
            &mut variables,
            &mut self.errors,
        )
    }
}
