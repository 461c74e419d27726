//! The testbed: a service, its portals, and the connections to it.

use std::net::SocketAddr;

use sandbox::{Limits, demo};

use super::call::{Call, tenant};
use super::connection::Connection;
use super::program::Program;
use super::sandbox::{Portals, documented};
use super::service::{Files, Service, free_address};

/// The connections of the callers to one service.
const CONNECTIONS: usize = 8;

/// How a service is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    /// One portal with each of these limits, and a tenant of each, whose plan says the same.
    pub(crate) limits: Vec<Limits>,
    /// How many processes share the store, which is PostgreSQL if there are several.
    pub(crate) replicas: usize,
    pub(crate) store_url: Option<String>,
    /// More of the settings, in YAML.
    pub(crate) settings: &'static str,
}

impl Setup {
    /// One process.
    pub(crate) fn of(limits: Vec<Limits>) -> Self {
        Self {
            limits,
            replicas: 1,
            ..Self::default()
        }
    }
}

/// A new sandbox and a new service.
pub(crate) struct Testbed {
    pub(crate) portals: Portals,
    pub(crate) replicas: Vec<Replica>,
}

/// A process of the service.
pub(crate) struct Replica {
    pub(crate) service: Service,
    admin: SocketAddr,
    pub(crate) connections: Vec<Connection>,
}

impl Testbed {
    pub(crate) async fn start(program: &Program, setup: Setup) -> Self {
        let portals = Portals::start(&setup.limits);
        let each = portals.addresses.iter().zip(&setup.limits).enumerate();
        let tenants: String = each
            .map(|(number, (address, limits))| {
                format!(
                    "- {{id: {}, portal: 'http://{address}', plan: {}, webhook: {{user_id: {}, secret: {{inline: {}}}}}}}\n",
                    tenant(number),
                    plan(limits),
                    demo::OWNER,
                    demo::WEBHOOK_SECRET
                )
            })
            .collect();
        let files = Files::write(setup.store_url.as_deref(), &tenants, setup.settings);
        let mut replicas = Vec::new();
        for _ in 0..setup.replicas {
            let admin = free_address();
            let service = files.start(&program.path, admin).await;
            let mut connections = Vec::new();
            for _ in 0..CONNECTIONS {
                connections.push(Connection::open(&service).await);
            }
            replicas.push(Replica {
                service,
                admin,
                connections,
            });
        }
        Self { portals, replicas }
    }

    /// One process, and one portal with the documented limits.
    pub(crate) async fn documented(program: &Program) -> Self {
        Self::start(program, Setup::of(vec![documented()])).await
    }

    /// The first process.
    pub(crate) fn service(&self) -> &Service {
        &self.replicas[0].service
    }

    /// The connections to the first process.
    pub(crate) fn connections(&self) -> &[Connection] {
        &self.replicas[0].connections
    }

    /// The connection of the caller with this number: callers go round the processes.
    pub(crate) fn connection(&self, caller: usize) -> &Connection {
        let replicas = self.replicas.len();
        let connections = &self.replicas[caller % replicas].connections;
        &connections[caller / replicas % CONNECTIONS]
    }

    /// The connection that carries the calls to a chat, in order.
    pub(crate) fn connection_to(&self, call: &Call) -> &Connection {
        self.connection(usize::try_from(call.chat).unwrap())
    }

    /// The sum of a metric's samples over all processes.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for replica in &self.replicas {
            let metrics = self.portals.get(replica.admin, "/metrics").await;
            let samples = metrics.lines().filter(|line| line.starts_with(name));
            sum += samples
                .filter_map(|line| line.rsplit_once(' '))
                .map(|(_, value)| value.parse::<f64>().unwrap())
                .sum::<f64>();
        }
        sum
    }
}

/// The plan that says what a portal's limits are.
fn plan(limits: &Limits) -> String {
    limits.intensity.map_or("unlimited".to_owned(), |limit| {
        format!(
            "{{burst: {}, per_second: {}}}",
            limit.burst, limit.drain_per_second
        )
    })
}
