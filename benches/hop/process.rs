//! The measured programs as processes, and what the kernel says of them.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bitrix24_openlines::auth::NewKey;
use bitrix24_openlines::tenant::sealing::Key as SealingKey;
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::tenants;

/// The kernel counts processor time in hundredths of a second (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// A running process. It is killed with this value.
pub(crate) struct Process {
    child: Child,
    said: String,
    _output: Option<BufReader<ChildStdout>>,
}

/// Starts what is measured.
pub(crate) struct Running;

/// The real program with everything on.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    /// From the start of the process until a connection is accepted.
    pub(crate) start: Duration,
    _files: TempDir,
}

impl Running {
    /// This program in another mode. It says its addresses in its first line.
    pub(crate) fn start_self(arguments: &[&str]) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        Process {
            child,
            said: said.trim().to_owned(),
            _output: Some(output),
        }
    }

    /// The program with API keys, metrics and an admin port, and with `more` settings.
    pub(crate) async fn start_service(portal: SocketAddr, more: &str) -> Service {
        Self::start_service_with(portal, more, 0).await
    }

    /// The same with so many tenants in its store already.
    pub(crate) async fn start_service_with(
        portal: SocketAddr,
        more: &str,
        stored: usize,
    ) -> Service {
        Self::start_service_at("", portal, more, stored).await
    }

    /// The same on another store than an SQLite file of its own, if a URL is given.
    pub(crate) async fn start_service_at(
        store_url: &str,
        portal: SocketAddr,
        more: &str,
        stored: usize,
    ) -> Service {
        let files = tempfile::tempdir().unwrap();
        let sqlite = format!("sqlite:{}", files.path().join("openlines.db").display());
        let store_url = if store_url.is_empty() {
            &sqlite
        } else {
            store_url
        };
        let key = NewKey::generate().unwrap();
        let address = free_address();
        let tenants = files.path().join("tenants.yaml");
        std::fs::write(
            &tenants,
            format!("tenants:\n- {{id: hook, portal: 'http://{portal}', webhook: {{user_id: 1, secret: {{inline: secret}}}}}}\n"),
        )
        .unwrap();
        let keyring = files.path().join("keyring");
        let sealing_key = SealingKey::generate().unwrap().expose();
        std::fs::write(&keyring, sealing_key.expose_secret()).unwrap();
        let settings = files.path().join("settings.yaml");
        std::fs::write(
            &settings,
            format!(
                "server: {{listen: '{address}', reflection: true}}\n\
                 auth: {{callers: [{{name: bench, tenants: ['*'], keys: ['{}']}}]}}\n\
                 tenants: {{file: '{}'}}\n\
                 store: {{url: '{}', keyring_file: '{}'}}\n\
                 portals: {{dangerous_allow_insecure: true}}\n\
                 admin: {{listen: '{}'}}\n\
                 {more}",
                key.entry(),
                tenants.display(),
                store_url,
                keyring.display(),
                free_address(),
            ),
        )
        .unwrap();
        tenants::fill(files.path(), portal, stored).await;
        let log = std::fs::File::create(files.path().join("log")).unwrap();
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_openlines"))
            .args(["serve", "--config"])
            .arg(&settings)
            .env_clear()
            .stderr(log)
            .spawn()
            .unwrap();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "the service does not start"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Service {
            start: begun.elapsed(),
            process: Process {
                child,
                said: String::new(),
                _output: None,
            },
            address,
            key: key.expose().to_owned(),
            _files: files,
        }
    }
}

impl Process {
    pub(crate) fn address(&self) -> SocketAddr {
        self.said.parse().unwrap()
    }

    pub(crate) fn two_addresses(&self) -> (SocketAddr, SocketAddr) {
        let (first, second) = self.said.split_once(' ').unwrap();
        (first.parse().unwrap(), second.parse().unwrap())
    }

    /// User and system time of all threads so far.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = self.proc("stat");
        // The name, in brackets, may hold spaces; utime and stime are the 12th and 13th field after it.
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let ticks: u32 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|n| n.parse::<u32>().unwrap())
            .sum();
        TICK * ticks
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
