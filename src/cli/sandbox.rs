//! `openlines sandbox`.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use tokio::net::TcpListener;

use super::Failure;
use crate::stop::Stop;
use sandbox::{Identity, Intensity, Limits, Portal, Sandbox, demo};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A loopback address to listen on: any client of the portal can use its controls. Port 0 takes
    /// a free port.
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
    } = arguments;
    if !listen.ip().is_loopback() {
        return Err(NotLoopback.into());
    }
    let is_demo = portals.is_none();
    let portals = match portals {
        Some(file) => read_portals(&file)?,
        None => vec![demo_portal(&intensity)?],
    };
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen on {listen} (--listen): {error}"))?;
    let (sandbox, scheme) = match (certificate_file, private_key_file) {
        (Some(certificate), Some(key)) => {
            let identity = Identity::from_pem(&read(&certificate)?, &read(&key)?)
                .map_err(|error| format!("--certificate-file, --private-key-file: {error}"))?;
            (Sandbox::start_secure(listener, portals, identity)?, "https")
        }
        _ => (Sandbox::start(listener, portals)?, "http"),
    };
    let origin = format!("{scheme}://{}", sandbox.address());
    let mut out = io::stdout();
    writeln!(
        out,
        "A simulated Bitrix24 portal listens on {origin}; its controls are at {origin}/sandbox/, see docs/sandbox.md"
    )?;
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
