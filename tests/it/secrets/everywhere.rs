//! A search for every secret in everything that the program writes: its output at the finest, its
//! metrics, its answers, its store.

mod deeds;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use prost::Message;
use sandbox::{AccessToken, Application, Event, Grant, Portal, Sandbox, Webhook, demo};
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use super::haystack::Haystack;
use super::shown;
use crate::support::admin::{free_address, metrics};
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Told, with_key};

on_both_stores!(no_secret_is_anywhere);

const WEBHOOK_SECRET: &str = "canary0webhook0of0the0portal";
const CLIENT_SECRET: &str = "canary.client.secret.of.the.app";
const ACCESS_TOKEN: &str = "canary.first.access.token";
const REFRESH_TOKEN: &str = "canary.first.refresh.token";
const APPLICATION_TOKEN: &str = "canary.first.application.token";
/// What a caller of the tenant service enters.
const ENTERED: [(&str, &str); 5] = [
    ("entered webhook secret", "canary0entered0webhook0secret"),
    ("entered client secret", "canary.entered.client.secret"),
    ("entered access token", "canary.entered.access.token"),
    ("entered refresh token", "canary.entered.refresh.token"),
    (
        "entered application token",
        "canary.entered.application.token",
    ),
];
/// What stands where no secret should.
const MISPLACED: &str = "canary/misplaced secret!";
const FILE: &str = "from-file";

/// The demonstration portal with secrets of our own.
fn portal() -> Portal {
    let demo = Portal::demo();
    let application = Application {
        client_secret: CLIENT_SECRET.into(),
        application_token: APPLICATION_TOKEN.into(),
        grants: vec![Grant {
            access_token: ACCESS_TOKEN.into(),
            refresh_token: REFRESH_TOKEN.into(),
            user_id: demo::OWNER,
        }],
        ..demo.applications[0].clone()
    };
    Portal {
        applications: vec![application],
        webhooks: vec![Webhook {
            secret: WEBHOOK_SECRET.into(),
            ..demo.webhooks[0].clone()
        }],
        tokens: vec![AccessToken {
            token: ACCESS_TOKEN.into(),
            ..demo.tokens[0].clone()
        }],
        ..demo
    }
}

/// The real program with a portal, and all that was seen and all that nobody should see.
struct Search {
    sandbox: Sandbox,
    files: Files,
    stores: Stores,
    key: NewKey,
    channel: Channel,
    address: SocketAddr,
    admin: SocketAddr,
    handler: String,
    haystack: Haystack,
    secrets: BTreeMap<String, String>,
}

impl Search {
    async fn begin(stores: Stores) -> (Self, Process) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![portal()]).unwrap();
        let key = NewKey::generate().unwrap();
        let (admin, entrance) = (free_address(), free_address());
        let portal = sandbox.address();
        let settings = format!(
            "auth:\n  callers:\n  - {{name: tests, tenants: ['*'], manages_tenants: true, keys: ['{}']}}\n\
             server: {{listen: '127.0.0.1:0', drain_seconds: 2, reflection: true, default_deadline_seconds: 5}}\n\
             admin: {{listen: '{admin}'}}\n\
             installation: {{listen: '{entrance}'}}\n\
             authorization: {{default_server: 'http://{portal}', timeout_seconds: 1}}\n\
             applications:\n- {{name: chat, client_id: {}, client_secret: {{inline: '{CLIENT_SECRET}'}}}}\n",
            key.entry(),
            demo::CLIENT_ID,
        );
        let tenants = format!(
            "tenants:\n\
             - {{id: hook, portal: 'http://{portal}', webhook: {{user_id: 1, secret: {{inline: '{WEBHOOK_SECRET}'}}}}}}\n\
             - id: {FILE}\n  portal: 'http://{portal}'\n  application:\n    client_id: {}\n\
             \x20   client_secret: {{inline: '{CLIENT_SECRET}'}}\n    access_token: {{inline: '{ACCESS_TOKEN}'}}\n\
             \x20   refresh_token: {{inline: '{REFRESH_TOKEN}'}}\n    application_token: {{inline: '{APPLICATION_TOKEN}'}}\n",
            demo::CLIENT_ID,
        );
        let files = Files::write(&settings, &tenants);
        let mut command = openlines(&["serve", "--config", files.settings().to_str().unwrap()]);
        command.env("OPENLINES_STORE_URL", stores.url());
        command
            .env("OPENLINES_LOG_FILTER", "trace")
            .env("RUST_BACKTRACE", "1");
        let process = Process::start(command);
        let address = process.address().await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let mut search = Self {
            sandbox,
            files,
            stores,
            key,
            channel,
            address,
            admin,
            handler: format!("http://{entrance}/bitrix24/events/chat"),
            haystack: Haystack::default(),
            secrets: BTreeMap::new(),
        };
        search.know_the_first_secrets();
        (search, process)
    }

    fn know_the_first_secrets(&mut self) {
        for (name, secret) in [
            ("webhook secret", WEBHOOK_SECRET),
            ("client secret", CLIENT_SECRET),
            ("first access token", ACCESS_TOKEN),
            ("first refresh token", REFRESH_TOKEN),
            ("first application token", APPLICATION_TOKEN),
            ("misplaced secret", MISPLACED),
        ]
        .into_iter()
        .chain(ENTERED)
        {
            self.secrets.insert(name.to_owned(), secret.to_owned());
        }
        let (_, key) = self.key.expose().rsplit_once('_').unwrap();
        self.secrets.insert("API key".to_owned(), key.to_owned());
        let keyring = std::fs::read_to_string(self.folder().join("keyring")).unwrap();
        let (_, key) = keyring.trim().rsplit_once('_').unwrap();
        self.secrets
            .insert("sealing key".to_owned(), key.to_owned());
        if let Some((credentials, _)) = self.stores.url().rsplit_once('@') {
            let (_, password) = credentials.rsplit_once(':').unwrap();
            self.secrets
                .insert("password of the store".to_owned(), password.to_owned());
        }
    }

    fn folder(&self) -> std::path::PathBuf {
        self.files.settings().parent().unwrap().to_owned()
    }

    /// Takes up the tokens that the sandbox has granted meanwhile.
    fn know_granted_tokens(&mut self) {
        for (number, pair) in self
            .sandbox
            .pairs(demo::HOST, demo::CLIENT_ID)
            .iter()
            .enumerate()
        {
            for (name, token) in [
                ("access", &pair.access_token),
                ("refresh", &pair.refresh_token),
            ] {
                let token = token.expose_secret().to_owned();
                if !self.secrets.values().any(|known| *known == token) {
                    let name = format!("granted {name} token {} {number}", self.secrets.len());
                    self.secrets.insert(name, token);
                }
            }
        }
    }

    /// Lets an event happen, learns its secrets, and sends it to the service.
    async fn event(&mut self, event: &Event) -> u16 {
        let form = self.sandbox.event_form(demo::HOST, event).unwrap();
        for (name, value) in form_urlencoded::parse(form.as_bytes()) {
            let is_secret = [
                "auth[access_token]",
                "auth[refresh_token]",
                "auth[application_token]",
            ]
            .contains(&&*name);
            if is_secret && !value.is_empty() {
                let name = format!("{name} of event {}", self.secrets.len());
                self.secrets.insert(name, value.into_owned());
            }
        }
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = client.post(&self.handler).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        let status = answer.status();
        self.haystack
            .add("an answer to an event", &answer.bytes().await.unwrap());
        status.as_u16()
    }

    /// Takes up what came over gRPC, and gives the reason of a refusal.
    fn note<T: Message + Debug>(
        &mut self,
        place: &str,
        answer: &Result<Response<T>, Status>,
    ) -> String {
        match answer {
            Ok(response) => {
                self.haystack
                    .add(place, &response.get_ref().encode_to_vec());
                let seen = format!("{:?} {:?}", response.metadata(), response.get_ref());
                self.haystack.add(place, seen.as_bytes());
                "OK".to_owned()
            }
            Err(status) => {
                self.haystack.add(place, status.details());
                self.haystack.add(place, shown(status).as_bytes());
                status.reason()
            }
        }
    }

    async fn call(&mut self, tenant: &str) -> String {
        let mut client = OpenLinesServiceClient::new(self.channel.clone());
        let message = api::SendCrmMessageRequest {
            tenant_id: tenant.to_owned(),
            ..crm_message("Hello")
        };
        let answer = client
            .send_crm_message(with_key(message, self.key.expose()))
            .await;
        let reason = self.note("an answer to a call", &answer);
        self.know_granted_tokens();
        reason
    }

    async fn soon(&mut self, tenant: &str, expected: &str) {
        let begun = Instant::now();
        loop {
            let answer = self.call(tenant).await;
            if answer == expected {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{answer} in place of {expected}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn expire(&self) {
        assert!(
            self.sandbox
                .expire_current_token(demo::HOST, demo::CLIENT_ID)
        );
    }

    async fn metrics(&mut self) {
        let page = metrics(self.admin).await;
        assert!(page.contains("openlines_token_refreshes_total"));
        self.haystack.add("the metrics", page.as_bytes());
    }

    /// The SQLite file with all beside it, or a dump of the PostgreSQL database.
    async fn store(&mut self) {
        if let Some(file) = self.stores.file() {
            let mut found = 0;
            for entry in std::fs::read_dir(file.parent().unwrap()).unwrap() {
                let path = entry.unwrap().path();
                let place = path.file_name().unwrap().to_string_lossy().into_owned();
                self.haystack.add(&place, &std::fs::read(path).unwrap());
                found += 1;
            }
            assert!(found >= 2, "the log of the database is not there");
            return;
        }
        let rows = "SELECT t::text FROM tenants t";
        let rows = self.stores.texts(rows).await.join("\n");
        assert!(rows.contains(FILE));
        self.haystack
            .add("the rows of the database", rows.as_bytes());
        if Path::new("/usr/bin/pg_dump").exists() {
            for form in ["--inserts", "--format=custom", "--format=plain"] {
                let dump = Command::new("pg_dump")
                    .args([form, "--compress=0", self.stores.url()])
                    .output()
                    .unwrap();
                assert!(dump.status.success(), "{dump:?}");
                self.haystack.add("a dump of the database", &dump.stdout);
            }
        }
    }
}

async fn no_secret_is_anywhere(stores: Stores) {
    let (mut search, process) = Search::begin(stores).await;
    for tenant in ["hook", FILE] {
        assert_eq!(search.call(tenant).await, "OK");
    }
    search.install().await;
    search.refresh().await;
    search.echo().await;
    search.change_the_address().await;
    search.store().await;
    search.manage().await;
    search.command_lines();
    search.metrics().await;
    search.know_granted_tokens();

    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success(), "{log}");
    assert!(log.contains("\"level\":\"TRACE\"") || log.contains("\"level\":\"DEBUG\""));
    for line in [
        "portal_moved",
        "reauthorization_required",
        "uninstalled",
        "access refreshed",
    ] {
        assert!(log.contains(line), "{line} did not happen");
    }
    search
        .haystack
        .add("the output of the service", log.as_bytes());
    search.store().await;
    assert!(search.secrets.len() > 40, "{:?}", search.secrets.keys());
    let (places, size) = (search.haystack.places(), search.haystack.size());
    assert!(places > 100 && size > 100_000, "{places} {size}");
    // What is no secret is found, so the search does search.
    let known = [
        ("member id", Portal::demo().member_id),
        ("client id", demo::CLIENT_ID.to_owned()),
    ];
    for (name, known) in known.map(|(name, known)| (name.to_owned(), known)) {
        let found = search.haystack.find(&BTreeMap::from([(name, known)]));
        assert!(found.len() > 2, "{found:?}");
    }
    let found = search.haystack.find(&search.secrets);
    assert!(
        found.is_empty(),
        "{} found:\n{}",
        found.len(),
        found.join("\n")
    );
}
