//! A real nginx in front of the portal.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support::admin::{self, free_address};
use crate::support::{tell, until};

/// What nginx speaks with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP/1.1 in TLS.
    Http1,
    /// HTTP/2 in TLS, as the service prefers it.
    Http2,
}

/// How nginx treats connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) protocol: Protocol,
    /// Requests until a connection ends. nginx's default is 1000.
    pub(crate) keepalive_requests: u32,
    /// Milliseconds until an idle connection ends. nginx's default is 75 seconds.
    pub(crate) keepalive_ms: u32,
}

/// A running nginx. It ends with this value.
pub(crate) struct Nginx {
    folder: TempDir,
    process: Child,
    pub(crate) address: SocketAddr,
    status: SocketAddr,
}

/// Whether nginx is installed. In CI it must be.
pub(crate) fn is_installed() -> bool {
    let found = Command::new("nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    let is_ci = std::env::var_os("CI").is_some();
    assert!(found || !is_ci, "nginx is not installed");
    if !found {
        tell("did not run, because nginx is not installed");
    }
    found
}

impl Nginx {
    /// Starts one in front of these addresses, which are tried in turn.
    pub(crate) async fn start(options: Options, upstreams: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        std::fs::write(folder.path().join("certificate.pem"), made.cert.pem()).unwrap();
        std::fs::write(
            folder.path().join("key.pem"),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
        let (address, status) = (free_address().await, free_address().await);
        let settings = settings(
            folder.path().to_str().unwrap(),
            options,
            upstreams,
            address,
            status,
        );
        std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(folder.path())
            .args(["-e", "stderr", "-c", "nginx.conf"])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let nginx = Self {
            folder,
            process,
            address,
            status,
        };
        until("nginx listens", || {
            std::net::TcpStream::connect(address).is_ok()
        })
        .await;
        nginx
    }

    /// The certificate that it shows, in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Starts new workers and lets the old ones end their connections.
    pub(crate) fn reload(&self) {
        signal(&self.process, "-HUP");
    }

    /// How many connections it has accepted, without those that only ask for this.
    pub(crate) async fn connections(&self) -> u64 {
        let text = admin::page(self.status, "/").await;
        // The third line counts connections that were accepted, and handled, and requests.
        let counts = text.lines().nth(2).unwrap();
        counts.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        signal(&self.process, "-TERM");
        let _ = self.process.wait();
    }
}

fn signal(process: &Child, signal: &str) {
    let id = process.id().to_string();
    let _ = Command::new("kill").args([signal, &id]).status();
}

fn settings(
    folder: &str,
    options: Options,
    upstreams: &[SocketAddr],
    address: SocketAddr,
    status: SocketAddr,
) -> String {
    let Options {
        protocol,
        keepalive_requests,
        keepalive_ms,
    } = options;
    let http2 = match protocol {
        Protocol::Http1 => "",
        Protocol::Http2 => "http2",
    };
    let mut servers = String::new();
    for upstream in upstreams {
        let _ = write!(servers, "server {upstream}; ");
    }
    let mut folders = String::new();
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = write!(folders, "{kind}_temp_path {folder}/{kind}; ");
    }
    format!(
        "daemon off; worker_processes 2; pid {folder}/pid; error_log stderr crit;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; {folders}\n\
         upstream portal {{ {servers}keepalive 64; }}\n\
         server {{ listen {status}; location / {{ stub_status; }} }}\n\
         server {{ listen {address} ssl {http2};\n\
         ssl_certificate {folder}/certificate.pem; ssl_certificate_key {folder}/key.pem;\n\
         keepalive_requests {keepalive_requests}; keepalive_timeout {keepalive_ms}ms;\n\
         location / {{ proxy_pass http://portal; proxy_http_version 1.1;\n\
         proxy_set_header Connection ''; proxy_set_header Host $host; }} }} }}\n"
    )
}
