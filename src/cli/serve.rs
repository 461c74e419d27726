//! `openlines serve`.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use tokio::net::TcpListener;

use super::{Failure, stop_signal};
use crate::app::Config;
use crate::settings::{Effective, Environment, Origin};
use crate::tasks::Tasks;
use crate::telemetry::Telemetry;
use crate::{app, server};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The settings file. Without it, the file that OPENLINES_CONFIG names; see docs/settings.md.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the settings and the tenants file, and end.
    #[arg(long)]
    check: bool,
}

/// Completes on the second stop signal, whose sender does not want to wait.
async fn second_stop_signal() {
    stop_signal().await;
    stop_signal().await;
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let config = Config::load(arguments.config.as_deref(), &Environment::of_process())?;
    if arguments.check {
        server::check(&config.server)?;
        match &config.tenants.file {
            Some(file) => {
                let tenants = file.tenants.len();
                writeln!(
                    io::stdout(),
                    "The settings are sound; the tenants file has {tenants} tenants."
                )?;
            }
            None => writeln!(
                io::stdout(),
                "The settings are sound; there is no tenants file."
            )?,
        }
        return Ok(());
    }
    let telemetry = Telemetry::start(&config.log, &config.traces)?;
    for setting in config.effective() {
        let Effective {
            path,
            value,
            origin,
        } = setting;
        if *origin == Origin::Default {
            tracing::debug!(setting = path, value, "setting");
        } else {
            tracing::info!(setting = path, value, "setting");
        }
    }
    let listener = TcpListener::bind(config.server.listen)
        .await
        .map_err(|error| {
            format!(
                "cannot listen on {} (server.listen): {error}",
                config.server.listen
            )
        })?;
    tracing::info!(store = %config.store.url, "starting");
    let served = tokio::select! {
        served = app::run(config, listener, Tasks::default(), stop_signal()) => served.map_err(Failure::from),
        () = second_stop_signal() => Err("stopped at once by a second signal".into()),
    };
    // Waits for the exporter, which needs the runtime's other threads.
    tokio::task::spawn_blocking(|| telemetry.stop()).await?;
    served
}
