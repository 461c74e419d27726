//! The gRPC server: listener, TLS, health, reflection, the layer around every call, and graceful
//! shutdown. It knows the services that it serves by name only.

mod about;
pub(crate) mod admin;
mod call;
mod call_id;
mod conduct;
mod connections;
mod deadline;
mod edge;
mod ending;
mod memory;
mod peer;
mod protocol;
mod renewal;
mod reply;
mod response;
mod settings;
mod shares;
mod strangers;
mod tls;
mod unary;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use tower::util::BoxCloneSyncService;

use self::call::CallLayer;
use self::connections::Connections;
use self::deadline::Timeouts;
pub(crate) use self::edge::EdgeSettings;
pub(crate) use self::settings::{AdminSettings, ServerSettings};
use self::tls::Tls;
pub(crate) use self::tls::TlsError;
pub(crate) use self::unary::{Item, Unary, framed};
use crate::auth::Callers;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::telemetry::Sampling;
use crate::workers::Workers;

/// The server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The API's descriptors cannot be read: a bug of the build.
    #[error("could not set up reflection")]
    Reflection(#[source] tonic_reflection::server::Error),
}

/// The services, beside health and reflection.
#[derive(Debug)]
pub(crate) struct Services<O> {
    /// The service that sends.
    pub(crate) operations: O,
    /// The others.
    pub(crate) routes: Routes,
    /// Who may call them.
    pub(crate) callers: Callers,
    /// Every method with the full name of its service.
    pub(crate) methods: &'static [(&'static str, &'static str)],
    /// The service whose calls are sensitive to the order in which they arrive.
    pub(crate) in_order: &'static str,
    /// A `FileDescriptorSet`, for reflection.
    pub(crate) descriptors: &'static [u8],
}

/// Serves until `stop` completes, then shuts down: health says NOT_SERVING; after the shutdown
/// delay new calls are refused and connections are not accepted; calls in progress end; after the
/// drain time the rest is terminated. `at_once` ends delay and drain time.
///
/// # Errors
///
/// [`ServeError`] if the server cannot start.
pub(crate) async fn serve<O: Unary>(
    (listener, workers): (TcpListener, Workers),
    (settings, edge): &(ServerSettings, EdgeSettings),
    services: Services<O>,
    (metrics, sampling): (Metrics, Sampling),
    readiness: &Readiness,
    stop: impl Future<Output = ()>,
    at_once: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let mut health = Health::new(reporter, services.methods);
    let timeouts = Timeouts {
        default: settings.default_deadline,
        maximum: settings.maximum_deadline,
    };
    let calls = CallLayer::new(
        timeouts,
        settings,
        (&edge.admission, edge.streams),
        services.methods,
        services.callers,
        (metrics.clone(), sampling),
    );
    let tls = edge.tls.files().map(Tls::read).transpose()?;
    let encrypted = tls.is_some();
    let health_service = health_service.max_decoding_message_size(about::REQUEST_BYTES);
    let mut routes = services.routes.add_service(health_service);
    if settings.reflection {
        routes = with_reflection(routes, services.descriptors)?;
    }
    let connections = Connections::new(
        calls.calls(
            services.operations,
            BoxCloneSyncService::new(routes.prepare()),
        ),
        services.in_order,
        &edge.connections,
        settings.maximum_deadline,
        tls,
        workers,
        metrics.clone(),
    );

    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        tls = encrypted,
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    health.set(ServingStatus::Serving).await;
    readiness.begin();
    let (drain, drained) = oneshot::channel::<()>();
    let connected = connections.serve(listener, async {
        // An error means that the sender is gone: stop as well.
        let _ = drained.await;
    });
    let serving = async {
        tokio::select! {
            () = connected => {}
            () = calls.report_strangers(edge.admission.report_interval) => {}
        }
    };
    let mut serving = std::pin::pin!(serving);
    let mut at_once = std::pin::pin!(at_once.fuse());

    tokio::select! {
        () = &mut serving => return Ok(()),
        () = stop => {}
        () = &mut at_once => {}
        () = health.follow(readiness) => {}
    }
    tracing::info!("shutting down: health is NOT_SERVING");
    readiness.stop();
    health.set(ServingStatus::NotServing).await;
    if !at_once.is_terminated() {
        tokio::select! {
            () = &mut serving => return Ok(()),
            () = tokio::time::sleep(settings.shutdown_delay) => {}
            () = &mut at_once => {}
        }
    }
    calls.stop();
    // Ends the streams of health watchers, which would keep the server from stopping.
    health.clear().await;
    let _ = drain.send(());
    metrics.drain_started();
    finish(serving, settings.drain, at_once, &calls).await;
    calls.tell_strangers();
    Ok(())
}

/// Checks the certificate and the key, which otherwise only a start does.
///
/// # Errors
///
/// [`TlsError`], as a start would give it.
pub(crate) fn check(edge: &EdgeSettings) -> Result<(), TlsError> {
    edge.tls.files().map(Tls::read).transpose().map(|_| ())
}

/// How long the responses to terminated calls may take to leave.
const LAST_RESPONSES: Duration = Duration::from_millis(500);

/// The same after a second stop signal, whose sender waits half a second for the whole end.
const LAST_RESPONSES_AT_ONCE: Duration = Duration::from_millis(200);

/// One limit around the whole drain: an incomplete handshake or an open reflection stream would
/// hold it for ever.
async fn finish(
    mut serving: Pin<&mut impl Future<Output = ()>>,
    drain: Duration,
    mut at_once: Pin<&mut impl FusedFuture<Output = ()>>,
    calls: &CallLayer,
) {
    let drain = if at_once.is_terminated() {
        Duration::ZERO
    } else {
        drain
    };
    tokio::select! {
        biased;
        () = &mut serving => {
            tracing::info!("shut down: every call has ended");
            return;
        }
        () = &mut at_once => {}
        () = tokio::time::sleep(drain) => {}
    }
    let last_responses = if at_once.is_terminated() {
        tracing::warn!("stopped at once: answering calls in progress and closing open connections");
        LAST_RESPONSES_AT_ONCE
    } else {
        tracing::warn!(
            "the drain time is over: answering calls in progress and closing open connections"
        );
        LAST_RESPONSES
    };
    calls.terminate();
    let _ = tokio::time::timeout(last_responses, serving).await;
}

/// The health of the process as a whole, under the empty name, and of each service.
struct Health {
    reporter: HealthReporter,
    names: BTreeSet<&'static str>,
    /// What watchers were last told.
    told: Option<ServingStatus>,
}

impl Health {
    fn new(reporter: HealthReporter, methods: &[(&'static str, &'static str)]) -> Self {
        let services = methods.iter().map(|(service, _)| *service);
        let names = services.chain([""]).collect();
        Self {
            reporter,
            names,
            told: None,
        }
    }

    /// Says without end whether the service is ready.
    async fn follow(&mut self, readiness: &Readiness) {
        let mut ready = readiness.changes();
        loop {
            let is_ready = *ready.borrow_and_update();
            self.set(if is_ready {
                ServingStatus::Serving
            } else {
                ServingStatus::NotServing
            })
            .await;
            if ready.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Watchers hear of changes only, which the library leaves to who reports.
    async fn set(&mut self, status: ServingStatus) {
        if self.told.replace(status) == Some(status) {
            return;
        }
        for name in &self.names {
            self.reporter.set_service_status(*name, status).await;
        }
    }

    async fn clear(&self) {
        let mut reporter = self.reporter.clone();
        for name in &self.names {
            reporter.clear_service_status(name).await;
        }
    }
}

fn with_reflection(routes: Routes, descriptors: &'static [u8]) -> Result<Routes, ServeError> {
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(descriptors)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let v1 = reflection().build_v1().map_err(ServeError::Reflection)?;
    let v1alpha = reflection()
        .build_v1alpha()
        .map_err(ServeError::Reflection)?;
    let v1 = v1.max_decoding_message_size(about::REQUEST_BYTES);
    let v1alpha = v1alpha.max_decoding_message_size(about::REQUEST_BYTES);
    Ok(routes.add_service(v1).add_service(v1alpha))
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use tonic::Request;
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_server::Health as _;
    use tonic_health::server::HealthService;

    use super::*;

    #[tokio::test]
    async fn watchers_of_health_hear_of_changes_only() {
        let reporter = HealthReporter::new();
        let service = HealthService::from_health_reporter(reporter.clone());
        let mut health = Health::new(reporter, &[]);
        health.set(ServingStatus::Serving).await;
        let request = Request::new(HealthCheckRequest::default());
        let mut watch = service.watch(request).await.unwrap().into_inner();
        watch.next().await.unwrap().unwrap();
        health.set(ServingStatus::Serving).await;
        assert!(watch.next().now_or_never().is_none());
        health.set(ServingStatus::NotServing).await;
        assert!(watch.next().now_or_never().is_some());
    }
}
