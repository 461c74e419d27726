//! The gateways, and how each is started.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::install::Peers;
use super::load::Load;
use super::process::Process;
use super::service::{Files, OURS, Service, free_address};
use super::{install, pinned};

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// A program that turns the measured gRPC call into a POST to the upstream.
pub(crate) struct Gateway {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    upstream: SocketAddr,
    folder: TempDir,
}

pub(crate) enum Kind {
    /// tonic and reqwest, and nothing else.
    Bare,
    /// The service.
    Ours(Arc<Files>),
    Envoy {
        program: String,
        descriptors: String,
        logs: bool,
    },
    Vanguard(String),
}

/// A gateway that has answered its first call.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) load: Load,
    /// From its start to the answer to its first call.
    pub(crate) took: Duration,
}

/// All of them, the bare hop first. Traces of the service go to the collector.
pub(crate) fn all(peers: &Peers, upstream: SocketAddr, collector: SocketAddr) -> Vec<Gateway> {
    let traces =
        format!("telemetry: {{otlp_endpoint: 'http://{collector}', sample_percent: 10}}\n");
    let envoy = |logs| Kind::Envoy {
        program: peers.envoy.display().to_string(),
        descriptors: peers.descriptors.display().to_string(),
        logs,
    };
    let vanguard = Kind::Vanguard(peers.vanguard.display().to_string());
    let gateways = [
        ("bare hop", Kind::Bare),
        ("openlines", Kind::Ours(files(upstream, &traces))),
        (
            "openlines, no log, no traces",
            Kind::Ours(files(upstream, "log: {filter: 'off'}\n")),
        ),
        ("Envoy", envoy(false)),
        ("Envoy, access log", envoy(true)),
        ("vanguard-go", vanguard),
    ];
    let gateways = gateways.into_iter().map(|(name, kind)| Gateway {
        name,
        kind,
        upstream,
        folder: tempfile::tempdir().unwrap(),
    });
    gateways.collect()
}

/// What the service is started with: one tenant, whose portal is the upstream.
fn files(upstream: SocketAddr, more: &str) -> Arc<Files> {
    let tenant = format!(
        "- {{id: hook, portal: 'http://{upstream}', plan: unlimited, webhook: {{user_id: 1, secret: {{inline: secret}}}}}}\n"
    );
    Files::write(None, &tenant, more)
}

impl Gateway {
    /// Starts it on its processor and makes a call.
    pub(crate) async fn start(&self) -> Running {
        let begun = Instant::now();
        let (process, address, key) = match &self.kind {
            Kind::Bare => {
                let this = std::env::current_exe().unwrap();
                let mut command = pinned::command(this.to_str().unwrap());
                command.args(["bare", &self.upstream.to_string()]);
                let process = Process::start_saying(&mut command);
                let address = process.addresses()[0];
                (process, address, None)
            }
            Kind::Ours(files) => {
                let command = pinned::command(OURS);
                let service = files.start_by(command, free_address()).await;
                let Service {
                    process,
                    address,
                    key,
                    ..
                } = service;
                (process, address, Some(key))
            }
            Kind::Envoy { .. } | Kind::Vanguard(_) => {
                let address = free_address();
                let process = Process::start(self.command(address).stderr(Stdio::null()));
                (process, address, None)
            }
        };
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(begun.elapsed() < START, "{} does not start", self.name);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let load = Load::new(address, key.as_deref().unwrap_or("none")).await;
        load.caller(0, 1).call().await;
        Running {
            process,
            load,
            took: begun.elapsed(),
        }
    }

    /// How it is run at this address, where that is a program of others.
    fn command(&self, address: SocketAddr) -> Command {
        match &self.kind {
            Kind::Vanguard(program) => {
                let mut command = pinned::command(program);
                command
                    .args([address.to_string(), self.upstream.to_string()])
                    .env("GOMAXPROCS", "1");
                command
            }
            Kind::Envoy { program, .. } => {
                let file = self.write_configuration(address);
                let mut command = pinned::command(program);
                command
                    .args(["--concurrency", "1", "--log-level", "error"])
                    .args(["--disable-hot-restart", "--config-path", &file]);
                command
            }
            Kind::Bare | Kind::Ours(_) => panic!("it is started in another way"),
        }
    }

    /// Lets Envoy judge its configuration. Nothing is there to judge of the others.
    pub(crate) fn validate(&self) {
        if let Kind::Envoy { program, .. } = &self.kind {
            let file = self.write_configuration(free_address());
            install::printed(Command::new(program).args([
                "--mode",
                "validate",
                "--config-path",
                &file,
            ]));
        }
    }

    fn write_configuration(&self, address: SocketAddr) -> String {
        let Kind::Envoy {
            descriptors, logs, ..
        } = &self.kind
        else {
            panic!("only Envoy has one");
        };
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let access_log = include_str!("envoy_access_log.yaml").replace("<FILE>", &path("log"));
        let text = include_str!("envoy.yaml")
            .replace("<LISTEN>", &address.port().to_string())
            .replace("<UPSTREAM>", &self.upstream.port().to_string())
            .replace("<DESCRIPTORS>", descriptors)
            .replace("<LOGS>", &logs.to_string())
            .replace("<ACCESS_LOG>", if *logs { access_log.trim() } else { "[]" });
        let file = path("envoy.yaml");
        std::fs::write(Path::new(&file), text).unwrap();
        file
    }
}
