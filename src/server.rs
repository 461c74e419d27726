//! The gRPC server: listener, TLS, health, reflection, the layer around every call, and the orderly stop.

pub mod admin;
mod call;
mod call_id;
mod connections;
mod deadline;
mod ending;
mod load;
mod settings;
mod tls;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::Layer;

use self::call::CallLayer;
use self::connections::Connections;
use self::deadline::Patience;
pub use self::settings::{AdminSettings, ServerSettings};
use self::tls::Tls;
pub use self::tls::TlsFault;
use crate::admin::Tenants;
use crate::api;
use crate::api::openlines::tenants::v1::tenant_service_server::{
    SERVICE_NAME as TENANTS, TenantServiceServer,
};
use crate::api::openlines::v1::open_lines_service_server::{
    OpenLinesServiceServer, SERVICE_NAME as OPEN_LINES,
};
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
    Tls(#[from] TlsFault),
    /// The API's descriptors cannot be read: a fault of the build.
    #[error("reflection cannot be set up")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// What is served beside health and reflection.
#[derive(Debug)]
pub struct Services {
    /// Sends messages.
    pub open_lines: OpenLines,
    /// Manages tenants.
    pub tenants: Tenants,
}

/// Serves until `stop` completes, then stops in order: health says NOT_SERVING; after the shutdown delay new calls are refused and
/// no connection is accepted; calls in hand end; after the drain time what is left is cut.
///
/// # Errors
///
/// [`ServeError`] if the server cannot start or its transport fails.
pub async fn serve(
    listener: TcpListener,
    settings: &ServerSettings,
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

    let tls = settings.tls_files().map(Tls::read).transpose()?;
    let encrypted = tls.is_some();
    let open_lines = OpenLinesServiceServer::new(services.open_lines)
        .max_decoding_message_size(settings.maximum_request_bytes);
    let tenants = TenantServiceServer::new(services.tenants)
        .max_decoding_message_size(settings.maximum_request_bytes);
    let mut routes = Routes::new(health_service)
        .add_service(open_lines)
        .add_service(tenants);
    if settings.reflection {
        routes = with_reflection(routes)?;
    }
    let connections = Connections::new(
        calls.layer(routes.prepare()),
        OPEN_LINES,
        settings.maximum_concurrent_calls,
        tls,
    );

    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        tls = encrypted,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    set_health(&health, ServingStatus::Serving).await;
    ready.send_replace(true);
    let (drain, drained) = oneshot::channel::<()>();
    let serving = connections.serve(listener, async {
        // An error means that the sender is gone: stop as well.
        let _ = drained.await;
    });
    let mut serving = std::pin::pin!(serving);

    tokio::select! {
        () = &mut serving => return Ok(()),
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
    finish(serving.as_mut(), settings.drain, &calls).await;
    Ok(())
}

/// Checks what only a start would find out: whether the certificate and key are usable.
///
/// # Errors
///
/// [`ServeError`], as a start would give it.
pub fn check(settings: &ServerSettings) -> Result<(), ServeError> {
    settings.tls_files().map(Tls::read).transpose().map(|_| ())
}

/// How long the answers to calls that are cut may take to leave.
const LAST_ANSWERS: Duration = Duration::from_millis(500);

/// One limit around the whole drain: a peer that never completes its handshake, or an open reflection stream, would hold it for ever.
async fn finish(
    mut serving: std::pin::Pin<&mut impl Future<Output = ()>>,
    drain: Duration,
    calls: &CallLayer,
) {
    if tokio::time::timeout(drain, serving.as_mut()).await.is_ok() {
        tracing::info!("stopped: every call has ended");
        return;
    }
    tracing::warn!("the drain time is over: calls in hand are answered, open connections are cut");
    calls.cut();
    // Whoever does not take its answer by then is cut off.
    let _ = tokio::time::timeout(LAST_ANSWERS, serving).await;
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

fn with_reflection(routes: Routes) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(api::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().map_err(ServeError::Reflection)?;
    let v1alpha = reflection()
        .build_v1alpha()
        .map_err(ServeError::Reflection)?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}
