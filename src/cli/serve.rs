//! `openlines serve`.

mod store;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Failure;
use crate::app::Config;
use crate::listener::Port;
use crate::settings::{Effective, Environment, Origin, SettingErrors};
use crate::stop::Stop;
use crate::tasks::Tasks;
use crate::telemetry::{self, Telemetry};
use crate::{app, server};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The settings file. Without it, the file that OPENLINES_CONFIG names; see docs/settings.md.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Check the settings and the tenants file, and end.
    #[arg(long)]
    pub(super) check: bool,
    /// With --check: look at the store, too, without changing anything.
    #[arg(long, requires = "check")]
    store: bool,
}

/// How long the last log lines may take after a second signal.
const LAST_LINES_AT_ONCE: Duration = Duration::from_millis(50);

/// The end of a service whose operator did not wait for the shutdown.
#[derive(Debug, thiserror::Error)]
#[error("stopped at once by a second signal")]
pub(super) struct StoppedAtOnce;

pub(super) async fn run(arguments: Arguments, stop: Stop) -> Result<(), Failure> {
    let config = tokio::select! {
        loaded = load(arguments.config) => loaded??,
        () = stop.requested() => return Ok(()),
    };
    if arguments.check {
        check(&config)?;
        if arguments.store {
            store::check(&config.store).await?;
        }
        return Ok(());
    }
    let telemetry = Telemetry::start(&config.log, &config.telemetry, &config.otel)?;
    let lines = telemetry.lines();
    let served = serve(config, &stop).await;
    // Waits for the exporter, which needs the runtime's other threads.
    let exported = tokio::task::spawn_blocking(|| telemetry.stop());
    tokio::select! {
        exported = exported => exported?,
        () = stop.at_once() => {}
    }
    // Nothing is left to be written, except if the end was one at once.
    lines.flush(LAST_LINES_AT_ONCE);
    if stop.is_at_once() {
        return Err(StoppedAtOnce.into());
    }
    served
}

/// In a thread of its own: a large tenants file takes seconds, and a file of a slow disk may take
/// any time.
async fn load(
    file: Option<PathBuf>,
) -> Result<Result<Config, SettingErrors>, tokio::task::JoinError> {
    let load = move || Config::load(file.as_deref(), &Environment::of_process());
    tokio::task::spawn_blocking(load).await
}

fn check(config: &Config) -> Result<(), Failure> {
    server::check(&config.edge)?;
    telemetry::check(&config.telemetry, &config.otel)?;
    match &config.tenants.file {
        Some(file) => {
            let tenants = match file.tenants.len() {
                1 => "1 tenant".to_owned(),
                other => format!("{other} tenants"),
            };
            writeln!(
                io::stdout(),
                "The settings are sound; the tenants file has {tenants}."
            )?;
        }
        None => writeln!(
            io::stdout(),
            "The settings are sound; there is no tenants file."
        )?,
    }
    Ok(())
}

async fn serve(config: Config, stop: &Stop) -> Result<(), Failure> {
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
    let address = config.server.listen;
    let port = Port::bind(address)
        .map_err(|error| format!("cannot listen on {address} (server.listen): {error}"))?;
    tracing::info!(store = %config.store.url, "starting");
    app::run(config, port, Tasks::default(), stop.clone()).await?;
    Ok(())
}
