//! An exact number of calls of one kind, so many at a time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};
use uuid::Uuid;

use super::process::Process;
use super::stub::{HELD, MESSAGE_ID, PORTAL_MESSAGE_ID, REFUSED, RELEASE};

/// Every so-manyth call is traced, because its caller says so: by chance it would be now more, now
/// fewer. Those of batches are not.
const TRACED: usize = 10;

/// The calls of a batch.
pub(crate) const BATCH: usize = 50;

const CONNECTIONS: usize = 8;

const TEXT: &str = "Your order has left our warehouse and will arrive tomorrow.";

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Crm,
    Connector,
    Network,
    /// Calls that break two rules.
    Invalid,
    /// Calls that the portal refuses.
    Refused,
    /// Calls with a key that nobody has.
    WrongKey,
    /// Calls for a portal that is busy until all of them wait: they travel in one request.
    Batch,
}

/// Clients of one server.
pub(crate) struct Calls {
    clients: Vec<OpenLinesServiceClient<Channel>>,
    key: String,
    portal: SocketAddr,
}

/// How calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(crate) kind: Kind,
    pub(crate) in_flight: usize,
    pub(crate) has_request_ids: bool,
}

impl Calls {
    pub(crate) async fn new(server: SocketAddr, key: &str, portal: SocketAddr) -> Self {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let endpoint = Endpoint::from_shared(format!("http://{server}")).unwrap();
            let channel = endpoint.connect().await.unwrap();
            clients.push(OpenLinesServiceClient::new(channel));
        }
        Self {
            clients,
            key: key.to_owned(),
            portal,
        }
    }

    /// Makes so many calls, and returns whether they travelled as they should: all calls of a batch
    /// in one request.
    pub(crate) async fn make(&self, way: Way, count: usize, server: &Process) -> bool {
        if way.kind != Kind::Batch {
            self.make_at_once(way, count).await;
            return true;
        }
        let mut is_right = true;
        for _ in 0..count / BATCH {
            is_right &= self.batch(way, server).await;
        }
        is_right
    }

    /// Makes so many calls, however they travel.
    pub(crate) async fn make_at_once(&self, way: Way, count: usize) {
        let left = Arc::new(AtomicUsize::new(count));
        let mut callers = JoinSet::new();
        for number in 0..way.in_flight {
            let (mut caller, left) = (self.caller(way, number), Arc::clone(&left));
            callers.spawn(async move {
                let take = |left: usize| left.checked_sub(1);
                while let Ok(left) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
                    caller.call(left % TRACED == 0, TEXT).await;
                }
            });
        }
        callers.join_all().await;
    }

    /// One call keeps the portal busy until the others of the batch wait.
    async fn batch(&self, way: Way, server: &Process) -> bool {
        let mut first = self.caller(
            Way {
                kind: Kind::Crm,
                ..way
            },
            BATCH,
        );
        let first = tokio::spawn(async move { first.call(false, HELD).await });
        idle(server).await;
        let mut callers = JoinSet::new();
        for number in 0..BATCH {
            let mut caller = self.caller(way, number);
            callers.spawn(async move { caller.call(false, TEXT).await });
        }
        idle(server).await;
        let mut portal = tokio::net::TcpStream::connect(self.portal).await.unwrap();
        let release = format!("GET {RELEASE} HTTP/1.1\r\nhost: portal\r\n\r\n");
        portal.write_all(release.as_bytes()).await.unwrap();
        first.await.unwrap();
        let sizes = callers.join_all().await;
        sizes.into_iter().all(|size| size == BATCH)
    }

    fn caller(&self, way: Way, number: usize) -> Caller {
        let mut key = self.key.clone();
        if way.kind == Kind::WrongKey {
            let last = key.pop();
            key.push(if last == Some('A') { 'B' } else { 'A' });
        }
        Caller {
            client: self.clients[number % CONNECTIONS].clone(),
            authorization: format!("Bearer {key}"),
            way,
            // Calls of one chat would wait for each other.
            chat: 1341 + i64::try_from(number).unwrap(),
        }
    }
}

/// Waits until a program has done nothing for some time.
async fn idle(process: &Process) {
    let mut before = None;
    loop {
        let now = process.processor_time();
        if before.replace(now) == Some(now) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

struct Caller {
    client: OpenLinesServiceClient<Channel>,
    authorization: String,
    way: Way,
    chat: i64,
}

impl Caller {
    /// Makes a call, and returns how many travelled in its request.
    async fn call(&mut self, is_traced: bool, text: &str) -> usize {
        let tenant_id = "hook".to_owned();
        let request_id = if self.way.has_request_ids {
            Uuid::new_v4().to_string()
        } else {
            String::new()
        };
        match self.way.kind {
            Kind::Crm | Kind::Batch | Kind::Invalid | Kind::Refused | Kind::WrongKey => {
                let is_valid = self.way.kind != Kind::Invalid;
                let text = match self.way.kind {
                    Kind::Invalid => "",
                    Kind::Refused => REFUSED,
                    Kind::Crm | Kind::Batch | Kind::WrongKey | Kind::Connector | Kind::Network => {
                        text
                    }
                };
                let request = self.request(
                    is_traced,
                    api::SendCrmMessageRequest {
                        tenant_id,
                        request_id,
                        crm_entity_type: api::CrmEntityType::Lead.into(),
                        crm_entity_id: 1195,
                        user_id: if is_valid { 27 } else { 0 },
                        portal_chat_id: self.chat,
                        text: text.to_owned(),
                        ..Default::default()
                    },
                );
                let answer = self.client.send_crm_message(request).await;
                let answer = answer.map(|answer| answer.get_ref().portal_message_id);
                match (self.way.kind, answer) {
                    (Kind::Crm, Ok(PORTAL_MESSAGE_ID)) => {}
                    (Kind::Batch, Ok(commands)) => return usize::try_from(commands).unwrap(),
                    (Kind::Invalid, Err(status)) if status.code() == Code::InvalidArgument => {}
                    (Kind::Refused, Err(status)) if status.code() == Code::FailedPrecondition => {}
                    (Kind::WrongKey, Err(status)) if status.code() == Code::Unauthenticated => {}
                    (kind, answer) => panic!("{kind:?}: {answer:?}"),
                }
            }
            Kind::Connector => {
                let request = self.connector_messages(request_id);
                let request = self.request(is_traced, request);
                let answer = self.client.send_connector_messages(request).await.unwrap();
                let result = answer.into_inner().results.pop().unwrap().outcome.unwrap();
                assert!(
                    matches!(result, api::connector_message_result::Outcome::Accepted(_)),
                    "{result:?}"
                );
            }
            Kind::Network => {
                let request = self.request(
                    is_traced,
                    api::SendNetworkMessageRequest {
                        tenant_id,
                        request_id,
                        line_code: "ab515f5d85a8b844d484f6ea75a2e494".to_owned(),
                        user_id: self.chat,
                        text: text.to_owned(),
                        ..Default::default()
                    },
                );
                self.client.send_network_message(request).await.unwrap();
            }
        }
        1
    }

    /// One message, as a messenger's connector sends it. Only applications may.
    fn connector_messages(&self, request_id: String) -> api::SendConnectorMessagesRequest {
        let message = api::ConnectorMessage {
            user: Some(api::ExternalUser {
                id: format!("user-{}", self.chat),
                first_name: "Anna".to_owned(),
                last_name: "Petrova".to_owned(),
                ..Default::default()
            }),
            message: Some(api::ExternalMessage {
                id: MESSAGE_ID.to_owned(),
                send_time: Some(prost_types::Timestamp {
                    seconds: 1_728_626_400,
                    nanos: 0,
                }),
                text: "Good afternoon".to_owned(),
                ..Default::default()
            }),
            chat: Some(api::ExternalChat {
                id: format!("chat-{}", self.chat),
                name: "Order 7".to_owned(),
                ..Default::default()
            }),
        };
        api::SendConnectorMessagesRequest {
            tenant_id: "app".to_owned(),
            request_id,
            connector_id: "shop".to_owned(),
            line_id: 11,
            messages: vec![message],
            ..Default::default()
        }
    }

    fn request<T>(&self, is_traced: bool, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata: &mut MetadataMap = request.metadata_mut();
        metadata.insert("authorization", self.authorization.parse().unwrap());
        if is_traced {
            let trace = Uuid::new_v4().simple();
            let parent = format!("00-{trace}-00f067aa0ba902b7-01");
            metadata.insert("traceparent", parent.parse().unwrap());
        }
        request
    }
}
