//! `openlines serve`.

use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, stop_signal};
use crate::app;
use crate::config::{Config, Environment};
use crate::telemetry::Telemetry;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The settings file. Without it, the file that OPENLINES_CONFIG names; see docs/settings.md.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the settings and the tenants file, and end.
    #[arg(long)]
    check: bool,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::load(arguments.config.as_deref(), &Environment::of_process())?;
    if arguments.check {
        return Ok(());
    }
    let telemetry = Telemetry::start(&config.log, &config.telemetry)?;
    for setting in config.effective() {
        tracing::debug!(setting = setting.path, value = setting.value, "setting");
    }
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} (server.listen): {error}",
                config.server.listen
            )
        })?;
    tracing::info!(
        address = %listener.local_addr()?,
        tls = config.server.tls.is_some(),
        tenants = config.tenants.directory.len(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let served = app::run(config, listener, stop_signal()).await;
    // Waits for the exporter, which needs the runtime's other threads.
    tokio::task::spawn_blocking(|| telemetry.stop()).await?;
    Ok(served?)
}
