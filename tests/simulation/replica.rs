//! A replica: the real service but for its sockets, with a line and a network that are played.

use std::sync::Arc;
use std::time::Duration;

use bitrix24::{AuthorizationServer, Client, ClientId, HostName, Policy, Suffix, TenantId};
use bitrix24_openlines::testing::auth::{Auth, Caller, Callers, Presented};
use bitrix24_openlines::testing::dispatch::ledger::Ledger;
use bitrix24_openlines::testing::dispatch::replica::{self, HeartbeatConfig};
use bitrix24_openlines::testing::dispatch::sharing::Sharing;
use bitrix24_openlines::testing::dispatch::{Dispatcher, Means, Options};
use bitrix24_openlines::testing::metrics::Metrics;
use bitrix24_openlines::testing::openlines::{NameRule, OpenLines, Rules};
use bitrix24_openlines::testing::tasks::Tasks;
use bitrix24_openlines::testing::tenant::{self, Applications, Directory, Judgement, PortalAccess};
use http::HeaderMap;
use jiff::Timestamp;
use pacing::OperatingKey;
use store::sealing::Keyring;
use store::simulation::Database;
use store::{Origin, Store, StoredApplication, StoredCredentials, StoredTenant};
use uuid::Uuid;

use crate::line::StoreLine;
use crate::network::{AUTHORIZATION, PORTAL, ReplicaNetwork};
use crate::portal::WEBHOOK_SECRET;
use crate::world::{Life, World};

/// The tenant with an application.
pub(crate) const APPLICATION: &str = "app";
/// The tenant with a webhook of the same portal.
pub(crate) const WEBHOOK: &str = "hook";

/// How long a request to the authorization server may take.
const AUTHORIZATION_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a request to the portal is waited for, whatever becomes of its callers.
pub(crate) const LONGEST_ANSWER: Duration = Duration::from_secs(61);

#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) life: Life,
    pub(crate) id: Uuid,
    pub(crate) service: Arc<OpenLines>,
}

impl Replica {
    /// As the service starts it. `None` if it was killed meanwhile or the database is away.
    pub(crate) async fn start(
        world: &Arc<World>,
        database: &Database,
        keyring: &Keyring,
        life: Life,
    ) -> Option<Self> {
        let line = StoreLine {
            world: Arc::clone(world),
            life: life.clone(),
        };
        let store = database.store(keyring.clone(), Arc::new(line)).unwrap();
        let network = ReplicaNetwork {
            world: Arc::clone(world),
            life: life.clone(),
        };
        let client = Client::simulated(Arc::new(network));
        let seen = tokio::select! {
            seen = store.last_change() => seen.ok()?,
            () = life.ended() => return None,
        };
        Some(Self::assemble(store, client, seen, life))
    }

    fn assemble(store: Store, client: Client, seen: i64, life: Life) -> Self {
        let metrics = Metrics::new().unwrap();
        let tasks = Tasks::default();
        let directory = Directory::new(store.clone(), judgement(), 1_000, metrics.clone());
        tasks.tracker().spawn(tenant::follow(
            directory.clone(),
            seen,
            metrics.clone(),
            |_changed| std::future::ready(Ok(())),
            tasks.stopped(),
        ));
        let replica = replica::Replica::new(&store, HeartbeatConfig::default(), &tasks);
        let sharing = store.budgets().zip(replica.living_changes());
        let sharing =
            sharing.map(|(budgets, living)| Sharing::start(budgets, replica.id(), living, &tasks));
        let lifetime = Duration::from_hours(24);
        let id = replica.id();
        let ledger = Ledger::new(store.clone(), replica, lifetime, metrics.clone(), &tasks);
        let access = PortalAccess::new(
            directory.clone(),
            store,
            client.clone(),
            AUTHORIZATION_TIMEOUT,
            tasks.tracker(),
            metrics.clone(),
        );
        let means = Means {
            client,
            access,
            ledger,
            sharing,
            metrics: metrics.clone(),
        };
        let (tracker, stopped) = (tasks.tracker(), tasks.stopped());
        let service = OpenLines {
            audits_sends: false,
            directory,
            rules: Rules {
                names: NameRule::Unchecked,
                maximum_messages: 100,
                maximum_text_characters: 20_000,
                maximum_attachment_bytes: 30_000,
                maximum_keyboard_bytes: 30_000,
            },
            dispatcher: Dispatcher::new(means, options(), 100, tracker, stopped),
            metrics,
        };
        Self {
            life,
            id,
            service: Arc::new(service),
        }
    }
}

/// The defaults of the settings.
fn options() -> Options {
    Options {
        maximum_waiting_calls: 20_000,
        maximum_waiting_calls_per_portal: 10_000,
        maximum_waiting_bytes: 256 * 1024 * 1024,
        parallel_requests_per_portal: 100,
        maximum_batch: 50,
        operating_key: OperatingKey::Portal,
        operating_limit: Some(Duration::from_secs(480)),
        longest_answer: LONGEST_ANSWER,
        weekly_guard: None,
    }
}

fn judgement() -> Judgement {
    let policy = Policy {
        allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
        authorization_servers: vec![HostName::parse(AUTHORIZATION).unwrap()],
        ..Policy::default()
    };
    Judgement {
        default_server: AuthorizationServer::parse(AUTHORIZATION, &policy).unwrap(),
        policy,
        applications: Applications::default(),
    }
}

/// The caller while authentication is off.
pub(crate) fn anybody() -> Caller {
    let (headers, peer) = (&HeaderMap::new(), None);
    let callers = Callers::new(&Auth::DangerousNone);
    callers.authenticate(&Presented { headers, peer }).unwrap()
}

/// Both tenants, as they are stored at the beginning.
pub(crate) fn tenants(first_token: Duration) -> [StoredTenant; 2] {
    let expires = Timestamp::now() + first_token;
    let application = StoredCredentials::Application(StoredApplication {
        client_id: Some(ClientId::parse("app.1234567890").unwrap()),
        client_secret: Some("clientsecret".into()),
        access_token: Some("access-1".into()),
        access_token_expires_at: Some(expires),
        refresh_token: Some("refresh-1".into()),
        ..StoredApplication::default()
    });
    let webhook = StoredCredentials::Webhook {
        user_id: 1,
        secret: WEBHOOK_SECRET.into(),
    };
    [(APPLICATION, application), (WEBHOOK, webhook)].map(|(id, credentials)| StoredTenant {
        id: TenantId::parse(id).unwrap(),
        display_name: String::new(),
        portal: PORTAL.to_owned(),
        member_id: None,
        plan: None,
        credentials,
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    })
}
