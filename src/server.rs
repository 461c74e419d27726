//! The gRPC server: listener, TLS, health, reflection, the layer around every call, and the orderly stop.

pub mod admin;
mod call;
mod context;
mod deadline;
mod ending;
mod load;
mod request_id;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Identity, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use self::call::CallLayer;
pub use self::context::CallContext;
use self::deadline::Patience;
use crate::admin::Tenants;
use crate::api;
use crate::api::bitrix24::openlines::v1::open_lines_service_server::{
    OpenLinesServiceServer, SERVICE_NAME as OPEN_LINES,
};
use crate::api::bitrix24::tenants::v1::tenant_service_server::{
    SERVICE_NAME as TENANTS, TenantServiceServer,
};
use crate::config;
use crate::openlines::OpenLines;

/// Why the server could not start or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A certificate or key file cannot be read.
    #[error("cannot read {}", .path.display())]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Certificate and key do not make a TLS server.
    #[error(
        "server.tls.certificate_file and server.tls.private_key_file cannot be used; give a certificate chain and its \
         private key, both in PEM"
    )]
    Tls(#[source] tonic::transport::Error),
    /// The API's descriptors cannot be read: a fault of the build.
    #[error("reflection cannot be set up")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The transport failed.
    #[error("the gRPC server failed")]
    Transport(#[source] tonic::transport::Error),
}

/// What is served beside health and reflection.
#[derive(Debug)]
pub struct Services {
    /// Sends messages.
    pub open_lines: OpenLines,
    /// Manages tenants.
    pub tenants: Tenants,
}

/// Limits of a connection. Each is what a peer could otherwise do without end.
mod limits {
    use std::time::Duration;

    /// Streams of one connection, or more: a single caller may use the room of all calls. The gRPC library would set 200.
    pub(super) const CONCURRENT_STREAMS: u32 = 256;
    /// The data of all streams of a connection that waits to be read, in bytes. Beyond it the peer has to wait, however many streams it
    /// has.
    pub(super) const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
    /// Streams that a peer opened and reset before they were looked at ("rapid reset", CVE-2023-44487).
    pub(super) const PENDING_RESET_STREAMS: usize = 20;
    /// The size of all headers of a call, in bytes.
    pub(super) const HEADER_LIST_BYTES: u32 = 16 * 1024;
    /// The data of a stream that waits to be read, in bytes.
    pub(super) const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
    /// How often a silent peer is asked whether it is still there, and how long it may take to answer.
    pub(super) const KEEPALIVE: (Duration, Duration) =
        (Duration::from_secs(30), Duration::from_secs(10));
    /// A TLS handshake.
    pub(super) const TLS_HANDSHAKE: Duration = Duration::from_secs(5);
}

/// Serves until `stop` completes, then stops in order: health says NOT_SERVING; after the shutdown delay new calls are refused and
/// no connection is accepted; calls in hand end; after the drain time what is left is cut.
///
/// # Errors
///
/// [`ServeError`] if the server cannot start or its transport fails.
pub async fn serve(
    listener: TcpListener,
    settings: &config::Server,
    services: Services,
    ready: &watch::Sender<bool>,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    let patience = Patience {
        default: settings.default_deadline,
        maximum: settings.maximum_deadline,
    };
    let calls = CallLayer::new(patience, settings, services.open_lines.metrics.clone());

    let builder = builder(settings)?;
    let open_lines = OpenLinesServiceServer::new(services.open_lines)
        .max_decoding_message_size(settings.maximum_request_bytes);
    let tenants = TenantServiceServer::new(services.tenants)
        .max_decoding_message_size(settings.maximum_request_bytes);
    let mut router = builder
        .layer(calls.clone())
        .add_service(health_service)
        .add_service(open_lines)
        .add_service(tenants);
    if settings.reflection {
        router = with_reflection(router)?;
    }

    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        tls = settings.tls.is_some(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    set_health(&health, ServingStatus::Serving).await;
    ready.send_replace(true);
    let (drain, drained) = oneshot::channel::<()>();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = router.serve_with_incoming_shutdown(incoming, async {
        // An error means that the sender is gone: stop as well.
        let _ = drained.await;
    });
    let mut serving = std::pin::pin!(serving);

    tokio::select! {
        ended = &mut serving => return ended.map_err(ServeError::Transport),
        () = stop => {}
    }
    tracing::info!("stopping: health is NOT_SERVING");
    ready.send_replace(false);
    set_health(&health, ServingStatus::NotServing).await;
    if tokio::time::timeout(settings.shutdown_delay, &mut serving)
        .await
        .is_ok()
    {
        return Ok(());
    }
    calls.stop();
    // Ends the streams of health watchers, which would keep the server from stopping.
    drop_health(&health).await;
    let _ = drain.send(());
    finish(serving.as_mut(), settings.drain, &calls).await
}

/// Checks what only a start would find out: whether the certificate and key are usable.
///
/// # Errors
///
/// [`ServeError`], as a start would give it.
pub fn check(settings: &config::Server) -> Result<(), ServeError> {
    builder(settings).map(|_| ())
}

fn builder(settings: &config::Server) -> Result<tonic::transport::Server, ServeError> {
    let (keepalive_interval, keepalive_timeout) = limits::KEEPALIVE;
    let streams = u32::try_from(settings.maximum_concurrent_calls).unwrap_or(u32::MAX);
    let builder = tonic::transport::Server::builder()
        .max_concurrent_streams(streams.max(limits::CONCURRENT_STREAMS))
        .initial_connection_window_size(limits::CONNECTION_WINDOW_BYTES)
        .http2_max_pending_accept_reset_streams(Some(limits::PENDING_RESET_STREAMS))
        .http2_max_header_list_size(limits::HEADER_LIST_BYTES)
        .initial_stream_window_size(limits::STREAM_WINDOW_BYTES)
        .http2_keepalive_interval(Some(keepalive_interval))
        .http2_keepalive_timeout(Some(keepalive_timeout));
    match &settings.tls {
        Some(tls) => builder
            .tls_config(tls_config(tls)?)
            .map_err(ServeError::Tls),
        None => Ok(builder),
    }
}

/// How long the answers to calls that are cut may take to leave.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// One limit around the whole drain: a peer that never completes its handshake, or an open reflection stream, would hold it for ever.
async fn finish(
    mut serving: std::pin::Pin<&mut impl Future<Output = Result<(), tonic::transport::Error>>>,
    drain: Duration,
    calls: &CallLayer,
) -> Result<(), ServeError> {
    if let Ok(ended) = tokio::time::timeout(drain, serving.as_mut()).await {
        tracing::info!("stopped: every call has ended");
        return ended.map_err(ServeError::Transport);
    }
    tracing::warn!("the drain time is over: calls in hand are answered, open connections are cut");
    calls.cut();
    match tokio::time::timeout(LAST_ANSWERS, serving).await {
        Ok(ended) => ended.map_err(ServeError::Transport),
        Err(_elapsed) => Ok(()),
    }
}

/// What health is told of: the process as a whole, and each service.
const SERVED: [&str; 3] = ["", OPEN_LINES, TENANTS];

async fn set_health(health: &HealthReporter, status: ServingStatus) {
    for service in SERVED {
        health.set_service_status(service, status).await;
    }
}

async fn drop_health(health: &HealthReporter) {
    let mut health = health.clone();
    for service in SERVED {
        health.clear_service_status(service).await;
    }
}

fn with_reflection<L>(router: Router<L>) -> Result<Router<L>, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().map_err(ServeError::Reflection)?;
    let v1alpha = reflection()
        .build_v1alpha()
        .map_err(ServeError::Reflection)?;
    Ok(router.add_service(v1).add_service(v1alpha))
}

fn tls_config(tls: &config::Tls) -> Result<ServerTlsConfig, ServeError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| ServeError::TlsFile {
            path: path.to_owned(),
            source,
        })
    };
    let identity = Identity::from_pem(read(&tls.certificate_file)?, read(&tls.private_key_file)?);
    Ok(ServerTlsConfig::new()
        .identity(identity)
        .timeout(limits::TLS_HANDSHAKE))
}
