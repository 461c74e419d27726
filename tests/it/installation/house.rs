//! The end point of installations with a store behind it and a sandbox in front.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24::TenantId;
use bitrix24::{Client, ClientId, Policy, TransportOptions};
use bitrix24_openlines::testing::install::{
    self, EventResult, InstallationEndpoint, Limits, Retries,
};
use bitrix24_openlines::testing::metrics::Metrics;
use bitrix24_openlines::testing::tenant::{Application, ApplicationName, Applications};
use jiff::Timestamp;
use sandbox::{Application as Defined, Event, EventKind, Portal, Sandbox, User, demo};
use store::{Keyring, Reauthorization, Store, StoredTenant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::stores::{self, Stores};

/// The demonstration application, as the operator calls it.
pub(super) const APPLICATION: &str = "chat";
/// Another application.
pub(super) const SECOND: &str = "crm";
pub(super) const SECOND_ID: &str = "local.5a6d0b0c8e1f27.10000002";
/// A second portal of the sandbox, on which nothing is installed.
pub(super) const OTHER_PORTAL: &str = "other.bitrix24.test";

pub(super) struct House {
    pub(super) sandbox: Sandbox,
    pub(super) address: SocketAddr,
    pub(super) store: Store,
    metrics: Metrics,
    pub(super) client: reqwest::Client,
    stop: CancellationToken,
    task: JoinHandle<()>,
    ends: InstallationEndpoint,
    keyring: Keyring,
    stores: Stores,
}

/// An event of the demonstration application.
pub(super) fn install() -> Event {
    Event::new(EventKind::AppInstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID)
}

pub(super) fn uninstall() -> Event {
    Event::new(EventKind::AppUninstall, "http://127.0.0.1:1/").of(demo::CLIENT_ID)
}

pub(super) fn member_id(host: &str) -> String {
    Portal::empty(host).member_id
}

fn portals() -> Vec<Portal> {
    let mut demo = Portal::demo();
    let first = demo.applications[0].clone();
    demo.applications.push(Defined {
        client_id: SECOND_ID.to_owned(),
        application_token: "5a6d0b0c8e1f275000000000000other".into(),
        grants: Vec::new(),
        ..first
    });
    let owner = User {
        id: demo::OWNER,
        active: true,
        crm_access: true,
    };
    vec![
        demo,
        Portal {
            users: vec![owner],
            ..Portal::empty(OTHER_PORTAL)
        },
    ]
}

fn applications() -> Applications {
    let application = |(name, id)| Application {
        name: ApplicationName::parse(name).unwrap(),
        client_id: ClientId::parse(id).unwrap(),
        client_secret: demo::CLIENT_SECRET.into(),
    };
    Applications::new(
        [(APPLICATION, demo::CLIENT_ID), (SECOND, SECOND_ID)]
            .map(application)
            .into(),
    )
}

/// Posts a form as Bitrix24 does, and gives the status.
pub(super) async fn post(client: &reqwest::Client, handler: &str, form: &str) -> u16 {
    let request = client.post(handler).body(form.to_owned());
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.send().await.unwrap().status().as_u16()
}

/// A client with this address of the machine, as one of another network.
pub(super) fn client_at(address: &str) -> reqwest::Client {
    let address: std::net::IpAddr = address.parse().unwrap();
    let client = reqwest::Client::builder().no_proxy().local_address(address);
    client.build().unwrap()
}

async fn serve(
    ends: &InstallationEndpoint,
    stop: &CancellationToken,
) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = stop.clone().cancelled_owned();
    let serving = install::serve(listener, ends.clone(), stop);
    (address, tokio::spawn(serving))
}

impl House {
    pub(super) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    /// With other settings.
    pub(super) async fn with(change: impl FnOnce(&mut InstallationEndpoint)) -> Self {
        Self::on(Stores::sqlite(), change).await
    }

    /// With another store.
    pub(super) async fn on(stores: Stores, change: impl FnOnce(&mut InstallationEndpoint)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, portals()).unwrap();
        let keyring = stores::keyring();
        let store = stores.open(&keyring).await;
        let metrics = Metrics::new().unwrap();
        let client = Client::new(TransportOptions {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(30),
            maximum_response_bytes: 1_000_000,
            ..TransportOptions::default()
        });
        let mut ends = InstallationEndpoint {
            applications: applications(),
            store: store.clone(),
            client: client.unwrap(),
            policy: Policy {
                dangerous_allow_insecure: true,
                ..Policy::default()
            },
            metrics: metrics.clone(),
            timeout: Duration::from_secs(10),
            connection_age: Duration::from_secs(15),
            retries: Retries {
                first: Duration::from_millis(10),
                longest: Duration::from_millis(40),
                total: Duration::from_secs(20),
            },
            limits: Limits {
                in_all: 6000,
                of_one_source: 6000,
            },
            trusted_proxies: Vec::new(),
        };
        change(&mut ends);
        let stop = CancellationToken::new();
        let (address, task) = serve(&ends, &stop).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self {
            sandbox,
            address,
            store,
            metrics,
            client,
            stop,
            task,
            ends,
            keyring,
            stores,
        }
    }

    /// Ends the process, and starts another one with a connection of its own to the database.
    pub(super) async fn restart(&mut self) {
        self.close().await;
        // On SQLite the file is free only when nobody has it.
        let elsewhere = Stores::sqlite();
        let nothing = elsewhere.open(&self.keyring).await;
        self.ends.store = nothing.clone();
        self.store = nothing;
        self.store = self.stores.open(&self.keyring).await;
        self.ends.store = self.store.clone();
        self.stop = CancellationToken::new();
        (self.address, self.task) = serve(&self.ends, &self.stop).await;
    }

    /// The events from now on go to another replica, or where there can be none, to the process
    /// after a restart.
    pub(super) async fn go_on_elsewhere(&mut self) {
        if !self.stores.is_shared() {
            return self.restart().await;
        }
        self.store = self.stores.open(&self.keyring).await;
        self.ends.store = self.store.clone();
        let (address, task) = serve(&self.ends, &self.stop).await;
        self.address = address;
        let before = std::mem::replace(&mut self.task, task);
        // It goes on until the end of the house, like this one.
        drop(before);
    }

    /// The address that an application has given to Bitrix24.
    pub(super) fn handler(&self, application: &str) -> String {
        format!("http://{}/bitrix24/events/{application}", self.address)
    }

    /// Lets an event happen on a portal, and gives what its handler would get.
    pub(super) fn form(&self, host: &str, event: Event) -> String {
        self.sandbox.event_form(host, &event).unwrap()
    }

    /// Posts a form as Bitrix24 does, and gives the status.
    pub(super) async fn post(&self, application: &str, form: &str) -> u16 {
        post(&self.client, &self.handler(application), form).await
    }

    /// Lets an event happen on a portal and posts it.
    pub(super) async fn send(&self, application: &str, host: &str, event: Event) -> u16 {
        let form = self.form(host, event);
        self.post(application, &form).await
    }

    /// How often events have come to this.
    pub(super) fn count(&self, event: &str, outcome: EventResult) -> u64 {
        let text = self.metrics.text().unwrap();
        let result = outcome.as_str();
        let start =
            format!("openlines_installations_total{{event=\"{event}\",result=\"{result}\"}} ");
        let count = text.lines().find_map(|line| line.strip_prefix(&start));
        count.map_or(0, |count| count.parse().unwrap())
    }

    /// Waits until so many events have come to this.
    pub(super) async fn comes_to(&self, event: &str, outcome: EventResult, count: u64) {
        let patience = Instant::now() + Duration::from_secs(20);
        while self.count(event, outcome) < count {
            let text = self.metrics.text().unwrap();
            assert!(
                Instant::now() < patience,
                "{event} {outcome:?} {count}\n{text}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.count(event, outcome), count, "{event} {outcome:?}");
    }

    pub(super) async fn tenants(&self) -> Vec<StoredTenant> {
        let tenants = self.store.tenants(None, 100).await.unwrap();
        tenants.into_iter().map(Result::unwrap).collect()
    }

    pub(super) async fn only_tenant(&self) -> StoredTenant {
        let mut tenants = self.tenants().await;
        assert_eq!(tenants.len(), 1, "{tenants:?}");
        tenants.remove(0)
    }

    /// Marks a tenant as one that waits for a person, and disables it.
    pub(super) async fn marked_and_disabled(&self, id: &TenantId) {
        let marked = self.store.modify(id, |tenant| {
            tenant.disabled = true;
            tenant.reauthorization = Some(Reauthorization {
                cause: "invalid_grant".to_owned(),
                since: Timestamp::now(),
            });
            Ok::<(), ()>(())
        });
        marked.await.unwrap();
    }

    /// How often the authorization server was asked whose a token is.
    pub(super) fn questions(&self) -> usize {
        let entries = self.sandbox.record().entries;
        entries
            .iter()
            .filter(|entry| entry.method == "app.info")
            .count()
    }

    /// Stops the end point, and waits until it has ended.
    pub(super) async fn close(&mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}
