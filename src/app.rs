//! Builds every part of the service once, from its settings.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;

use opentelemetry_sdk::error::OTelSdkError;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::auth::Callers;
use crate::bitrix24::{Client, TransportOptions, TransportUnusable};
use crate::config::{Config, NameRule};
use crate::dispatch::Dispatcher;
use crate::metrics::Metrics;
use crate::openlines::{OpenLines, Rules};
use crate::server::{self, ServeError, Services, admin};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The client for portals cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportUnusable),
    /// The metrics cannot be set up.
    #[error("metrics cannot be set up")]
    Metrics(#[from] OTelSdkError),
    /// The admin port cannot be listened on.
    #[error("cannot listen on {address} (admin.listen)")]
    AdminListen {
        /// The address of the settings.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The admin port failed.
    #[error("the admin port failed")]
    Admin(#[source] io::Error),
    /// The server cannot start, or failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs the service on `listener` until `stop` completes and every call has ended.
///
/// # Errors
///
/// [`AppError`].
pub async fn run(
    config: Config,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let Config {
        server,
        auth,
        tenants,
        portals,
        validation,
        telemetry,
        log: _,
        ..
    } = config;
    let metrics = Metrics::new()?;
    let (ready, readiness) = watch::channel(false);
    let admin = admin(telemetry.admin_listen, metrics.clone(), readiness).await?;
    let client = Client::new(TransportOptions {
        connect_timeout: portals.connect_timeout,
        idle_connection: portals.idle_connection,
        maximum_answer_bytes: portals.maximum_answer_bytes,
        self_hosted: portals
            .addresses
            .self_hosted
            .iter()
            .map(ToString::to_string)
            .collect::<HashSet<_>>(),
    })?;
    let open_lines = OpenLines {
        callers: Callers::new(&auth),
        directory: tenants.directory,
        rules: Rules {
            strict_names: validation.names == NameRule::Strict,
            maximum_messages: validation.maximum_messages,
            maximum_text_characters: validation.maximum_text_characters,
            maximum_attachment_bytes: validation.maximum_attachment_bytes,
            maximum_keyboard_bytes: validation.maximum_keyboard_bytes,
        },
        dispatcher: Dispatcher::new(client, metrics.clone()),
        metrics,
    };
    let services = Services {
        open_lines,
        tenants: None,
    };
    tokio::select! {
        served = server::serve(listener, &server, services, &ready, stop) => Ok(served?),
        failed = admin => Err(AppError::Admin(failed)),
    }
}

/// The admin port, listening. It serves when it is polled, and ends only when it fails.
async fn admin(
    address: Option<SocketAddr>,
    metrics: Metrics,
    ready: watch::Receiver<bool>,
) -> Result<impl Future<Output = io::Error>, AppError> {
    let listener = match address {
        None => None,
        Some(address) => {
            let bound = TcpListener::bind(address).await;
            Some(bound.map_err(|source| AppError::AdminListen { address, source })?)
        }
    };
    Ok(async move {
        match listener {
            None => std::future::pending().await,
            Some(listener) => match admin::serve(listener, metrics, ready).await {
                Ok(()) => io::Error::other("it ended"),
                Err(error) => error,
            },
        }
    })
}
