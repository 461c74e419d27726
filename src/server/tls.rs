//! TLS on the listener, with files that are watched.

mod loaded;
mod settings;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use self::loaded::Loaded;
pub(crate) use self::loaded::TlsError;
pub(super) use self::settings::TlsFiles;
pub(crate) use self::settings::TlsSettings;
use crate::metrics::Metrics;
use crate::settings::Stamp;
use crate::telemetry::chain;

/// How often the files are looked at. A mounted Secret changes by a swapped link, which file
/// watchers miss.
const INTERVAL: Duration = Duration::from_secs(5);

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Tls {
    files: TlsFiles,
    seen: Vec<Option<Stamp>>,
    current: Arc<ArcSwap<ServerConfig>>,
    expiries: Vec<(&'static str, i64)>,
}

impl Tls {
    /// Reads the files.
    pub(super) fn read(files: TlsFiles) -> Result<Self, TlsError> {
        // Before the files are read: a change meanwhile is seen later.
        let seen = stamps(&files);
        let Loaded { config, expiries } = files.load()?;
        Ok(Self {
            files,
            seen,
            current: Arc::new(ArcSwap::new(config)),
            expiries,
        })
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.current.load_full();
        TlsAcceptor::from(config).accept(stream).await
    }

    /// Applies changes of the files, for ever. Files that cannot be used change nothing, and are
    /// reported once.
    pub(super) async fn follow(&self, metrics: &Metrics) {
        tell(metrics, &self.expiries);
        let mut seen = self.seen.clone();
        let mut reported = String::new();
        loop {
            tokio::time::sleep(INTERVAL).await;
            let stamps = stamps(&self.files);
            if stamps == seen {
                continue;
            }
            let files = self.files.clone();
            let Ok(loaded) = tokio::task::spawn_blocking(move || files.load()).await else {
                continue;
            };
            match loaded {
                Ok(Loaded { config, expiries }) => {
                    self.current.store(config);
                    tell(metrics, &expiries);
                    seen = stamps;
                    reported.clear();
                    tracing::info!("applied the changed files of server.tls");
                }
                // Read again at the next look: certificate and key may change one after the other.
                Err(error) => {
                    let problem = chain(&error);
                    if problem != reported {
                        tracing::error!(
                            problem,
                            "files of server.tls changed but were not applied"
                        );
                        reported = problem;
                    }
                }
            }
        }
    }
}

fn tell(metrics: &Metrics, expiries: &[(&'static str, i64)]) {
    for (certificate, at) in expiries {
        metrics.certificate_expires(certificate, *at);
    }
}

fn stamps(files: &TlsFiles) -> Vec<Option<Stamp>> {
    files.all().map(Stamp::of).collect()
}
