//! `openlines sandbox`.

use std::io::{self, Write};
use std::net::SocketAddr;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, stop_signal};
use crate::sandbox::{Intensity, Limits, Portal, Sandbox, demo};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Where to listen, on loopback: whoever reaches the portal also reaches its controls. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8024")]
    listen: SocketAddr,

    /// How many requests a portal takes: standard (50 at once, then 2 a second), enterprise (250, 5) or none.
    #[arg(long, value_name = "PLAN", default_value = "standard")]
    intensity: String,
}

/// The sandbox was to listen where others reach it.
#[derive(Debug, thiserror::Error)]
#[error("--listen: give a loopback address, for example 127.0.0.1:8024")]
pub(super) struct NotLoopback;

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        return Err(NotLoopback.into());
    }
    let intensity = Intensity::preset(&arguments.intensity)
        .map_err(|problem| format!("--intensity: {problem}"))?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .map_err(|error| format!("cannot listen on {} (--listen): {error}", arguments.listen))?;
    let mut portal = Portal::demo();
    portal.limits = Limits {
        intensity,
        ..Limits::standard()
    };
    let sandbox = Sandbox::start(listener, vec![portal])?;
    let address = sandbox.address();
    write!(
        io::stdout(),
        "A simulated Bitrix24 portal listens on http://{address}; its credentials are public and open nothing.\n\
         \n\
         webhook       http://{address}/rest/{user}/{secret}/\n\
         access token  {token}\n\
         controls      http://{address}/sandbox/record, faults, switches, …: see docs/sandbox.md\n",
        user = demo::OWNER,
        secret = demo::WEBHOOK_SECRET,
        token = demo::ACCESS_TOKEN,
    )?;
    stop_signal().await;
    sandbox.shutdown().await;
    Ok(())
}
