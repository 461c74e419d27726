//! Installation without hands, from the click of a portal's administrator to a call through gRPC.

use std::net::SocketAddr;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Event, EventKind, Portal, Sandbox, demo};
use secrecy::ExposeSecret;
use std::time::Duration;
use store::sealing::Key;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::support::admin::free_address;
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Service, Told, caller};

on_both_stores!(
    a_portal_that_installs_the_application_can_be_used,
    a_portal_that_removes_it_is_refused_until_it_is_installed_again,
    a_removal_that_keeps_the_settings_is_refused_although_the_token_is_valid,
    a_granted_pair_of_an_installation_is_refreshed,
);

/// The application's name in the settings.
const NAME: &str = "chat";
/// How long it may take from the click to the first call.
const SOON: Duration = Duration::from_secs(4);

/// A service without any tenant, to which applications announce themselves.
struct Lobby {
    sandbox: Sandbox,
    service: Service,
    handler: String,
    _stores: Stores,
}

impl Lobby {
    async fn open(stores: Stores) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let server = format!("http://{}", sandbox.address());
        let entrance: SocketAddr = free_address();
        let key = NewKey::generate().unwrap();
        let settings = format!(
            "{}applications:\n- {{name: {NAME}, client_id: {}, client_secret: {{inline: '{}'}}}}\n",
            caller(&key),
            demo::CLIENT_ID,
            demo::CLIENT_SECRET
        );
        let keyring = Key::generate().unwrap().expose();
        let variables = [
            ("STORE_URL", stores.url()),
            ("STORE_KEYRING", keyring.expose_secret()),
            ("AUTHORIZATION_DEFAULT_SERVER", server.as_str()),
            ("INSTALLATION_LISTEN", &*entrance.to_string()),
        ];
        let service = Service::with_auth(key, &settings, &variables, "tenants: []\n").await;
        let lobby = Self {
            sandbox,
            service,
            handler: format!("http://{entrance}/bitrix24/events/{NAME}"),
            _stores: stores,
        };
        // A call is answered only when everything has started.
        assert_eq!(lobby.call("too early").await, "TENANT_NOT_PERMITTED");
        lobby
    }

    fn tenant() -> String {
        format!("{NAME}.{}", Portal::demo().member_id)
    }

    async fn install(&self) {
        let clicked = self
            .sandbox
            .install(demo::HOST, demo::CLIENT_ID, &self.handler);
        assert_eq!(clicked.await.unwrap(), 200);
    }

    /// What a call comes to.
    async fn call(&self, text: &str) -> String {
        let mut client = self.service.client().await;
        let message = api::SendCrmMessageRequest {
            tenant_id: Self::tenant(),
            ..crm_message(text)
        };
        let answer = client.send_crm_message(self.service.request(message)).await;
        answer.map_or_else(|status| status.reason(), |_| "OK".to_owned())
    }

    /// Calls until that comes to this.
    async fn soon(&self, expected: &str) {
        let begun = Instant::now();
        loop {
            let answer = self.call("Hello").await;
            if answer == expected {
                return;
            }
            assert!(begun.elapsed() < SOON, "{answer} in place of {expected}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn a_portal_that_installs_the_application_can_be_used(stores: Stores) {
    let lobby = Lobby::open(stores).await;
    lobby.install().await;
    lobby.soon("OK").await;
    assert_eq!(lobby.sandbox.record().times_delivered("Hello"), 1);
    // A method that needs an application, as only an installation gives it.
    let mut message = connector_messages(vec![connector_message("1", "by connector")]);
    message.tenant_id = Lobby::tenant();
    let mut client = lobby.service.client().await;
    let sent = client.send_connector_messages(lobby.service.request(message));
    sent.await.unwrap();
    let record = lobby.sandbox.record();
    assert_eq!(record.times_delivered("by connector"), 1);
}

async fn a_portal_that_removes_it_is_refused_until_it_is_installed_again(stores: Stores) {
    let lobby = Lobby::open(stores).await;
    lobby.install().await;
    lobby.soon("OK").await;
    for renews_application_token in [false, true] {
        let removed = lobby
            .sandbox
            .uninstall(demo::HOST, demo::CLIENT_ID, &lobby.handler);
        assert_eq!(removed.await.unwrap(), 200);
        lobby.soon("REAUTHORIZATION_REQUIRED").await;
        // It stays so.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert_eq!(lobby.call("removed").await, "REAUTHORIZATION_REQUIRED");
        let again = Event {
            renews_application_token,
            ..Event::new(EventKind::AppInstall, &*lobby.handler).of(demo::CLIENT_ID)
        };
        let clicked = lobby.sandbox.send_event(demo::HOST, &again).await;
        assert_eq!(clicked.unwrap(), 200);
        lobby.soon("OK").await;
    }
    assert_eq!(lobby.sandbox.record().times_delivered("removed"), 0);
}

async fn a_removal_that_keeps_the_settings_is_refused_although_the_token_is_valid(stores: Stores) {
    let lobby = Lobby::open(stores).await;
    lobby.install().await;
    lobby.soon("OK").await;
    let kept = Event::new(EventKind::AppUninstall, &*lobby.handler)
        .of(demo::CLIENT_ID)
        .with("data[CLEAN]", Some("0"));
    // The sandbox's own token stays valid: only the event says that the application is gone.
    let form = lobby.sandbox.event_form(demo::HOST, &kept).unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = client.post(&lobby.handler).body(form);
    let post = post.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(post.send().await.unwrap().status().as_u16(), 200);
    lobby.soon("REAUTHORIZATION_REQUIRED").await;
    assert_eq!(lobby.call("removed").await, "REAUTHORIZATION_REQUIRED");
    assert_eq!(lobby.sandbox.record().times_delivered("removed"), 0);
    lobby.install().await;
    lobby.soon("OK").await;
}

async fn a_granted_pair_of_an_installation_is_refreshed(stores: Stores) {
    let lobby = Lobby::open(stores).await;
    lobby.install().await;
    lobby.soon("OK").await;
    for _ in 0..3 {
        assert!(
            lobby
                .sandbox
                .expire_current_token(demo::HOST, demo::CLIENT_ID)
        );
        assert_eq!(lobby.call("refreshed").await, "OK");
    }
    let record = lobby.sandbox.record();
    assert_eq!(
        (record.refreshes(), record.times_delivered("refreshed")),
        (3, 3)
    );
}
