//! Builds every part of the service once, from its settings.

mod config;
mod dependencies;
mod error;
mod export;
mod services;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::net::TcpListener;

pub use self::config::Config;
pub(crate) use self::config::StoreSettings;
pub(crate) use self::config::{
    ADDRESS_VARIABLE, API_KEY_VARIABLE, CA_FILE_VARIABLE, OperatorsFile,
};
use self::dependencies::Dependencies;
pub use self::error::AppError;
use self::services::services;
use crate::admin::Tenants;
use crate::auth::Callers;
use crate::dispatch::ledger::Ledger;
use crate::dispatch::replica::{HeartbeatConfig, Replica};
use crate::dispatch::sharing::{self, Sharing};
use crate::dispatch::{Dispatcher, Means};
use crate::install::{self, InstallationEndpoint, Limits, Retries};
use crate::listener::{Port, descriptors};
use crate::metrics::{ConfiguredLimits, Metrics};
use crate::openlines::OpenLines;
use crate::readiness::{Need, Readiness};
use crate::server::{self, EdgeSettings, ServeError, ServerSettings, Services, admin};
use crate::stop::Stop;
use crate::tasks::Tasks;
use crate::telemetry::Sampling;
use crate::tenant::{
    self, Directory, Judgement, ListedTenants, PortalAccess, WatchedKeyring, WatchedTenants,
};
use crate::workers::{self, Workers};
use bitrix24::{Client, TenantId};
use store::{Store, StoreError};

/// How long running refreshes and accepted installations may go on during a shutdown, beyond two
/// timeouts of the authorization server: new tokens must be stored.
const LAST_TASKS: Duration = Duration::from_secs(8);

/// How long they may go on after a second stop signal.
const LAST_TASKS_AT_ONCE: Duration = Duration::from_millis(50);

/// What the server needs, when everything else has been started.
struct Started {
    settings: (ServerSettings, EdgeSettings),
    services: Services<OpenLines>,
    metrics: Metrics,
    sampling: Sampling,
    readiness: Readiness,
}

/// Runs the service on `port`, with new `tasks`, until a shutdown is requested or a task fails,
/// and every call has ended. A request during the start ends it.
///
/// # Errors
///
/// [`AppError`].
pub async fn run(
    config: Config,
    port: impl Into<Port>,
    tasks: Tasks,
    stop: Stop,
) -> Result<(), AppError> {
    let number = config.server.workers.unwrap_or_else(workers::processors);
    let (workers, threads) = Workers::start(number, &tasks).map_err(AppError::Workers)?;
    let ended = run_with(workers, config, port.into(), tasks, stop).await;
    threads.end(workers::LAST).await;
    ended
}

async fn run_with(
    workers: Workers,
    config: Config,
    port: Port,
    tasks: Tasks,
    stop: Stop,
) -> Result<(), AppError> {
    let address = config.server.listen;
    let last = config.tenants.authorization_timeout * 2 + LAST_TASKS;
    let started = tokio::select! {
        biased;
        () = stop.requested() => None,
        started = Box::pin(start(config, &tasks)) => Some(started?),
    };
    let served = match started {
        Some(started) => {
            let listener = port.listen().map_err(|source| AppError::Listen {
                setting: "server.listen",
                address,
                source,
            })?;
            Box::pin(serve(listener, started, workers, &tasks, &stop)).await
        }
        None => {
            tracing::info!("shut down: stopped during the start");
            Ok(())
        }
    };
    tokio::select! {
        stopped = tokio::time::timeout(last, tasks.stop()) => {
            if stopped.is_err() {
                tracing::warn!("a refresh or an installation was still running at the end");
            }
        }
        () = stop.at_once() => {
            // They may need no time at all.
            let _ = tokio::time::timeout(LAST_TASKS_AT_ONCE, tasks.stop()).await;
        }
    }
    served?;
    tasks.failure().map_or(Ok(()), |failed| Err(failed.into()))
}

async fn serve(
    listener: TcpListener,
    started: Started,
    workers: Workers,
    tasks: &Tasks,
    stop: &Stop,
) -> Result<(), ServeError> {
    let Started {
        settings,
        services,
        metrics,
        sampling,
        readiness,
    } = started;
    let telling = (metrics, sampling);
    let orderly = async {
        tokio::select! {
            () = stop.requested() => {}
            () = tasks.failed() => {}
        }
    };
    let at_once = stop.at_once();
    server::serve(
        (listener, workers),
        &settings,
        services,
        telling,
        &readiness,
        orderly,
        at_once,
    )
    .await
}

/// Starts everything but the server.
async fn start(config: Config, tasks: &Tasks) -> Result<Started, AppError> {
    let Config {
        server,
        edge,
        admin,
        auth,
        tenants,
        transport,
        installation,
        store,
        dispatch,
        ledger,
        rules,
        log,
        telemetry,
        otel,
        ..
    } = config;
    let files = descriptors::reserve(edge.connections.maximum)?;
    let metrics = Metrics::new()?;
    metrics.limited(ConfiguredLimits {
        calls_in_progress: server.maximum_concurrent_calls,
        waiting_calls: dispatch.maximum_waiting_calls,
        waiting_bytes: dispatch.maximum_waiting_bytes,
        drain: server.drain,
    });
    let collector = export::start(&telemetry, &otel, &metrics, tasks)?;
    let readiness = Readiness::new(metrics.clone());
    let shown = Arc::<OnceLock<Dispatcher>>::default();
    if let Some(address) = admin.listen {
        let listener = listen("admin.listen", address).await?;
        let stopped = tasks.stopped().cancelled_owned();
        let told = admin::Told {
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            dispatcher: Arc::clone(&shown),
        };
        let serving = admin::serve(listener, admin, told, stopped);
        tasks.spawn_lasting("admin port", serving);
    }
    let client = Client::new(transport.options(&tenants.policy, files))?;
    metrics.watch_connections({
        let client = client.clone();
        move || client.connections()
    });
    let authorization_timeout = tenants.authorization_timeout;

    let stopped = tasks.stopped();
    let judgement = Judgement {
        policy: tenants.policy,
        default_server: tenants.default_server,
        applications: tenants.applications,
    };
    let store_readiness = store.readiness;
    let (store, directory, seen) = open_tenants(
        store,
        (tenants.file, tenants.maximum_cached),
        judgement.clone(),
        (&metrics, &readiness),
        tasks,
    )
    .await?;
    if let Some(address) = installation.listen {
        let listener = listen("installation.listen", address).await?;
        let endpoint = InstallationEndpoint {
            applications: directory.judgement().applications.clone(),
            store: store.clone(),
            client: client.clone(),
            policy: directory.judgement().policy.clone(),
            metrics: metrics.clone(),
            timeout: authorization_timeout,
            retries: Retries::default(),
            connection_age: installation.connection,
            limits: Limits {
                in_all: installation.questions_per_minute,
                of_one_source: installation.questions_per_minute_and_address,
            },
            trusted_proxies: installation.trusted_proxies,
        };
        let serving = install::serve(listener, endpoint, stopped.clone().cancelled_owned());
        tasks.spawn_lasting("installation endpoint", serving);
    }
    let access = PortalAccess::new(
        directory.clone(),
        store.clone(),
        client.clone(),
        authorization_timeout,
        tasks.tracker(),
        metrics.clone(),
    );
    let replica = Replica::new(&store, HeartbeatConfig::default(), tasks);
    let sharing = share(&store, &replica, &metrics, tasks);
    let ledger = Ledger::new(
        store.clone(),
        replica.clone(),
        ledger.lifetime,
        metrics.clone(),
        tasks,
    );
    let (callers, followed) = Callers::start(auth, &metrics, tasks);
    let dependencies = Dependencies::new(
        &readiness,
        (store.clone(), store_readiness),
        ledger.clone(),
        replica,
        sharing.clone(),
        followed,
        collector,
    );
    let watched = stopped
        .clone()
        .run_until_cancelled_owned(dependencies.watch());
    tasks.spawn_lasting("watch over dependencies", async move {
        watched.await;
    });
    let means = Means {
        client: client.clone(),
        access: access.clone(),
        ledger,
        sharing,
        metrics: metrics.clone(),
    };
    let (share, tracker) = (edge.admission.share, tasks.tracker());
    let dispatcher = Dispatcher::new(means, dispatch, share, tracker, stopped.clone());
    // Nobody else sets it.
    let _ = shown.set(dispatcher.clone());
    let on_change = {
        let (directory, dispatcher) = (directory.clone(), dispatcher.clone());
        move |tenant: TenantId| note_plan(directory.clone(), dispatcher.clone(), tenant)
    };
    let following = tenant::follow(
        directory.clone(),
        seen,
        metrics.clone(),
        on_change,
        stopped.clone(),
    );
    tasks.spawn_lasting("feed of changes", following);
    let tenants = Tenants {
        store,
        directory: directory.clone(),
        access,
        judgement,
        client,
        metrics: metrics.clone(),
    };
    let open_lines = OpenLines {
        directory,
        rules,
        dispatcher,
        metrics: metrics.clone(),
        audits_sends: log.audit_sends,
    };
    Ok(Started {
        services: services(open_lines, tenants, callers, server.maximum_request_bytes),
        settings: (server, edge),
        metrics,
        sampling: Sampling::of(&telemetry),
        readiness,
    })
}

/// A tenant has changed or is gone: its portal goes by its plan of now.
async fn note_plan(
    directory: Directory,
    dispatcher: Dispatcher,
    tenant: TenantId,
) -> Result<(), StoreError> {
    // Most tenants have made no call lately: the store need not be asked.
    if dispatcher.counts_plan_of(&tenant) {
        let current = directory.plan_of(&tenant).await?;
        let current = current.as_ref().map(|(portal, plan)| (portal, *plan));
        dispatcher.note_plan(&tenant, current);
    }
    Ok(())
}

/// Opens the store, applies the tenants file and watches it. Returns the number of the last change
/// that the directory need not follow.
async fn open_tenants(
    settings: StoreSettings,
    (file, maximum_cached): (Option<ListedTenants>, u64),
    judgement: Judgement,
    (metrics, readiness): (&Metrics, &Readiness),
    tasks: &Tasks,
) -> Result<(Store, Directory, i64), AppError> {
    let keyring = settings.keyring;
    let store = Store::open(&settings.url, keyring.clone(), ::store::Access::Service).await?;
    let mut watched_tenants = None;
    if let Some(file) = file {
        tenant::reconcile(&store, &file.tenants, metrics)
            .await
            .map_err(AppError::Reconcile)?;
        let dependency = readiness.dependency("tenants file", Need::Told);
        watched_tenants = Some(WatchedTenants::new(file, dependency));
    }
    let watched_keyring = settings.keyring_file.map(|path| {
        let dependency = readiness.dependency("keyring file", Need::Told);
        WatchedKeyring::new(keyring, path, dependency)
    });
    // Before the directory holds anything, so that no change is missed.
    let seen = store.last_change().await?;
    let directory = Directory::new(store.clone(), judgement, maximum_cached, metrics.clone());
    if watched_tenants.is_some() || watched_keyring.is_some() {
        let watching = tenant::watch(
            store.clone(),
            watched_tenants,
            watched_keyring,
            metrics.clone(),
            tasks.stopped(),
        );
        tasks.spawn_lasting("watch over files", watching);
    }
    Ok((store, directory, seen))
}

/// Shares the portals' budgets with the other replicas of the store, if it may have any.
fn share(store: &Store, replica: &Replica, metrics: &Metrics, tasks: &Tasks) -> Option<Sharing> {
    let Some((budgets, living)) = store.budgets().zip(replica.living_changes()) else {
        metrics.replicas_counted(0);
        metrics.sharing_isolated(false);
        return None;
    };
    let sharing = Sharing::start(budgets, replica.id(), living.clone(), tasks);
    let measured = sharing::measure(living, sharing.state(), metrics.clone());
    let measured = tasks.stopped().run_until_cancelled_owned(measured);
    tasks.spawn_lasting("measures of sharing", async move {
        measured.await;
    });
    Some(sharing)
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, AppError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| AppError::Listen {
        setting,
        address,
        source,
    })
}
