//! `openlines tenants`: manages the tenants of a running service, as a client of its TenantService.

mod connection;
mod entry;
mod import;
mod output;
mod plan;
mod refusal;
mod secret;

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use self::connection::{Client, Connection};
pub(super) use self::connection::{Key, key};
use self::entry::{Cleared, Entry};
use self::output::Output;
use super::Failure;
use super::usage::Usage;
use crate::api::openlines::tenants::v1::tenant::State;
use crate::api::openlines::tenants::v1::verify_tenant_response::Verdict;
use crate::api::openlines::tenants::v1::{
    CreateTenantRequest, DeleteTenantRequest, DisableTenantRequest, EnableTenantRequest,
    GetTenantRequest, ListTenantsRequest, ListTenantsResponse, Tenant, UpdateTenantRequest,
    VerifyTenantRequest,
};

/// Tenants that are asked for at once.
const PAGE: i32 = 1000;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    connection: Connection,
    /// How the answer is written.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORM",
        default_value = "text"
    )]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Enter a new tenant. Its credentials are tried only by `verify`.
    Create {
        /// The id: 1 to 63 lower-case letters, digits, `.`, `_` and `-`.
        id: String,
        #[command(flatten)]
        entry: Entry,
    },
    /// Enter the tenants of a file that is written like the tenants file. Those that exist stay as
    /// they are. Unlike the tenants file it is read once, by this command and not by the service.
    Import {
        /// The file. Its secrets may come from the environment and from files of this command.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Show a tenant, without its secrets.
    Get {
        /// The tenant.
        id: String,
    },
    /// List the tenants that you manage.
    List {
        /// Only tenants in this state.
        #[arg(long, value_enum, value_name = "STATE")]
        state: Option<ShownState>,
        /// Only tenants of the portal with this address.
        #[arg(long, value_name = "HOST", default_value = "")]
        portal: String,
    },
    /// Change a tenant: what is given is set, the rest stays.
    Update {
        /// The tenant.
        id: String,
        #[command(flatten)]
        entry: Entry,
        /// A field to be emptied; may be given several times.
        #[arg(long, value_enum, value_name = "FIELD")]
        clear: Vec<Cleared>,
        #[command(flatten)]
        version: Version,
    },
    /// Switch a tenant off: its calls are refused, its credentials are kept.
    Disable(Named),
    /// Switch a tenant on again.
    Enable(Named),
    /// Remove a tenant with its secrets.
    Delete(Named),
    /// Try a tenant's credentials, without any effect on its portal. Fails if they do not work.
    Verify {
        /// The tenant.
        id: String,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// The tenant.
    id: String,
    #[command(flatten)]
    version: Version,
}

#[derive(Debug, Args)]
struct Version {
    /// The version to change, as `get` shows it. If the tenant has changed since, nothing is done.
    #[arg(long, value_name = "ETAG", default_value = "")]
    etag: String,
}

/// The states that a list can be narrowed to.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShownState {
    Active,
    Disabled,
    ReauthorizationRequired,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        connection,
        output,
        command,
    } = arguments;
    // Errors of the command line are reported before the service is called.
    let command = Prepared::of(command)?;
    let mut client = connection.open().await?;
    let done = command.run(&mut client, output).await;
    done.map_err(|failure| match failure.downcast::<tonic::Status>() {
        Ok(status) => refusal::of(&status, output),
        Err(failure) => failure,
    })
}

/// A command whose files have been read.
enum Prepared {
    Create(CreateTenantRequest),
    Import(Vec<CreateTenantRequest>),
    Get(GetTenantRequest),
    List(ListTenantsRequest),
    Update(UpdateTenantRequest),
    Disable(DisableTenantRequest),
    Enable(EnableTenantRequest),
    Delete(DeleteTenantRequest),
    Verify(VerifyTenantRequest),
}

impl Prepared {
    fn of(command: Command) -> Result<Self, Failure> {
        Ok(match command {
            Command::Create { id, entry } => {
                let (tenant, _) = entry.read(&[])?;
                let tenant_id = id.strip_prefix("tenants/").unwrap_or(&id).to_owned();
                Self::Create(CreateTenantRequest {
                    tenant_id,
                    tenant: Some(tenant),
                })
            }
            Command::Import { file } => Self::Import(import::read(&file)?),
            Command::Get { id } => Self::Get(GetTenantRequest { name: name(&id) }),
            Command::List { state, portal } => Self::List(ListTenantsRequest {
                page_size: PAGE,
                page_token: String::new(),
                state: state.map_or(State::Unspecified, State::from).into(),
                portal,
            }),
            Command::Update {
                id,
                entry,
                clear,
                version,
            } => {
                let (tenant, mask) = entry.read(&clear)?;
                if mask.paths.is_empty() {
                    let problem =
                        "nothing to change: give at least one option of the tenant, or --clear";
                    return Err(Usage(problem.to_owned()).into());
                }
                Self::Update(UpdateTenantRequest {
                    tenant: Some(Tenant {
                        name: name(&id),
                        etag: version.etag,
                        ..tenant
                    }),
                    update_mask: Some(mask),
                })
            }
            Command::Disable(Named { id, version }) => Self::Disable(DisableTenantRequest {
                name: name(&id),
                etag: version.etag,
            }),
            Command::Enable(Named { id, version }) => Self::Enable(EnableTenantRequest {
                name: name(&id),
                etag: version.etag,
            }),
            Command::Delete(Named { id, version }) => Self::Delete(DeleteTenantRequest {
                name: name(&id),
                etag: version.etag,
            }),
            Command::Verify { id } => Self::Verify(VerifyTenantRequest { name: name(&id) }),
        })
    }

    async fn run(self, client: &mut Client, output: Output) -> Result<(), Failure> {
        match self {
            Self::Create(request) => {
                let created = client.create_tenant(request).await?.into_inner();
                output.tenant(created.tenant.unwrap_or_default())
            }
            Self::Import(requests) => import::run(requests, client, output).await,
            Self::Get(request) => {
                let found = client.get_tenant(request).await?.into_inner();
                output.tenant(found.tenant.unwrap_or_default())
            }
            Self::List(request) => output.tenants(&every_page(client, request).await?),
            Self::Update(request) => {
                let updated = client.update_tenant(request).await?.into_inner();
                output.tenant(updated.tenant.unwrap_or_default())
            }
            Self::Disable(request) => {
                let disabled = client.disable_tenant(request).await?.into_inner();
                output.tenant(disabled.tenant.unwrap_or_default())
            }
            Self::Enable(request) => {
                let enabled = client.enable_tenant(request).await?.into_inner();
                output.tenant(enabled.tenant.unwrap_or_default())
            }
            Self::Delete(request) => {
                let name = request.name.clone();
                let deleted = client.delete_tenant(request).await?.into_inner();
                output.deleted(&name, &deleted)
            }
            Self::Verify(request) => {
                let verified = client.verify_tenant(request).await?.into_inner();
                output.verification(&verified)?;
                if verified.verdict() == Verdict::Working {
                    Ok(())
                } else {
                    Err("the credentials do not work".into())
                }
            }
        }
    }
}

/// All pages of a list as one.
async fn every_page(
    client: &mut Client,
    mut request: ListTenantsRequest,
) -> Result<ListTenantsResponse, Failure> {
    let mut all = ListTenantsResponse::default();
    loop {
        let page = client.list_tenants(request.clone()).await?.into_inner();
        all.tenants.extend(page.tenants);
        all.unreachable.extend(page.unreachable);
        if page.next_page_token.is_empty() {
            return Ok(all);
        }
        request.page_token = page.next_page_token;
    }
}

/// The name of a tenant that is given by its id or its name.
fn name(id: &str) -> String {
    format!("tenants/{}", id.strip_prefix("tenants/").unwrap_or(id))
}

impl From<ShownState> for State {
    fn from(state: ShownState) -> Self {
        match state {
            ShownState::Active => Self::Active,
            ShownState::Disabled => Self::Disabled,
            ShownState::ReauthorizationRequired => Self::ReauthorizationRequired,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::Cli;

    /// The words of a command line as a shell would split them, as far as the manual needs it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
        for character in line.chars() {
            match character {
                '"' => quoted = !quoted,
                ' ' if !quoted => words.push(std::mem::take(&mut word)),
                other => word.push(other),
            }
        }
        words.push(word);
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn the_commands_of_the_manual_are_commands() {
        let manual = include_str!("../../docs/tenants.md").replace("\\\n", " ");
        let commands: Vec<&str> = manual
            .lines()
            .filter(|line| line.starts_with("openlines tenants "))
            .collect();
        assert!(commands.len() >= 10, "{commands:?}");
        for command in commands {
            if let Err(fault) = Cli::try_parse_from(words(command)) {
                panic!("{command}: {fault}");
            }
        }
    }
}
