//! A real server in front of the portal, which ends TLS and connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{haproxy, nginx};
use crate::support::admin::free_address;
use crate::support::{tell, until};

/// Which server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Software {
    Nginx,
    Haproxy,
}

/// What it speaks with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 in TLS.
    Http1,
    /// HTTP/2 in TLS, as the service prefers it.
    Http2,
}

/// How it treats connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) software: Software,
    pub(crate) protocol: Protocol,
    /// Requests until a connection ends. nginx's default is 1000; HAProxy has no such limit.
    pub(crate) keepalive_requests: u32,
    /// Milliseconds until an idle connection ends. nginx's default is 75 seconds.
    pub(crate) keepalive_ms: u32,
}

/// Where it listens, for its settings.
pub(crate) struct Places<'a> {
    pub(crate) folder: &'a str,
    pub(crate) address: SocketAddr,
    /// For what it says of itself, if that has a port.
    pub(crate) status: SocketAddr,
    /// Tried in turn.
    pub(crate) upstreams: &'a [SocketAddr],
}

/// A running server. It ends with this value.
pub(crate) struct Front {
    software: Software,
    folder: TempDir,
    process: Child,
    pub(crate) address: SocketAddr,
    status: SocketAddr,
}

impl Software {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// Whether it is installed. In CI it must be.
    pub(crate) fn is_installed(self) -> bool {
        let program = self.program();
        let found = Command::new(program)
            .arg("-v")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let found = found.is_ok_and(|status| status.success());
        let is_ci = std::env::var_os("CI").is_some();
        assert!(found || !is_ci, "{program} is not installed");
        if !found {
            tell(&format!("did not run, because {program} is not installed"));
        }
        found
    }
}

impl Front {
    /// Starts one in front of these addresses.
    pub(crate) async fn start(options: Options, upstreams: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text);
        write("certificate.pem", &certificate).unwrap();
        write("key.pem", &key).unwrap();
        write("both.pem", &(certificate + &key)).unwrap();
        let (address, status) = (free_address(), free_address());
        let places = Places {
            folder: folder.path().to_str().unwrap(),
            address,
            status,
            upstreams,
        };
        let settings = match options.software {
            Software::Nginx => nginx::settings(options, &places),
            Software::Haproxy => haproxy::settings(options, &places),
        };
        write("settings", &settings).unwrap();
        let process = options.software.command(folder.path()).spawn().unwrap();
        let front = Self {
            software: options.software,
            folder,
            process,
            address,
            status,
        };
        until("the server in front listens", || {
            std::net::TcpStream::connect(address).is_ok()
        })
        .await;
        front
    }

    /// The certificate that it shows, in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Starts new workers and lets the old ones end their connections.
    pub(crate) fn reload(&self) {
        signal(
            &self.process,
            match self.software {
                Software::Nginx => "-HUP",
                Software::Haproxy => "-USR2",
            },
        );
    }

    /// How many connections it has accepted; HAProxy since the last reload.
    pub(crate) async fn connections(&self) -> u64 {
        match self.software {
            Software::Nginx => nginx::connections(self.status).await,
            Software::Haproxy => haproxy::connections(self.folder.path()).await,
        }
    }
}

impl Software {
    fn command(self, folder: &Path) -> Command {
        let mut command = Command::new(self.program());
        match self {
            Self::Nginx => command
                .arg("-p")
                .arg(folder)
                .args(["-e", "stderr", "-c", "settings"]),
            Self::Haproxy => command.arg("-W").arg("-f").arg(folder.join("settings")),
        };
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        signal(&self.process, "-TERM");
        let _ = self.process.wait();
    }
}

fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    let _ = Command::new("kill").args([signal, &id]).status();
}
