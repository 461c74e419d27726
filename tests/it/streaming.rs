//! Streams of calls through real sockets: what every item gets, when the server reads no more, and
//! how a stream ends.

mod answers;
mod command;
mod ends;
mod pressure;
mod resuming;
mod rights;

use std::collections::BTreeMap;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_request::Operation;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};
use tonic_types::pb;

use sandbox::{Intensity, Portal, Sandbox, demo};

use crate::support::{World, conversations};

/// No test takes as long unless something is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tenant of a portal without a rate limit.
const FAST: &str = "fast";

type Item = api::StreamingSendMessagesRequest;

/// A service with the tenant [`FAST`], whose portal has so many conversations.
async fn world(settings: &[(&str, &str)], conversations: i64) -> World {
    let tenant = format!(
        "- {{id: {FAST}, portal: 'http://PORTAL', plan: unlimited, webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        demo::OWNER,
        demo::WEBHOOK_SECRET,
    );
    let world = World::with_tenants(settings, &tenant).await;
    conversations::add(&world.sandbox, conversations);
    world
}

/// A portal of the plan Enterprise with so many conversations, and a tenants file that has it as
/// the tenant of [`conversations::crm_message`].
async fn enterprise(conversations: i64) -> (Sandbox, String) {
    let mut portal = Portal::demo();
    portal.limits.intensity = Some(Intensity::ENTERPRISE);
    portal.limits.request_latency_ms = 10;
    portal.limits.command_latency_ms = 1;
    // What it measures would include how long this machine lets it wait for a processor.
    portal.limits.operating_seconds_per_call = Some(0.001);
    conversations::add_to(&mut portal, conversations);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![portal]).unwrap();
    let tenants = format!(
        "tenants:\n- {{id: hook, portal: 'http://{}', plan: enterprise, \
         webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        sandbox.address(),
        demo::OWNER,
        demo::WEBHOOK_SECRET,
    );
    (sandbox, tenants)
}

/// A message to the portal without a rate limit.
fn fast(conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: FAST.to_owned(),
        ..conversations::crm_message(conversation, text)
    }
}

/// An open stream.
struct Stream {
    /// `None`: the client has closed its side.
    items: Option<mpsc::Sender<Item>>,
    answers: Streaming<api::StreamingSendMessagesResponse>,
}

impl Stream {
    async fn open(world: &World) -> Self {
        Self::open_with(world.client().await, |items| world.request(items)).await
    }

    async fn open_with(
        mut client: OpenLinesServiceClient<Channel>,
        request: impl FnOnce(ReceiverStream<Item>) -> Request<ReceiverStream<Item>>,
    ) -> Self {
        let (items, receiver) = mpsc::channel(1);
        let request = request(ReceiverStream::new(receiver));
        let answers = client.streaming_send_messages(request).await.unwrap();
        Self {
            items: Some(items),
            answers: answers.into_inner(),
        }
    }

    async fn write(&self, item: Item) {
        let items = self.items.as_ref().unwrap();
        let written = tokio::time::timeout(PATIENCE, items.send(item)).await;
        written.expect("the stream takes no item").unwrap();
    }

    fn close(&mut self) {
        self.items = None;
    }

    /// The next answer, or how the stream ended: `None` is OK.
    async fn next(&mut self) -> Result<Option<(String, Answer)>, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.answers.message()).await;
        let answer = answer.expect("the stream says nothing")?;
        Ok(answer.map(|answer| (answer.item_key, answer.result.unwrap())))
    }

    async fn answer(&mut self) -> (String, Answer) {
        self.next().await.unwrap().expect("the stream has ended")
    }

    /// All answers to come, and how the stream ends.
    async fn rest(&mut self) -> (BTreeMap<String, Answer>, Result<(), Status>) {
        let mut answers = BTreeMap::new();
        loop {
            match self.next().await {
                Ok(Some((key, answer))) => {
                    let before = answers.insert(key.clone(), answer);
                    assert_eq!(before, None, "{key} is answered twice");
                }
                Ok(None) => return (answers, Ok(())),
                Err(status) => return (answers, Err(status)),
            }
        }
    }
}

fn item(key: &str, operation: impl Into<Operation>) -> Item {
    Item {
        item_key: key.to_owned(),
        operation: Some(operation.into()),
        timeout: None,
    }
}

fn crm(key: &str, message: api::SendCrmMessageRequest) -> Item {
    item(key, Operation::CrmMessage(message))
}

/// The status of a failed item, as a single call would have it.
fn status(answer: &Answer) -> Status {
    let Answer::Error(error) = answer else {
        panic!("{answer:?} is no error");
    };
    with_details(error)
}

fn with_details(error: &pb::Status) -> Status {
    let details = error.encode_to_vec().into();
    Status::with_details(error.code.into(), error.message.clone(), details)
}

fn is_sent(answer: &Answer) -> bool {
    matches!(
        answer,
        Answer::ConnectorMessages(_) | Answer::CrmMessage(_) | Answer::NetworkMessage(_)
    )
}
