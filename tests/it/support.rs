//! A service with a sandbox portal behind it, and a client in front.

use std::net::SocketAddr;
use std::path::Path;

use bitrix24_openlines::api::bitrix24::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::app::{self, AppError};
use bitrix24_openlines::auth::NewKey;
use bitrix24_openlines::config::{Config, Environment};
use bitrix24_openlines::sandbox::{Portal, Sandbox, demo};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The tenant with application credentials for the sandbox.
pub(crate) const APPLICATION: &str = "app";
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

    /// With more tenants: items of the list in the tenants file.
    pub(crate) async fn with_tenants(settings: &[(&str, &str)], more_tenants: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let portal = sandbox.address();
        let tenants = format!(
            "tenants:\n\
             - {{id: {APPLICATION}, portal: 'http://{portal}', application: {{access_token: {{inline: '{token}'}}}}}}\n\
             - {{id: {WEBHOOK}, portal: 'http://{portal}', webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}}}}\n\
             {more_tenants}",
            token = demo::ACCESS_TOKEN,
            user = demo::OWNER,
            secret = demo::WEBHOOK_SECRET,
        );
        let service = Service::start(settings, &tenants).await;
        Self { sandbox, service }
    }

    pub(crate) async fn client(&self) -> OpenLinesServiceClient<Channel> {
        OpenLinesServiceClient::new(self.service.channel().await)
    }

    /// A request with the API key that may act for every tenant.
    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        self.service.request(message)
    }
}

/// A running service with its settings in a folder of its own.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) key: NewKey,
    /// Completes when the service has stopped. Taken by [`Service::stopped`].
    task: JoinHandle<Result<(), AppError>>,
    stop: Option<oneshot::Sender<()>>,
    _files: TempDir,
}

impl Service {
    pub(crate) async fn start(settings: &[(&str, &str)], tenants: &str) -> Self {
        let key = NewKey::generate().unwrap();
        let files = tempfile::tempdir().unwrap();
        let config = config(files.path(), &key, settings, tenants);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app::run(config, listener, async {
            let _ = stopped.await;
        }));
        Self {
            address,
            key,
            task,
            stop: Some(stop),
            _files: files,
        }
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

    /// Asks the service to stop, as SIGTERM does.
    pub(crate) fn stop(&mut self) {
        self.stop.take();
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

fn config(folder: &Path, key: &NewKey, settings: &[(&str, &str)], tenants: &str) -> Config {
    let tenants_file = folder.join("tenants.yaml");
    std::fs::write(&tenants_file, tenants).unwrap();
    let settings_file = folder.join("settings.yaml");
    let callers = format!(
        "auth:\n  callers:\n  - {{name: tests, tenants: ['*'], keys: ['{}']}}\n",
        key.entry()
    );
    std::fs::write(&settings_file, callers).unwrap();
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
    ];
    variables.extend(
        settings
            .iter()
            .map(|(name, value)| (format!("OPENLINES_{name}"), (*value).to_owned())),
    );
    let environment: Environment = variables.into_iter().collect();
    Config::load(Some(&settings_file), &environment).unwrap_or_else(|faults| panic!("{faults}"))
}

/// What tests ask of a failing status.
pub(crate) trait Told {
    fn reason(&self) -> String;
    fn metadata_value(&self, key: &str) -> Option<String>;
    fn outcome(&self) -> String;
    fn details_of(&self) -> ErrorDetails;
    /// The fields of `BadRequest`, in order.
    fn fields(&self) -> Vec<String>;
}

impl Told for Status {
    fn reason(&self) -> String {
        let details = self.get_error_details();
        let info = details
            .error_info()
            .unwrap_or_else(|| panic!("no ErrorInfo in {self:?}"));
        info.reason.trim_start_matches("ERROR_REASON_").to_owned()
    }

    fn metadata_value(&self, key: &str) -> Option<String> {
        let details = self.get_error_details();
        details
            .error_info()
            .and_then(|info| info.metadata.get(key))
            .cloned()
    }

    fn outcome(&self) -> String {
        self.metadata_value("outcome").unwrap_or_default()
    }

    fn details_of(&self) -> ErrorDetails {
        self.get_error_details()
    }

    fn fields(&self) -> Vec<String> {
        let details = self.get_error_details();
        let violations = details
            .bad_request()
            .map(|bad| bad.field_violations.clone());
        violations
            .unwrap_or_default()
            .into_iter()
            .map(|violation| violation.field)
            .collect()
    }
}
