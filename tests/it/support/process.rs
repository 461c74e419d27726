//! The real program as a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bitrix24_openlines::testing::settings::Environment;
use sandbox::demo;
use secrecy::ExposeSecret;
use store::sealing::Key;
use tempfile::TempDir;

use super::until;

/// Longer than signals count as one.
pub(crate) const ANOTHER_REQUEST: Duration = Duration::from_millis(700);

/// Tests write files with the modes that the machine gives them.
pub(crate) const ANY_MODE: &str = "OPENLINES_FILES_DANGEROUS_WORLD_READABLE";

/// The program without any other setting from the environment of the test. `OPENLINES_TEST_PROGRAM`
/// names another build of it, for example the one that is shipped.
pub(crate) fn openlines(arguments: &[&str]) -> Command {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_PROGRAM");
    let program = given.map_or(env!("CARGO_BIN_EXE_openlines"), |given| given.unwrap());
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env(ANY_MODE, "true");
    command
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    openlines(arguments).output().unwrap()
}

/// A folder with a settings and a tenants file, as an operator writes them.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    /// The service takes a free port on loopback and may call portals there.
    pub(crate) fn write(settings: &str, tenants: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tenants.yaml"), tenants).unwrap();
        let key = Key::generate().unwrap().expose();
        std::fs::write(folder.path().join("keyring"), key.expose_secret()).unwrap();
        let settings = format!(
            "portals: {{dangerous_allow_insecure: true}}\ntenants: {{file: '{0}/tenants.yaml'}}\n\
             store: {{url: 'sqlite:{0}/openlines.db', keyring_file: '{0}/keyring'}}\n{settings}",
            folder.path().display()
        );
        std::fs::write(folder.path().join("settings.yaml"), settings).unwrap();
        Self { folder }
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.folder.path().join("settings.yaml")
    }
}

/// A running process whose output is collected.
pub(crate) struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    is_service: bool,
}

/// The sandbox's secrets, which nearly all tests use. No service writes one anywhere.
const SECRETS: [&str; 5] = [
    demo::WEBHOOK_SECRET,
    demo::ACCESS_TOKEN,
    demo::CLIENT_SECRET,
    demo::REFRESH_TOKEN,
    demo::APPLICATION_TOKEN,
];

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let is_service = command
            .get_args()
            .next()
            .is_some_and(|first| first == "serve");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Arc::<Mutex<String>>::default();
        let readers = vec![
            collect(child.stdout.take().unwrap(), &output),
            collect(child.stderr.take().unwrap(), &output),
        ];
        Self {
            child,
            output,
            readers,
            is_service,
        }
    }

    /// Everything that was written so far, to standard output and to standard error.
    pub(crate) fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    /// The address of the service, which its log tells as soon as it serves.
    pub(crate) async fn address(&self) -> SocketAddr {
        until("the service serves", || {
            address_in(&self.output()).is_some()
        })
        .await;
        address_in(&self.output()).unwrap()
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Kills it without any warning, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Kills it, and gives all that it has written.
    pub(crate) async fn kill_and_read(mut self) -> String {
        self.child.kill().unwrap();
        self.ended().await.1
    }

    /// Waits for the end. All output has been collected then.
    pub(crate) async fn ended(mut self) -> (ExitStatus, String) {
        tokio::task::spawn_blocking(move || {
            let status = self.child.wait().unwrap();
            for reader in self.readers.drain(..) {
                reader.join().unwrap();
            }
            let output = self.output();
            (status, output)
        })
        .await
        .unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already, or the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let output = self.output();
        let told = SECRETS.into_iter().find(|secret| output.contains(secret));
        if self.is_service && !std::thread::panicking() {
            assert_eq!(told, None, "in {output}");
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            output
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

/// The address in the log line `serving`, in the format `json`.
fn address_in(log: &str) -> Option<SocketAddr> {
    log.lines().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["message"] == "serving").then(|| line["address"].as_str()?.parse().ok())?
    })
}
