//! A replica of the service that can be killed: all of it but the listening socket, in a runtime of
//! its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bitrix24::{AuthorizationServer, Client, ClientId, Policy, TransportOptions};
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_server::OpenLinesService;
use bitrix24_openlines::testing::auth::{Auth, Caller, Callers, Presented};
use bitrix24_openlines::testing::dispatch::ledger::Ledger;
use bitrix24_openlines::testing::dispatch::replica::{self, HeartbeatConfig};
use bitrix24_openlines::testing::dispatch::{Dispatcher, Means, Options};
use bitrix24_openlines::testing::metrics::Metrics;
use bitrix24_openlines::testing::openlines::{NameRule, OpenLines, Rules};
use bitrix24_openlines::testing::tasks::Tasks;
use bitrix24_openlines::testing::tenant::{self, Applications, Directory, Judgement, PortalAccess};
use http::HeaderMap;
use jiff::Timestamp;
use pacing::OperatingKey;
use sandbox::demo;
use store::sealing::Keyring;
use store::{Access, Origin, StoredApplication, StoredCredentials, StoredTenant};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use super::Begun;
use crate::support::REFRESHABLE;
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, id};

/// What a caller that gives up leaves behind in place of an answer.
pub(super) const GIVEN_UP: &str = "the caller gave up";

/// How long an authorization server may take, in these schedules: longer than any fault delays it.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Replica {
    runtime: Option<Runtime>,
    service: Arc<OpenLines>,
}

impl Replica {
    /// Starts a replica. On SQLite it waits until a killed one has let go of the file.
    pub(super) async fn start(stores: &Stores, keyring: &Keyring, sandbox: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (url, keyring) = (stores.url().to_owned(), keyring.clone());
        let built = runtime.spawn(async move { Self::build(&url, &keyring, sandbox).await });
        let service = Arc::new(built.await.unwrap());
        Self {
            runtime: Some(runtime),
            service,
        }
    }

    async fn build(url: &str, keyring: &Keyring, sandbox: SocketAddr) -> OpenLines {
        let url = store::StoreUrl::parse(url).unwrap();
        let store = loop {
            match store::Store::open(&url, keyring.clone(), Access::Service).await {
                Ok(store) => break store,
                Err(store::OpenError::Taken(_)) => {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        let metrics = Metrics::new().unwrap();
        let judgement = judgement(sandbox);
        let seen = store.last_change().await.unwrap();
        let directory = Directory::new(store.clone(), judgement, 1000, metrics.clone());
        let stop = CancellationToken::new();
        tokio::spawn(tenant::follow(
            directory.clone(),
            seen,
            metrics.clone(),
            |_changed| std::future::ready(Ok(())),
            stop,
        ));
        let client = Client::new(TransportOptions {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(30),
            maximum_response_bytes: 1 << 20,
            ..TransportOptions::default()
        })
        .unwrap();
        let tasks = Tasks::default();
        let replica = replica::Replica::new(&store, HeartbeatConfig::default(), &tasks);
        let lifetime = Duration::from_secs(3600);
        let ledger = Ledger::new(store.clone(), replica, lifetime, metrics.clone(), &tasks);
        let access = PortalAccess::new(
            directory.clone(),
            store,
            client.clone(),
            TIMEOUT,
            tasks.tracker(),
            metrics.clone(),
        );
        OpenLines {
            audits_sends: false,
            directory,
            rules: Rules {
                names: NameRule::Unchecked,
                maximum_messages: 100,
                maximum_text_characters: 20_000,
                maximum_attachment_bytes: 30_000,
                maximum_keyboard_bytes: 30_000,
            },
            dispatcher: Dispatcher::new(
                Means {
                    client,
                    access,
                    ledger,
                    sharing: None,
                    metrics: metrics.clone(),
                },
                Options {
                    maximum_waiting_calls: 20_000,
                    maximum_waiting_calls_per_portal: 10_000,
                    maximum_waiting_bytes: 256 * 1024 * 1024,
                    parallel_requests_per_portal: 100,
                    maximum_batch: 50,
                    operating_key: OperatingKey::Portal,
                    operating_limit: Some(Duration::from_secs(480)),
                    longest_answer: Duration::from_secs(61),
                    weekly_guard: None,
                },
                100,
                tasks.tracker(),
                tasks.stopped(),
            ),
            metrics,
        }
    }

    /// Begins a call; its caller gives up after `patience`.
    pub(super) fn call(&self, text: String, patience: Option<Duration>) -> Begun {
        let message = api::SendCrmMessageRequest {
            tenant_id: REFRESHABLE.to_owned(),
            ..crm_message(&text)
        };
        let service = Arc::clone(&self.service);
        let runtime = self.runtime.as_ref().unwrap();
        let answer = runtime.spawn(async move {
            let mut request = Request::new(message);
            request.extensions_mut().insert(anybody());
            let call = service.send_crm_message(request);
            let Some(patience) = patience else {
                return call.await.map(|_| ());
            };
            match tokio::time::timeout(patience, call).await {
                Ok(answer) => answer.map(|_| ()),
                Err(_) => Err(Status::cancelled(GIVEN_UP)),
            }
        });
        Begun {
            text,
            answer,
            is_excused: false,
        }
    }
}

/// The caller while authentication is off.
fn anybody() -> Caller {
    let (headers, peer) = (&HeaderMap::new(), None);
    let callers = Callers::new(&Auth::DangerousNone);
    callers.authenticate(&Presented { headers, peer }).unwrap()
}

/// A crash, or the end of the test: everything that runs here ends where it waits.
impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn judgement(sandbox: SocketAddr) -> Judgement {
    let policy = Policy {
        dangerous_allow_insecure: true,
        ..Policy::default()
    };
    Judgement {
        default_server: AuthorizationServer::parse(&format!("http://{sandbox}"), &policy).unwrap(),
        policy,
        applications: Applications::default(),
    }
}

/// The tenant of all calls, with the first pair of the demonstration portal.
pub(super) fn tenant(sandbox: SocketAddr) -> StoredTenant {
    StoredTenant {
        id: id(REFRESHABLE),
        display_name: String::new(),
        portal: format!("http://{sandbox}"),
        member_id: None,
        plan: None,
        credentials: StoredCredentials::Application(StoredApplication {
            client_id: Some(ClientId::parse(demo::CLIENT_ID).unwrap()),
            client_secret: Some(demo::CLIENT_SECRET.into()),
            access_token: Some(demo::ACCESS_TOKEN.into()),
            refresh_token: Some(demo::REFRESH_TOKEN.into()),
            ..StoredApplication::default()
        }),
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}
