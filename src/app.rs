//! Builds every part of the service once, from its settings.

use std::collections::HashSet;

use tokio::net::TcpListener;

use crate::auth::Callers;
use crate::bitrix24::{Client, TransportOptions, TransportUnusable};
use crate::config::{Config, NameRule};
use crate::dispatch::Dispatcher;
use crate::openlines::{OpenLines, Rules};
use crate::server::{self, ServeError};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The client for portals cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportUnusable),
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
        log: _,
        ..
    } = config;
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
    let service = OpenLines {
        callers: Callers::new(&auth),
        directory: tenants.directory,
        rules: Rules {
            strict_names: validation.names == NameRule::Strict,
            maximum_messages: validation.maximum_messages,
            maximum_text_characters: validation.maximum_text_characters,
            maximum_attachment_bytes: validation.maximum_attachment_bytes,
            maximum_keyboard_bytes: validation.maximum_keyboard_bytes,
        },
        dispatcher: Dispatcher::new(client),
    };
    server::serve(listener, &server, service, stop).await?;
    Ok(())
}
