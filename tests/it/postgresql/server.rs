//! A PostgreSQL server of one test.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::admin::free_address;
use crate::support::tell;

/// Where Debian has the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

pub(super) const USER: &str = "openlines";

/// A server that listens on loopback. It ends with this value.
pub(super) struct Server {
    pub(super) folder: TempDir,
    programs: PathBuf,
    pub(super) port: u16,
    pub(super) password: String,
}

/// How a server stops.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// It ends its sessions first.
    Fast,
    /// As if the machine had lost its power.
    Immediate,
}

impl Server {
    /// Starts a server with these settings. `None` if PostgreSQL is not installed; in CI it must
    /// be.
    pub(super) fn start(settings: &[&str]) -> Option<Self> {
        let programs = programs()?;
        let server = Self {
            folder: owned_folder(),
            programs,
            port: free_address().port(),
            password: Uuid::new_v4().simple().to_string(),
        };
        let password = server.path("password");
        std::fs::write(&password, &server.password).unwrap();
        run(server.program("initdb").args([
            "--pgdata",
            server.data().to_str().unwrap(),
            "--username",
            USER,
            "--pwfile",
            password.to_str().unwrap(),
            "--auth",
            "password",
            "--encoding",
            "UTF8",
            "--locale",
            "C.UTF-8",
            "--no-sync",
        ]));
        server.configure(settings);
        server.start_again();
        Some(server)
    }

    /// Starts a standby of this server.
    pub(super) fn standby(&self) -> Self {
        let standby = Self {
            folder: owned_folder(),
            programs: self.programs.clone(),
            port: free_address().port(),
            password: self.password.clone(),
        };
        run(standby.program("pg_basebackup").args([
            "--pgdata",
            standby.data().to_str().unwrap(),
            "--dbname",
            &self.url(),
            "--write-recovery-conf",
            "--checkpoint",
            "fast",
            "--no-sync",
        ]));
        standby.configure(&[]);
        standby.start_again();
        standby
    }

    /// Appends to the settings, of which the last one counts.
    pub(super) fn configure(&self, settings: &[&str]) {
        let folder = self.folder.path().display();
        let mut lines = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{folder}'\n",
            self.port
        );
        for setting in settings {
            writeln!(lines, "{setting}").unwrap();
        }
        let path = self.data().join("postgresql.conf");
        let known = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, known + &lines).unwrap();
    }

    pub(super) fn start_again(&self) {
        let log = self.path("log");
        let mut start = self.pg_ctl();
        start.args(["--wait", "--timeout", "60", "--log"]);
        start.arg(&log).arg("start");
        let status = start.stdout(Stdio::null()).status().unwrap();
        let said = || std::fs::read_to_string(&log);
        assert!(status.success(), "{start:?}: {:?}", said());
    }

    pub(super) fn stop(&self, how: Stop) {
        let mode = match how {
            Stop::Fast => "fast",
            Stop::Immediate => "immediate",
        };
        run(self.pg_ctl().args(["--wait", "--mode", mode, "stop"]));
    }

    /// Makes a standby the server that takes writes.
    pub(super) fn promote(&self) {
        run(self.pg_ctl().args(["--wait", "promote"]));
    }

    /// The URL of its database.
    pub(super) fn url(&self) -> String {
        self.url_of("127.0.0.1")
    }

    /// The same with this host name.
    pub(super) fn url_of(&self, host: &str) -> String {
        let Self { port, password, .. } = self;
        format!("postgresql://{USER}:{password}@{host}:{port}/postgres")
    }

    pub(super) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.unwrap()
    }

    /// Executes a statement.
    pub(super) async fn execute(&self, statement: &str) {
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&mut self.connect().await).await.unwrap();
    }

    /// The texts of a query's first column.
    pub(super) async fn texts(&self, query: &str) -> Vec<String> {
        let query = sqlx::query_scalar(AssertSqlSafe(query));
        query.fetch_all(&mut self.connect().await).await.unwrap()
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self) -> PathBuf {
        self.path("data")
    }

    fn pg_ctl(&self) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg("--silent").arg("--pgdata").arg(self.data());
        command
    }

    fn program(&self, name: &str) -> Command {
        as_owner(&self.programs.join(name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.data().join("postmaster.pid").exists() {
            let stop = self.pg_ctl().args(["--mode", "immediate", "stop"]).output();
            drop(stop);
        }
    }
}

/// Another program in front of a server. It ends with this value.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder of whom the servers run as.
pub(super) fn owned_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    if is_root() {
        own(folder.path());
    }
    folder
}

/// Gives a file to whom the servers run as, who alone may read it.
pub(super) fn give(path: &Path) {
    run(Command::new("chmod").arg("600").arg(path));
    if is_root() {
        own(path);
    }
}

fn own(path: &Path) {
    run(Command::new("chown").arg("postgres").arg(path));
}

/// A program that refuses to run as root.
pub(super) fn as_owner(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let user = [
            "--reuid=postgres",
            "--regid=postgres",
            "--init-groups",
            "--",
        ];
        command.args(user).arg(program);
        command
    } else {
        Command::new(program)
    };
    // Its user may not see where we are.
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

#[track_caller]
fn run(command: &mut Command) {
    // A server that goes on must not hold a pipe that somebody reads to its end.
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = || Stdio::from(log.reopen().unwrap());
    let status = command.stdout(output()).stderr(output()).status().unwrap();
    let said = std::fs::read_to_string(log.path()).unwrap();
    assert!(status.success(), "{command:?}: {said}");
}

/// The folder with the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let versions = versions.map(|version| version.path().join("bin"));
    let found = versions.filter(|folder| folder.join("initdb").is_file());
    let found = found.max();
    let is_ci = std::env::var_os("CI").is_some();
    assert!(found.is_some() || !is_ci, "PostgreSQL is not installed");
    if found.is_none() {
        tell("did not run, because PostgreSQL is not installed");
    }
    found
}
