//! A service whose network messages are guarded, and its portal.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Portal, Sandbox, demo};
use secrecy::ExposeSecret;
use store::sealing::Key;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::support::admin::free_address;
use crate::support::requests::network_message;
use crate::support::stores::Stores;
use crate::support::{APPLICATION, Service, Told, World, tenants};

/// The tenant of another portal.
pub(super) const ELSEWHERE: &str = "elsewhere";

/// A service with a sandbox portal, and a tenant of another one, on a store.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) other_portal: Sandbox,
    pub(super) stores: Stores,
    /// The admin port.
    pub(super) admin: SocketAddr,
    keyring: String,
}

pub(super) type Answer = Result<api::SendNetworkMessageResponse, Status>;

impl Site {
    pub(super) async fn start(stores: Stores, guard: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other_portal = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let keyring = Key::generate().unwrap().expose();
        let keyring = keyring.expose_secret().to_owned();
        let tenants = all_tenants(&sandbox, &other_portal);
        let admin = free_address();
        let settings = settings(stores.url(), &keyring, guard, admin);
        let service = Service::start(&borrowed(&settings), &tenants).await;
        Self {
            world: World { sandbox, service },
            other_portal,
            stores,
            admin,
            keyring,
        }
    }

    /// Stops the service, and starts another one on the same store.
    pub(super) async fn restart(self, guard: &str) -> Self {
        let World {
            sandbox,
            mut service,
        } = self.world;
        service.stop();
        service.stopped().await.unwrap();
        let tenants = all_tenants(&sandbox, &self.other_portal);
        let settings = settings(self.stores.url(), &self.keyring, guard, self.admin);
        let service = Service::start(&borrowed(&settings), &tenants).await;
        Self {
            world: World { sandbox, service },
            ..self
        }
    }

    /// Another replica, with the same portals.
    pub(super) async fn replica(&self, guard: &str) -> Service {
        let tenants = all_tenants(&self.world.sandbox, &self.other_portal);
        let admin = free_address();
        let settings = settings(self.stores.url(), &self.keyring, guard, admin);
        Service::start(&borrowed(&settings), &tenants).await
    }

    pub(super) async fn send(&self, message: api::SendNetworkMessageRequest) -> Answer {
        self.world.send(message).await
    }

    /// How many requests have come to the portal.
    pub(super) fn requests(&self) -> usize {
        self.world.sandbox.record().entries.len()
    }

    /// Sends a message to the usual recipient, and another one, which the portal refuses itself.
    /// From then on the guard knows both.
    pub(super) async fn teach(&self) {
        self.send(network_message("first")).await.unwrap();
        // The record's time may be late by what the statement took, and the next one must be later.
        let past =
            "SELECT subject FROM weekly_limits, clock WHERE accepted_at < now_milliseconds - 5";
        self.until_texts(past, 1).await;
        refused_by_the_portal(self.send(network_message("second")).await);
        self.until_texts("SELECT subject FROM weekly_limits", 2)
            .await;
        let refused = "SELECT subject FROM weekly_limits WHERE refused_at > accepted_at";
        self.until_texts(refused, 1).await;
    }

    /// That a message is refused without a request.
    pub(super) async fn is_guarded(&self, message: api::SendNetworkMessageRequest) -> Status {
        let before = self.requests();
        let status = refused_by_the_guard(self.send(message).await);
        assert_eq!(self.requests(), before);
        status
    }

    /// That a message is sent, and the portal refuses it.
    pub(super) async fn is_sent_and_refused(&self, message: api::SendNetworkMessageRequest) {
        let before = self.requests();
        refused_by_the_portal(self.send(message).await);
        assert_eq!(self.requests(), before + 1);
    }

    /// Waits until a query finds so many rows: records are written behind the answers.
    pub(super) async fn until_texts(&self, query: &str, count: usize) {
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.stores.texts(query).await;
            if found.len() == count {
                return;
            }
            assert!(Instant::now() < limit, "{query}: {found:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Lets so much time pass, for the records and for the portal.
    pub(super) async fn pass(&self, hours: i64) {
        let past = hours * 3_600_000;
        let statement = format!(
            "UPDATE weekly_limits SET accepted_at = accepted_at - {past}, refused_at = refused_at - {past}, \
             expires_at = expires_at - {past}"
        );
        self.stores.execute(&statement).await;
        let by = Duration::from_hours(hours.try_into().unwrap());
        self.world.sandbox.advance_clock(by);
    }
}

/// To another user than the usual one.
pub(super) fn to_member(text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        user_id: demo::MEMBER,
        ..network_message(text)
    }
}

/// By another tenant of the same portal.
pub(super) fn by_application(text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        tenant_id: APPLICATION.to_owned(),
        ..network_message(text)
    }
}

/// To the same user of another portal.
pub(super) fn elsewhere(text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        tenant_id: ELSEWHERE.to_owned(),
        ..network_message(text)
    }
}

#[track_caller]
pub(super) fn refused_by_the_guard(answer: Answer) -> Status {
    refused_by("facade", answer)
}

#[track_caller]
pub(super) fn refused_by_the_portal(answer: Answer) -> Status {
    refused_by("bitrix24", answer)
}

#[track_caller]
fn refused_by(source: &str, answer: Answer) -> Status {
    let status = answer.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(status.reason(), "RECIPIENT_WEEKLY_LIMIT");
    assert_eq!(status.outcome(), "not_executed");
    let found = status.metadata_value("errorSource");
    assert_eq!(found.as_deref(), Some(source), "{status:?}");
    status
}

fn all_tenants(sandbox: &Sandbox, other: &Sandbox) -> String {
    let elsewhere = format!(
        "- {{id: {ELSEWHERE}, portal: 'http://{portal}', \
         webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}}}}\n",
        portal = other.address(),
        user = demo::OWNER,
        secret = demo::WEBHOOK_SECRET,
    );
    tenants(sandbox.address()) + &elsewhere
}

type Settings = Vec<(&'static str, String)>;

fn settings(url: &str, keyring: &str, guard: &str, admin: SocketAddr) -> Settings {
    vec![
        ("STORE_URL", url.to_owned()),
        ("STORE_KEYRING", keyring.to_owned()),
        ("DISPATCH_WEEKLY_GUARD", guard.to_owned()),
        ("ADMIN_LISTEN", admin.to_string()),
    ]
}

fn borrowed(settings: &Settings) -> Vec<(&str, &str)> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}
