//! The load: a closed loop of so many calls in flight, over eight connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use uuid::Uuid;

const CONNECTIONS: usize = 8;

/// Clients of one server.
pub(crate) struct Load {
    clients: Vec<OpenLinesServiceClient<Channel>>,
    authorization: MetadataValue<Ascii>,
    /// Every caller goes round all of them.
    tenants: Arc<[String]>,
    /// The calls of earlier rounds: the next one goes on where they ended.
    made: AtomicUsize,
    /// Whether each call has an idempotency key.
    has_request_ids: bool,
}

/// What one round gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) calls: usize,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Processor time of the server in this round.
    pub(crate) processor: Duration,
}

impl Load {
    pub(crate) async fn new(server: SocketAddr, key: &str) -> Self {
        Self::of_tenants(server, key, vec!["hook".to_owned()]).await
    }

    pub(crate) async fn of_tenants(server: SocketAddr, key: &str, tenants: Vec<String>) -> Self {
        Self::over(CONNECTIONS, server, key, tenants).await
    }

    /// Over so many connections.
    pub(crate) async fn over(
        connections: usize,
        server: SocketAddr,
        key: &str,
        tenants: Vec<String>,
    ) -> Self {
        let mut clients = Vec::new();
        for _ in 0..connections {
            let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
            clients.push(OpenLinesServiceClient::new(
                endpoint.connect().await.unwrap(),
            ));
        }
        Self {
            clients,
            authorization: format!("Bearer {key}").parse().unwrap(),
            tenants: tenants.into(),
            made: AtomicUsize::new(0),
            has_request_ids: false,
        }
    }

    /// The same with an idempotency key for each call.
    pub(crate) fn with_request_ids(self) -> Self {
        Self {
            has_request_ids: true,
            ..self
        }
    }

    pub(crate) async fn round(&self, in_flight: usize, duration: Duration) -> Round {
        let begun = Instant::now();
        let mut callers = JoinSet::new();
        for number in 0..in_flight {
            callers.spawn(self.caller(number, in_flight).calls(begun + duration));
        }
        let mut latencies: Vec<Duration> = callers.join_all().await.into_iter().flatten().collect();
        latencies.sort_unstable();
        self.made.fetch_add(latencies.len(), Ordering::Relaxed);
        Round {
            calls: latencies.len(),
            elapsed: begun.elapsed(),
            p50: latencies[latencies.len() / 2],
            p99: latencies[latencies.len() * 99 / 100],
            processor: Duration::ZERO,
        }
    }

    /// One of so many callers.
    pub(crate) fn caller(&self, number: usize, callers: usize) -> Caller {
        Caller {
            client: self.clients[number % self.clients.len()].clone(),
            authorization: self.authorization.clone(),
            tenants: Arc::clone(&self.tenants),
            next: number * self.tenants.len() / callers
                + self.made.load(Ordering::Relaxed) / callers,
            // Calls of one chat would wait for each other.
            chat: 1341 + i64::try_from(number).unwrap(),
            has_request_ids: self.has_request_ids,
        }
    }
}

/// Makes one call after the other.
pub(crate) struct Caller {
    client: OpenLinesServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
    tenants: Arc<[String]>,
    /// The tenant of the next call, modulo their number.
    next: usize,
    chat: i64,
    has_request_ids: bool,
}

impl Caller {
    async fn calls(mut self, end: Instant) -> Vec<Duration> {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            latencies.push(self.call().await);
        }
        latencies
    }

    /// Makes one call, and says how long it took.
    pub(crate) async fn call(&mut self) -> Duration {
        let request_id = self.has_request_ids.then(|| Uuid::new_v4().to_string());
        let tenant = &self.tenants[self.next % self.tenants.len()];
        self.next += 1;
        let mut request = Request::new(api::SendCrmMessageRequest {
            tenant_id: tenant.clone(),
            request_id: request_id.unwrap_or_default(),
            crm_entity_type: api::CrmEntityType::Lead.into(),
            crm_entity_id: 1195,
            user_id: 27,
            portal_chat_id: self.chat,
            text: "Your order has left our warehouse and will arrive tomorrow.".to_owned(),
            ..Default::default()
        });
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        let begun = Instant::now();
        let answer = self.client.send_crm_message(request).await.unwrap();
        let took = begun.elapsed();
        assert_eq!(answer.get_ref().portal_message_id, 19_880_117);
        took
    }
}
