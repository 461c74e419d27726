//! `openlines serve` as a process, with API keys, metrics and an admin port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bitrix24_openlines::testing::auth::NewKey;
use secrecy::ExposeSecret;
use store::sealing::Key as SealingKey;
use tempfile::TempDir;

use super::process::Process;

/// How long a start may take.
const START: Duration = Duration::from_secs(10);

/// The real program.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    _files: Files,
}

/// What a service is started with: its keyring, settings and tenants, and its store.
pub(crate) struct Files {
    folder: TempDir,
    key: NewKey,
    address: SocketAddr,
}

impl Files {
    /// Writes a keyring, these entries of the tenants file, and the settings with `more` of them.
    /// Without the URL of a store it is an SQLite file among the others.
    pub(crate) fn write(store_url: Option<&str>, tenants: &str, more: &str) -> Self {
        let files = Self {
            folder: tempfile::tempdir().unwrap(),
            key: NewKey::generate().unwrap(),
            address: free_address(),
        };
        let sealing_key = SealingKey::generate().unwrap().expose();
        let sqlite = format!("sqlite:{}", files.path("openlines.db").display());
        let settings = format!(
            "server: {{listen: '{}', reflection: true}}\n\
             auth: {{callers: [{{name: bench, tenants: ['*'], keys: ['{}']}}]}}\n\
             tenants: {{file: '{}'}}\n\
             store: {{url: '{}', keyring_file: '{}'}}\n\
             portals: {{dangerous_allow_insecure: true}}\n\
             admin: {{listen: '{}'}}\n\
             {more}",
            files.address,
            files.key.entry(),
            files.path("tenants.yaml").display(),
            store_url.unwrap_or(&sqlite),
            files.path("keyring").display(),
            free_address(),
        );
        for (name, text) in [
            ("keyring", sealing_key.expose_secret()),
            ("tenants.yaml", &format!("tenants:\n{tenants}")),
            ("settings.yaml", &settings),
        ] {
            std::fs::write(files.path(name), text).unwrap();
        }
        files
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Starts the program. It is ready when a connection is accepted.
    pub(crate) async fn start(self) -> Service {
        let log = std::fs::File::create(self.path("log")).unwrap();
        let begun = Instant::now();
        let process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_openlines"))
                .args(["serve", "--config"])
                .arg(self.path("settings.yaml"))
                .env_clear()
                .stderr(log),
        );
        while tokio::net::TcpStream::connect(self.address).await.is_err() {
            assert!(begun.elapsed() < START, "the service does not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Service {
            process,
            address: self.address,
            key: self.key.expose().to_owned(),
            _files: self,
        }
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
