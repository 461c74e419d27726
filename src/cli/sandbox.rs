//! `openlines sandbox`.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::net::{TcpListener, UdpSocket};

use super::Failure;
use crate::stop::Stop;
use sandbox::{Identity, Intensity, Limits, Nat64Prefix, OwnAuthority, Portal, Sandbox, demo};

/// What the options below do can be changed while it runs, by requests to /sandbox/.
const EXAMPLES: &str = "\
Faults and switches at start, and later by requests (docs/sandbox.md has all of them):
  --fault '{\"fault\": \"junk\", \"always\": true}'
        a notice of PHP before each answer; wrong_encoding: texts in windows-1251
  --fault '{\"fault\": \"html_before\", \"status\": 429, \"headers\": {\"retry-after\": \"30\"}}'
        the page of a proxy with its status, once
  --fault '{\"fault\": \"refuse\", \"code\": \"OVERLOAD_LIMIT\", \"client_id\": \"local.5a6d0b0c8e1f27.10000001\", \"always\": true}'
        a block of one application
  --switches '{\"connection_requests\": 100, \"connection_idle_ms\": 2000}'
        a proxy that ends connections after 100 requests, and without requests for 2 s
  --switches '{\"http2\": true, \"connection_requests\": 100}' --own-authority authority.pem
        GOAWAY after 100 requests: HTTP/2 over TLS
  curl -d '{\"fault\": \"junk\"}' http://127.0.0.1:8024/sandbox/faults
        the same while it runs";

/// Rows of the record that are kept: some hundred bytes each, and their texts. Enough to compare
/// with a file of 100,000 messages that were sent in batches.
pub(super) const RECORD_ROWS: usize = 500_000;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A loopback address to listen on, or with --nat64-resolver one with its prefix: any client of
    /// the portal can use its controls. Port 0 takes a free port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8024")]
    listen: SocketAddr,

    /// The rate limit of the demonstration portal: standard (50 at once, then 2 a second),
    /// enterprise (250, 5) or none.
    #[arg(
        long,
        value_name = "PLAN",
        default_value = "standard",
        conflicts_with = "portals"
    )]
    intensity: String,

    /// A YAML file that defines portals instead of the demonstration portal.
    #[arg(long, value_name = "FILE")]
    portals: Option<PathBuf>,

    /// A certificate as PEM, to serve HTTPS too, on the same port.
    #[arg(long, value_name = "FILE", requires = "private_key_file")]
    certificate_file: Option<PathBuf>,

    /// The private key of the certificate as PEM.
    #[arg(long, value_name = "FILE", requires = "certificate_file")]
    private_key_file: Option<PathBuf>,

    /// Serves HTTPS with a certificate of a new authority, and writes the authority's certificate
    /// to this file. The names are localhost, this machine's loopback addresses, the hosts of the
    /// portals and those of --name.
    #[arg(long, value_name = "FILE", conflicts_with = "certificate_file")]
    own_authority: Option<PathBuf>,

    /// One more name in the certificate. Can be repeated.
    #[arg(long, value_name = "NAME", requires = "own_authority")]
    name: Vec<String>,

    /// A fault at start, as JSON for /sandbox/faults. Can be repeated.
    #[arg(long, value_name = "JSON")]
    fault: Vec<String>,

    /// Switches at start, as JSON for /sandbox/switches.
    #[arg(long, value_name = "JSON")]
    switches: Option<String>,

    /// Answers name queries at this UDP address as in a network without IPv4: every name has one
    /// address, that of a NAT64 translator. See docs/sandbox.md.
    #[arg(long, value_name = "ADDRESS")]
    nat64_resolver: Option<SocketAddr>,

    /// The translator's prefix.
    #[arg(long, value_name = "PREFIX", default_value = "64:ff9b::/96")]
    nat64_prefix: String,

    /// The IPv4 address that the translator's address stands for. Your client must be willing to
    /// call it: choose a public one.
    #[arg(long, value_name = "IPV4", default_value = "93.184.216.34")]
    nat64_address: Ipv4Addr,
}

/// The sandbox must not listen where other machines reach it.
#[derive(Debug, thiserror::Error)]
#[error("--listen: give a loopback address, for example 127.0.0.1:8024")]
pub(super) struct NotLoopback;

pub(super) async fn run(arguments: Arguments, stop: Stop) -> Result<(), Failure> {
    let Arguments {
        listen,
        intensity,
        portals,
        certificate_file,
        private_key_file,
        own_authority,
        name,
        fault,
        switches,
        nat64_resolver,
        nat64_prefix,
        nat64_address,
    } = arguments;
    let prefix = Nat64Prefix::parse(&nat64_prefix).ok_or(
        "--nat64-prefix: give a prefix like 64:ff9b::/96, of 32, 40, 48, 56, 64 or 96 bits",
    )?;
    let translator = prefix.address_of(nat64_address);
    let is_translator = nat64_resolver.is_some() && listen.ip() == IpAddr::V6(translator);
    if !listen.ip().is_loopback() && !is_translator {
        return Err(NotLoopback.into());
    }
    if nat64_resolver.is_some_and(|address| !address.ip().is_loopback()) {
        return Err("--nat64-resolver: give a loopback address, for example 127.0.0.1:53".into());
    }
    let is_demo = portals.is_none();
    let portals = match portals {
        Some(file) => read_portals(&file)?,
        None => vec![demo_portal(&intensity)?],
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen} (--listen): {error}"))?;
    let identity = match (certificate_file, private_key_file, own_authority) {
        (Some(certificate), Some(key), _) => {
            let identity = Identity::from_pem(&read(&certificate)?, &read(&key)?);
            Some(
                identity
                    .map_err(|error| format!("--certificate-file, --private-key-file: {error}"))?,
            )
        }
        (_, _, Some(file)) => Some(issued(&file, name, &portals)?),
        _ => None,
    };
    let (sandbox, scheme) = match identity {
        Some(identity) => (Sandbox::start_secure(listener, portals, identity)?, "https"),
        None => (Sandbox::start(listener, portals)?, "http"),
    };
    sandbox.keep_record(RECORD_ROWS);
    for fault in fault {
        let injected = sandbox.inject_json(&fault);
        injected.map_err(|problem| format!("--fault: {problem}"))?;
    }
    if let Some(switches) = switches {
        let switched = sandbox.switch_json(&switches);
        switched.map_err(|problem| format!("--switches: {problem}"))?;
    }
    if let Some(address) = nat64_resolver {
        let socket = UdpSocket::bind(address).await;
        let socket = socket
            .map_err(|error| format!("cannot listen on {address} (--nat64-resolver): {error}"))?;
        sandbox.resolve_names(socket, prefix, nat64_address)?;
    }
    let origin = format!("{scheme}://{}", sandbox.address());
    let mut out = io::stdout();
    writeln!(
        out,
        "A simulated Bitrix24 portal listens on {origin}; its controls are at {origin}/sandbox/, see docs/sandbox.md"
    )?;
    writeln!(out, "Look at it in a browser: {origin}/sandbox/")?;
    if is_demo {
        write!(
            out,
            "The credentials are public and valid nowhere else.\n\
             \n\
             webhook        {origin}/rest/{user}/{secret}/\n\
             access token   {token}\n\
             application    client_id {client_id}\n               client_secret {client_secret}\n\
             refresh token  {refresh_token}, at {origin}/oauth/token/\n",
            user = demo::OWNER,
            secret = demo::WEBHOOK_SECRET,
            token = demo::ACCESS_TOKEN,
            client_id = demo::CLIENT_ID,
            client_secret = demo::CLIENT_SECRET,
            refresh_token = demo::REFRESH_TOKEN,
        )?;
    }
    out.flush()?;
    stop.requested().await;
    sandbox.shutdown().await;
    Ok(())
}

/// A certificate of a new authority, whose own certificate is written to the file.
fn issued(file: &Path, names: Vec<String>, portals: &[Portal]) -> Result<Identity, Failure> {
    let mut names = names;
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.extend(portals.iter().map(|portal| portal.host.clone()));
    let issued = OwnAuthority::issue(names).map_err(|error| format!("--name: {error}"))?;
    fs::write(file, issued.authority)
        .map_err(|error| format!("{} (--own-authority): {error}", file.display()))?;
    Ok(issued.identity)
}

fn demo_portal(intensity: &str) -> Result<Portal, Failure> {
    let intensity =
        Intensity::preset(intensity).map_err(|problem| format!("--intensity: {problem}"))?;
    Ok(Portal {
        limits: Limits {
            intensity,
            ..Limits::standard()
        },
        ..Portal::demo()
    })
}

fn read_portals(file: &Path) -> Result<Vec<Portal>, Failure> {
    let text =
        String::from_utf8(read(file)?).map_err(|error| format!("{}: {error}", file.display()))?;
    let portals = Portal::from_yaml(&text);
    Ok(portals.map_err(|problem| format!("{} (--portals): {problem}", file.display()))?)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| format!("{}: {error}", file.display()).into())
}
