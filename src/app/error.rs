//! Why the service could not run.

use std::io;
use std::net::SocketAddr;

use opentelemetry_sdk::error::OTelSdkError;

use crate::listener::descriptors::TooFewDescriptors;
use crate::server::ServeError;
use crate::tasks::TaskFailed;
use crate::telemetry::CollectorError;
use bitrix24::TransportUnusable;
use store::{OpenError, StoreError};

/// Why the service could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The client for portals cannot be set up.
    #[error(transparent)]
    Transport(#[from] TransportUnusable),
    /// The metrics cannot be set up.
    #[error("metrics cannot be set up")]
    Metrics(#[from] OTelSdkError),
    /// Metrics cannot be sent to the collector.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// The store cannot be opened.
    #[error("the store cannot be opened (store.url)")]
    OpenStore(#[from] OpenError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The tenants file cannot be applied.
    #[error("the tenants file cannot be applied")]
    Reconcile(#[source] StoreError),
    /// The process may open too few files for its settings.
    #[error(transparent)]
    Descriptors(#[from] TooFewDescriptors),
    /// The threads that serve callers cannot be started.
    #[error("the threads that serve callers cannot be started (server.workers)")]
    Workers(#[source] io::Error),
    /// A port cannot be listened on.
    #[error("cannot listen on {address} ({setting})")]
    Listen {
        setting: &'static str,
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The server cannot start, or failed.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A task has ended that the service cannot do without. It has shut down in order.
    #[error(transparent)]
    Task(#[from] TaskFailed),
}
