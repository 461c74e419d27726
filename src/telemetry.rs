//! Structured logs.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::{Log, LogFormat};

/// Parts of other people's that could print request lines or bodies at a fine level. A webhook's request line is a secret, so
/// no filter of an operator lowers these.
const QUIET: [&str; 6] = ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tower"];

/// Starts logging to standard error.
///
/// # Errors
///
/// Another logger is already there.
pub fn start(settings: &Log) -> Result<(), TryInitError> {
    let wanted = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let pinned = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(QUIET.map(|target| (target, LevelFilter::WARN)));
    let registry = tracing_subscriber::registry().with(wanted).with(pinned);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    match settings.format {
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(lines).try_init(),
    }
}
