//! The refresh of access tokens: every outcome, on both stores, through the gRPC socket and against
//! the sandbox.

mod books;
mod estimates;
mod failures;
mod model;
mod processes;
mod store_trouble;
mod success;
mod trouble;

use std::fmt::Debug;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bitrix24::{AuthorizationServer, Client, ClientId, Policy, TransportOptions};
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Fault, FaultKind, Gate, Moment, Portal, Sandbox, demo};
use secrecy::SecretString;
use store::sealing::Key;
use store::{Access, Store, StoredApplication, StoredTenant};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::support::admin::free_address;
use crate::support::raw::{RawClient, SERVICE};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, change, id, keyring_of, keyring_text};
use crate::support::{REFRESHABLE, Service, refreshable, until};

/// A service on a store of the test, whose tenant [`REFRESHABLE`] has a pair of tokens that the
/// sandbox has granted.
pub(crate) struct Office {
    pub(crate) sandbox: Sandbox,
    pub(crate) service: Service,
    pub(crate) stores: Stores,
    /// The store beside the service.
    pub(crate) store: Store,
    /// The admin port of the service.
    pub(crate) admin: SocketAddr,
    key: Key,
    tenants: String,
}

/// What an office begins with beside the tenant [`REFRESHABLE`].
pub(crate) struct Opening<'a> {
    pub(crate) portals: Vec<Portal>,
    pub(crate) settings: &'a [(&'a str, &'a str)],
    /// More items of the tenants file, with `PORTAL` for the sandbox's address.
    pub(crate) more_tenants: &'a str,
}

impl Default for Opening<'_> {
    fn default() -> Self {
        Self {
            portals: vec![Portal::demo()],
            settings: &[],
            more_tenants: "",
        }
    }
}

impl Office {
    pub(crate) async fn open(stores: Stores) -> Self {
        Self::with_settings(stores, &[]).await
    }

    /// Its authorization server answers the next request when the gate opens. The service waits for
    /// it longer than other tests let it.
    pub(crate) async fn held(stores: Stores, moment: Moment) -> (Self, Gate) {
        let office = Self::with_settings(stores, &[("AUTHORIZATION_TIMEOUT_SECONDS", "15")]).await;
        let gate = Gate::closed();
        let held = FaultKind::Held(moment, gate.clone());
        office.sandbox.inject(Fault::once(held).for_oauth());
        (office, gate)
    }

    async fn with_settings(stores: Stores, settings: &[(&str, &str)]) -> Self {
        let opening = Opening {
            settings,
            ..Opening::default()
        };
        Self::begin(stores, opening).await
    }

    pub(crate) async fn begin(stores: Stores, opening: Opening<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, opening.portals).unwrap();
        let key = Key::generate().unwrap();
        let portal = sandbox.address().to_string();
        let tenants = format!(
            "tenants:\n{}{}",
            refreshable(REFRESHABLE),
            opening.more_tenants
        )
        .replace("PORTAL", &portal);
        let (service, admin, store) = loop {
            let admin = free_address();
            let admin_text = admin.to_string();
            let mut all = vec![("ADMIN_LISTEN", admin_text.as_str())];
            all.extend(opening.settings);
            let service = service(&sandbox, &stores, &key, &all, &tenants).await;
            // Another test may have taken the port meanwhile: then the next one.
            if let Some(store) = store_of(&service, &stores, &key).await {
                break (service, admin, store);
            }
        };
        Self {
            sandbox,
            service,
            stores,
            store,
            admin,
            key,
            tenants,
        }
    }

    /// Another replica: a second service on the same store.
    pub(crate) async fn replica(&self) -> Service {
        self.replica_at(self.stores.url()).await
    }

    /// The same, with another way to the store.
    pub(crate) async fn replica_at(&self, url: &str) -> Service {
        let settings = [("STORE_URL", url)];
        service(
            &self.sandbox,
            &self.stores,
            &self.key,
            &settings,
            &self.tenants,
        )
        .await
    }

    /// Calls one of the services for a tenant.
    pub(crate) async fn call_of(
        &self,
        service: &Service,
        tenant: &str,
        text: &str,
    ) -> Result<(), Status> {
        let mut client = service.client().await;
        let message = api::SendCrmMessageRequest {
            tenant_id: tenant.to_owned(),
            ..crm_message(text)
        };
        client
            .send_crm_message(service.request(message))
            .await
            .map(|_| ())
    }

    /// How many refreshes ended so, by the service's own count.
    async fn ended(&self, end: &str) -> u64 {
        self.counted(&format!("openlines_token_refreshes_total{{end=\"{end}\"}}"))
            .await
    }

    /// A sample of the service's metrics.
    async fn counted<T: FromStr<Err: Debug>>(&self, sample: &str) -> T {
        let metrics = reqwest::Client::builder()
            .build()
            .unwrap()
            .get(format!("http://{}/metrics", self.admin))
            .send()
            .await
            .unwrap();
        let text = metrics.text().await.unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(sample));
        value
            .unwrap_or_else(|| panic!("no {sample} in\n{text}"))
            .trim()
            .parse()
            .unwrap()
    }

    /// Calls with a deadline, through a client that has no clock of its own. What was sent is the
    /// text.
    pub(crate) async fn call_within(&self, text: &str, time: Duration) -> Result<(), Status> {
        let message = api::SendCrmMessageRequest {
            tenant_id: REFRESHABLE.to_owned(),
            ..crm_message(text)
        };
        let authorization = format!("Bearer {}", self.service.key.expose());
        let timeout = format!("{}m", time.as_millis());
        let headers = [
            ("authorization", &*authorization),
            ("grpc-timeout", &timeout),
        ];
        let client = RawClient::connect(self.service.address).await;
        let path = format!("{SERVICE}/SendCrmMessage");
        let status = client.call(&path, &headers, &message).await.status();
        if status.code() == Code::Ok {
            Ok(())
        } else {
            Err(status)
        }
    }

    pub(crate) async fn call(&self, text: &str) -> Result<(), Status> {
        self.call_within(text, Duration::from_secs(20)).await
    }

    /// Lets the tenant's token expire at the portal, without the service knowing.
    pub(crate) fn expire(&self) {
        assert!(
            self.sandbox
                .expire_current_token(demo::HOST, demo::CLIENT_ID)
        );
    }

    /// Lets the service know when the token expires.
    async fn expires_in(&self, seconds: i64) {
        let expires = Timestamp::now() + SignedDuration::from_secs(seconds);
        change(&self.store, REFRESHABLE, |tenant| {
            application(tenant).access_token_expires_at = Some(expires);
        })
        .await;
        self.told().await;
    }

    /// Waits until a failed refresh is tried again.
    async fn after_the_pause(&self) {
        tokio::time::sleep(Duration::from_millis(700)).await;
    }

    /// Takes the mark away, as new credentials do, and waits until the directory knows.
    async fn lift_the_mark(&self) {
        change(&self.store, REFRESHABLE, |tenant| {
            tenant.reauthorization = None
        })
        .await;
        self.told().await;
    }

    /// Waits until the directory has followed a change: it polls every second. The second poll that
    /// ends began after the change.
    pub(crate) async fn told(&self) {
        let polled = || self.counted::<f64>("openlines_directory_followed_timestamp_seconds");
        let limit = Instant::now() + Duration::from_secs(60);
        for _ in 0..2 {
            let before = polled().await;
            while polled().await == before {
                assert!(Instant::now() < limit, "the directory does not follow");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits until the authorization server has received so many token requests.
    pub(crate) async fn token_requests_have_come(&self, count: usize) {
        let have_come = || self.token_requests() >= count;
        until("the token requests have come", have_come).await;
    }

    pub(crate) async fn tenant(&self) -> StoredTenant {
        self.store.tenant(&id(REFRESHABLE)).await.unwrap().unwrap()
    }

    /// Refreshes as another replica does: at the authorization server, and then in the store.
    async fn refresh_past_the_service(&self) {
        let (access_token, refresh_token) = self.refresh_at_the_server().await;
        change(&self.store, REFRESHABLE, |tenant| {
            let application = application(tenant);
            application.access_token = Some(access_token.clone());
            application.refresh_token = Some(refresh_token.clone());
        })
        .await;
    }

    /// Uses the live refresh token up, and gives the new pair.
    async fn refresh_at_the_server(&self) -> (SecretString, SecretString) {
        let live = self
            .sandbox
            .current_pair(demo::HOST, demo::CLIENT_ID)
            .unwrap();
        let policy = Policy {
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        let server = format!("http://{}", self.sandbox.address());
        let server = AuthorizationServer::parse(&server, &policy).unwrap();
        let client = Client::new(TransportOptions {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(5),
            maximum_response_bytes: 100_000,
            ..TransportOptions::default()
        });
        let client_id = ClientId::parse(demo::CLIENT_ID).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let secret = SecretString::from(demo::CLIENT_SECRET);
        let tokens = client
            .unwrap()
            .refresh(&server, &client_id, &secret, &live.refresh_token, deadline)
            .await
            .unwrap();
        (tokens.access_token, tokens.refresh_token)
    }

    /// Why the tenant is marked, if it is.
    pub(crate) async fn mark(&self) -> Option<String> {
        self.tenant().await.reauthorization.map(|mark| mark.cause)
    }

    pub(crate) fn refreshes(&self) -> usize {
        self.sandbox.record().refreshes()
    }

    /// How many token requests came, whatever became of them.
    fn token_requests(&self) -> usize {
        let record = self.sandbox.record();
        let requests = record.entries.iter().filter(|entry| entry.grant.is_some());
        requests.count()
    }

    /// Whether the stored pair is the one that works at the portal.
    pub(crate) async fn has_the_live_pair(&self) -> bool {
        books::has_the_live_pair(&self.sandbox, &self.store).await
    }
}

/// The store beside a service that has made its tables and taken the tenants file over. `None` if
/// the service has ended.
async fn store_of(service: &Service, stores: &Stores, key: &Key) -> Option<Store> {
    let keyring = keyring_of(&[key]);
    while !service.has_ended() {
        let opened = stores.try_open(&keyring, Access::Maintenance).await;
        if let Ok(store) = opened
            && let Ok(Some(_)) = store.tenant(&id(REFRESHABLE)).await
        {
            return Some(store);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    None
}

/// Starts a service on the store.
async fn service(
    sandbox: &Sandbox,
    stores: &Stores,
    key: &Key,
    settings: &[(&str, &str)],
    tenants: &str,
) -> Service {
    let keyring = keyring_text(&[key]);
    let server = format!("http://{}", sandbox.address());
    let mut all = vec![
        ("STORE_URL", stores.url()),
        ("STORE_KEYRING", keyring.as_str()),
        ("AUTHORIZATION_DEFAULT_SERVER", server.as_str()),
        ("AUTHORIZATION_TIMEOUT_SECONDS", "1"),
    ];
    all.extend(settings);
    let caller_key = NewKey::generate().unwrap();
    let auth = format!(
        "auth:\n  callers:\n  - {{name: tests, tenants: ['*'], manages_tenants: true, keys: ['{}']}}\n",
        caller_key.entry()
    );
    Service::with_auth(caller_key, &auth, &all, tenants).await
}

fn application(tenant: &mut StoredTenant) -> &mut StoredApplication {
    crate::support::stores::application_of(tenant)
}
