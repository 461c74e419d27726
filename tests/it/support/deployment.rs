//! Real processes on one store, all with the same settings.

use std::net::SocketAddr;
use std::process::Command;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use bitrix24_openlines::testing::settings::Environment;
use store::sealing::Key;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

use super::admin::{free_address, sample};
use super::caller;
use super::process::{Process, openlines};
use super::stores::{Stores, keyring_text};

/// The settings of the processes, and the key that their callers have.
pub(crate) struct Deployment {
    folder: TempDir,
    pub(crate) key: NewKey,
}

/// A running process with a connection to it.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) client: OpenLinesServiceClient<Channel>,
    pub(crate) admin: SocketAddr,
}

impl Deployment {
    /// Writes the settings for processes on this store, with this tenants file, and `more`
    /// settings.
    pub(crate) fn write(store_url: &str, sealing_key: &Key, tenants: &str, more: &str) -> Self {
        let (folder, key) = (tempfile::tempdir().unwrap(), NewKey::generate().unwrap());
        let path = folder.path();
        std::fs::write(path.join("tenants.yaml"), tenants).unwrap();
        std::fs::write(path.join("keyring"), keyring_text(&[sealing_key])).unwrap();
        std::fs::write(path.join("url"), store_url).unwrap();
        let settings = format!(
            "server: {{listen: '127.0.0.1:0'}}\n\
             portals: {{dangerous_allow_insecure: true}}\n\
             tenants: {{file: '{0}/tenants.yaml'}}\n\
             store: {{url_file: '{0}/url', keyring_file: '{0}/keyring'}}\n{more}{1}",
            path.display(),
            caller(&key),
        );
        std::fs::write(path.join("settings.yaml"), settings).unwrap();
        Self { folder, key }
    }

    /// Replaces the keyring file that all processes have.
    pub(crate) fn replace_keyring(&self, keys: &[&Key]) {
        let file = self.folder.path().join("keyring");
        std::fs::write(file, keyring_text(keys)).unwrap();
    }

    /// The command that starts a process.
    pub(crate) fn command(&self) -> Command {
        let settings = self.folder.path().join("settings.yaml");
        openlines(&["serve", "--config", settings.to_str().unwrap()])
    }

    /// Starts one more process.
    pub(crate) async fn start(&self) -> Running {
        self.start_in(&[]).await
    }

    /// Starts one more process with more variables in its environment.
    pub(crate) async fn start_in(&self, environment: &[(&str, &str)]) -> Running {
        let admin = free_address();
        let mut command = self.command();
        command
            .env("OPENLINES_ADMIN_LISTEN", admin.to_string())
            .envs(environment.iter().copied());
        let process = Process::start(command);
        let address = process.address().await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
        Running {
            process,
            client,
            admin,
        }
    }

    pub(crate) fn request<M>(&self, message: M) -> Request<M> {
        super::with_key(message, self.key.expose())
    }
}

impl Running {
    /// A sample of its metrics.
    pub(crate) async fn sample(&self, name: &str) -> u64 {
        sample(self.admin, name).await
    }
}

/// How often a process is killed: `OPENLINES_TEST_KILLS` times, or 10; on PostgreSQL a fifth,
/// because there the next process waits until the dead one has been missed.
pub(crate) fn kills(stores: &Stores) -> usize {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_KILLS");
    let kills = given.map_or(10, |given| given.unwrap().parse().unwrap());
    if stores.is_shared() { kills / 5 } else { kills }
}
