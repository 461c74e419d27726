//! The testbed: the service, its portals, and the connections to it.

use sandbox::{Limits, demo};

use super::call::tenant;
use super::connection::Connection;
use super::sandbox::Portals;
use super::service::{Files, Service};

/// The connections of the callers.
const CONNECTIONS: usize = 8;

/// A new sandbox and a new service.
pub(crate) struct Testbed {
    pub(crate) portals: Portals,
    pub(crate) service: Service,
    pub(crate) connections: Vec<Connection>,
}

impl Testbed {
    /// One portal with each of these limits, and a tenant of each, whose plan says the same.
    pub(crate) async fn start(limits: &[Limits]) -> Self {
        let portals = Portals::start(limits);
        let each = portals.addresses.iter().zip(limits).enumerate();
        let tenants: String = each
            .map(|(number, (address, limits))| {
                let plan = limits.intensity.map_or("unlimited", |_| "standard");
                format!(
                    "- {{id: {}, portal: 'http://{address}', plan: {plan}, webhook: {{user_id: {}, secret: {{inline: {}}}}}}}\n",
                    tenant(number),
                    demo::OWNER,
                    demo::WEBHOOK_SECRET
                )
            })
            .collect();
        let service = Files::write(None, &tenants, "").start().await;
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Connection::open(&service).await);
        }
        Self {
            portals,
            service,
            connections,
        }
    }

    /// One portal with the documented limits.
    pub(crate) async fn documented() -> Self {
        Self::start(&[super::sandbox::documented()]).await
    }

    /// The connection of the caller with this number.
    pub(crate) fn connection(&self, caller: usize) -> Connection {
        self.connections[caller % CONNECTIONS].clone()
    }
}
