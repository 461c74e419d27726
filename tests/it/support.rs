//! A service with a sandbox portal behind it, and a client in front.

pub(crate) mod admin;
#[path = "../../crates/store/tests/it/support/calls.rs"]
pub(crate) mod calls;
pub(crate) mod certificate;
pub(crate) mod conversations;
pub(crate) mod cutter;
pub(crate) mod deployment;
mod fate;
pub(crate) mod forward_proxy;
pub(crate) mod frames;
mod free_address;
#[expect(dead_code, reason = "tests of the client use the rest")]
pub(crate) mod http2_portal;
pub(crate) mod key_server;
pub(crate) mod log;
pub(crate) mod portal;
pub(crate) mod process;
#[path = "../../crates/store/tests/it/support/proxy.rs"]
pub(crate) mod proxy;
pub(crate) mod raw;
pub(crate) mod requests;
pub(crate) mod signer;
#[path = "../../crates/store/tests/it/support/stores.rs"]
pub(crate) mod stores;
mod told;

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::app::{self, AppError};
use bitrix24_openlines::testing::auth::NewKey;
use bitrix24_openlines::testing::stop::Stop;
use bitrix24_openlines::testing::tasks::Tasks;
use bitrix24_openlines::testing::{app::Config, settings::Environment};
use sandbox::{Portal, Sandbox, demo};
use secrecy::ExposeSecret;
use store::sealing::Key;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

pub(crate) use fate::Fate;
pub(crate) use told::Told;

/// The tenant with application credentials for the sandbox.
pub(crate) const APPLICATION: &str = "app";
/// The usual id of the tenant whose token can be refreshed.
pub(crate) const REFRESHABLE: &str = "refreshable";
/// The tenant with a webhook of the sandbox.
pub(crate) const WEBHOOK: &str = "hook";

/// A service, with the sandbox portal that its tenants point to.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) service: Service,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_settings(&[]).await
    }

    /// With settings by their environment variables, without the prefix `OPENLINES_`.
    pub(crate) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        Self::with_tenants(settings, "").await
    }

    /// With more tenants: items of the list in the tenants file, with `PORTAL` for the sandbox's
    /// address.
    pub(crate) async fn with_tenants(settings: &[(&str, &str)], more_tenants: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let more_tenants = more_tenants.replace("PORTAL", &sandbox.address().to_string());
        let tenants = tenants(sandbox.address()) + &more_tenants;
        let server = (
            "AUTHORIZATION_DEFAULT_SERVER",
            &*format!("http://{}", sandbox.address()),
        );
        let settings: Vec<(&str, &str)> = [server]
            .into_iter()
            .chain(settings.iter().copied())
            .collect();
        let service = Service::start(&settings, &tenants).await;
        Self { sandbox, service }
    }

    pub(crate) async fn client(&self) -> OpenLinesServiceClient<Channel> {
        self.service.client().await
    }

    /// A request with the API key that may act for every tenant.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        self.service.request(message)
    }
}

/// A tenants file with an application and a webhook of the portal at this address.
pub(crate) fn tenants(portal: SocketAddr) -> String {
    tenants_with(portal, demo::ACCESS_TOKEN, demo::WEBHOOK_SECRET)
}

/// The same with other secrets.
pub(crate) fn tenants_with(portal: SocketAddr, token: &str, secret: &str) -> String {
    format!(
        "tenants:\n\
         - {{id: {APPLICATION}, portal: 'http://{portal}', application: {{access_token: {{inline: '{token}'}}}}}}\n\
         - {{id: {WEBHOOK}, portal: 'http://{portal}', webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}}}}\n",
        user = demo::OWNER,
    )
}

/// One more item of a tenants file: the application of the demonstration portal, with all that a
/// refresh needs.
pub(crate) fn refreshable(id: &str) -> String {
    format!(
        "- id: {id}\n  portal: 'http://PORTAL'\n  application:\n    client_id: {client_id}\n\
         \x20   client_secret: {{inline: '{client_secret}'}}\n    access_token: {{inline: '{access_token}'}}\n\
         \x20   refresh_token: {{inline: '{refresh_token}'}}\n",
        client_id = demo::CLIENT_ID,
        client_secret = demo::CLIENT_SECRET,
        access_token = demo::ACCESS_TOKEN,
        refresh_token = demo::REFRESH_TOKEN,
    )
}

/// The settings of one caller that may act for every tenant.
pub(crate) fn caller(key: &NewKey) -> String {
    format!(
        "auth:\n  callers:\n  - {{name: tests, tenants: ['*'], keys: ['{}']}}\n",
        key.entry()
    )
}

/// Says it past the harness, which keeps the output of tests that pass.
pub(crate) fn tell(line: &str) {
    use std::io::Write;
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("{test}: {line}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Waits until a condition holds that something in the background brings about.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < patience, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A running service with its settings in a folder of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) key: NewKey,
    /// Completes when the service has stopped. Taken by [`Service::stopped`].
    task: JoinHandle<Result<(), AppError>>,
    /// Its tasks beside the calls.
    pub(crate) tasks: Tasks,
    stop: Stop,
    _stop_at_the_end: DropGuard,
    _files: TempDir,
}

impl Service {
    pub(crate) async fn start(settings: &[(&str, &str)], tenants: &str) -> Self {
        let key = NewKey::generate().unwrap();
        let auth = caller(&key);
        Self::with_auth(key, &auth, settings, tenants).await
    }

    /// With the section `auth` of the settings file.
    pub(crate) async fn with_auth(
        key: NewKey,
        auth: &str,
        settings: &[(&str, &str)],
        tenants: &str,
    ) -> Self {
        let files = tempfile::tempdir().unwrap();
        let config = config(files.path(), auth, settings, tenants);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, tasks) = (Stop::default(), Tasks::default());
        let task = tokio::spawn(app::run(config, listener, tasks.clone(), stop.clone()));
        Self {
            address,
            key,
            task,
            tasks,
            _stop_at_the_end: stop.on_drop(),
            stop,
            _files: files,
        }
    }

    pub(crate) async fn client(&self) -> OpenLinesServiceClient<Channel> {
        OpenLinesServiceClient::new(self.channel().await)
    }

    pub(crate) async fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address))
            .unwrap()
            .connect()
            .await
            .unwrap()
    }

    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        with_key(message, self.key.expose())
    }

    /// Whether it has ended already, for example because another test has taken its port.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Asks the service to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        self.stop.request();
    }

    /// Waits until the service has stopped.
    pub(crate) async fn stopped(self) -> Result<(), AppError> {
        self.task.await.unwrap()
    }
}

/// A request with an API key.
pub(crate) fn with_key<M>(message: M, key: &str) -> Request<M> {
    let mut request = Request::new(message);
    request
        .metadata_mut()
        .insert("authorization", format!("Bearer {key}").parse().unwrap());
    request
}

fn config(folder: &Path, auth: &str, settings: &[(&str, &str)], tenants: &str) -> Config {
    let tenants_file = folder.join("tenants.yaml");
    std::fs::write(&tenants_file, tenants).unwrap();
    let settings_file = folder.join("settings.yaml");
    std::fs::write(&settings_file, auth).unwrap();
    let mut variables = vec![
        (
            "OPENLINES_TENANTS_FILE".to_owned(),
            tenants_file.to_str().unwrap().to_owned(),
        ),
        (
            "OPENLINES_PORTALS_DANGEROUS_ALLOW_INSECURE".to_owned(),
            "true".to_owned(),
        ),
        ("OPENLINES_SERVER_DRAIN_SECONDS".to_owned(), "2".to_owned()),
        (process::ANY_MODE.to_owned(), "true".to_owned()),
        (
            "OPENLINES_STORE_URL".to_owned(),
            format!("sqlite:{}", folder.join("openlines.db").display()),
        ),
        (
            "OPENLINES_STORE_KEYRING".to_owned(),
            Key::generate().unwrap().expose().expose_secret().to_owned(),
        ),
    ];
    for (name, value) in settings {
        let name = format!("OPENLINES_{name}");
        variables.retain(|(known, _)| *known != name);
        variables.push((name, (*value).to_owned()));
    }
    // The two exclude each other.
    if settings
        .iter()
        .any(|(name, _)| *name == "STORE_KEYRING_FILE")
    {
        variables.retain(|(name, _)| name != "OPENLINES_STORE_KEYRING");
    }
    let environment: Environment = variables.into_iter().collect();
    Config::load(Some(&settings_file), &environment).unwrap_or_else(|faults| panic!("{faults}"))
}
