//! `openlines serve` as a process, with API keys, metrics and an admin port.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bitrix24_openlines::testing::auth::NewKey;
use secrecy::ExposeSecret;
use store::sealing::Key as SealingKey;
use tempfile::TempDir;

use super::process::Process;

#[path = "../../tests/it/support/free_address.rs"]
mod free_address;

pub(crate) use free_address::free_address;

/// The program of this build.
pub(crate) const OURS: &str = env!("CARGO_BIN_EXE_openlines");

/// How long a start may take, with the largest tenants file and a busy machine.
const START: Duration = Duration::from_secs(120);

/// The real program.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    _files: Arc<Files>,
}

/// What services are started with: a keyring, settings and tenants, and a store.
pub(crate) struct Files {
    folder: TempDir,
    key: NewKey,
}

/// Connections that last as long as a measurement, idle ones too.
const CONNECTIONS: &str = "age_seconds: 86400, unauthenticated_seconds: 3600";

impl Files {
    /// Writes a keyring, these entries of the tenants file, and the settings with `more` of them.
    /// Without the URL of a store it is an SQLite file among the others.
    pub(crate) fn write(store_url: Option<&str>, tenants: &str, more: &str) -> Arc<Self> {
        Self::write_with_more("", "", store_url, tenants, more)
    }

    /// The same with more settings below `server` and `portals`.
    pub(crate) fn write_with_more(
        server: &str,
        portals: &str,
        store_url: Option<&str>,
        tenants: &str,
        more: &str,
    ) -> Arc<Self> {
        let files = Self {
            folder: private_folder(),
            key: NewKey::generate().unwrap(),
        };
        let sealing_key = SealingKey::generate().unwrap().expose();
        let sqlite = format!("sqlite:{}", files.path("openlines.db").display());
        let settings = format!(
            "server: {{reflection: true, connections: {{{CONNECTIONS}}}, {server}}}\n\
             auth: {{callers: [{{name: bench, tenants: ['*'], keys: ['{}']}}]}}\n\
             tenants: {{file: '{}'}}\n\
             store: {{url: '{}', keyring_file: '{}'}}\n\
             portals: {{dangerous_allow_insecure: true, {portals}}}\n\
             {more}",
            files.key.entry(),
            files.path("tenants.yaml").display(),
            store_url.unwrap_or(&sqlite),
            files.path("keyring").display(),
        );
        for (name, text) in [
            ("keyring", sealing_key.expose_secret()),
            ("tenants.yaml", &format!("tenants:\n{tenants}")),
            ("settings.yaml", &settings),
        ] {
            std::fs::write(files.path(name), text).unwrap();
        }
        Arc::new(files)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Starts a program, with its admin port at this address. It is ready when a connection is
    /// accepted.
    pub(crate) async fn start(self: &Arc<Self>, program: &Path, admin: SocketAddr) -> Service {
        self.start_by(Command::new(program), admin).await
    }

    /// The same with a command that ends with the program.
    pub(crate) async fn start_by(
        self: &Arc<Self>,
        mut command: Command,
        admin: SocketAddr,
    ) -> Service {
        let address = free_address();
        let log = std::fs::File::create(self.path(&format!("log-{}", address.port()))).unwrap();
        let begun = Instant::now();
        let process = Process::start(
            command
                .args(["serve", "--config"])
                .arg(self.path("settings.yaml"))
                .env_clear()
                .env("OPENLINES_SERVER_LISTEN", address.to_string())
                .env("OPENLINES_ADMIN_LISTEN", admin.to_string())
                .stderr(log),
        );
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(begun.elapsed() < START, "the service does not start");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Service {
            process,
            address,
            key: self.key.expose().to_owned(),
            _files: Arc::clone(self),
        }
    }
}

/// A folder that other users of the machine may not enter.
fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(folder.path(), private).unwrap();
    }
    folder
}
