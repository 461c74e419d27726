//! Calls to one conversation are sent in the order in which they arrived, whatever each of them has
//! to wait for before.

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use prost::Message;
use sandbox::Sandbox;
use tokio::time::Duration;
use uuid::Uuid;

use crate::support::raw::{RawClient, SERVICE, framed};
use crate::support::{World, conversations};

const CONVERSATIONS: i64 = 10;

/// Who makes the calls, all over one connection.
struct Caller {
    connection: RawClient,
    authorization: String,
}

impl Caller {
    async fn connect(world: &World) -> Self {
        Self {
            connection: RawClient::connect(world.service.address).await,
            authorization: format!("Bearer {}", world.service.key.expose()),
        }
    }

    /// Sends the message with this number as soon as the future is asked, and says whether it
    /// succeeded.
    async fn send(&self, number: i64) -> bool {
        let text = format!("{number:04}");
        let mut message = conversations::crm_message(number % CONVERSATIONS, &text);
        // Some travel alone between those that travel together, and some ask the ledger first.
        message.disable_batching = number % 7 == 0;
        if number % 3 == 0 {
            message.request_id = Uuid::new_v4().to_string();
        }
        let bytes = framed(&message.encode_to_vec());
        self.send_bytes(stream::iter([bytes])).await
    }

    async fn send_bytes(
        &self,
        body: impl futures_util::Stream<Item = Bytes> + Send + 'static,
    ) -> bool {
        let headers = [("authorization", self.authorization.as_str())];
        let path = format!("{SERVICE}/SendCrmMessage");
        let answer = self.connection.call_bytes(&path, &headers, body).await;
        answer.is_ok_and(|answer| answer.status().code() == tonic::Code::Ok)
    }
}

/// The numbers that were delivered to each conversation.
fn delivered(sandbox: &Sandbox) -> Vec<Vec<i64>> {
    let record = sandbox.record();
    let numbers = record
        .deliveries()
        .filter_map(|one| one.text().parse().ok());
    let numbers: Vec<i64> = numbers.collect();
    let of = |conversation| {
        numbers
            .iter()
            .copied()
            .filter(move |number| number % CONVERSATIONS == conversation)
    };
    (0..CONVERSATIONS)
        .map(|conversation| of(conversation).collect())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_of_one_connection_keep_their_order_in_each_conversation() {
    let world = World::start().await;
    conversations::add(&world.sandbox, CONVERSATIONS);
    let caller = Caller::connect(&world).await;
    // The first ones wait for their tenant to be read from the store.
    let sent = join_all((0..1000).map(|number| caller.send(number))).await;
    assert!(sent.into_iter().all(|is_ok| is_ok));
    for (conversation, numbers) in delivered(&world.sandbox).into_iter().enumerate() {
        assert_eq!(numbers.len(), 100);
        assert!(
            numbers.is_sorted(),
            "conversation {conversation}: {numbers:?}"
        );
    }
    let record = world.sandbox.record();
    let has_batch = record
        .entries
        .iter()
        .any(|entry| !entry.commands.is_empty());
    assert!(has_batch, "nothing travelled together");
}

/// A request that does not arrive whole is nobody's but its sender's problem.
#[tokio::test]
async fn a_request_that_stalls_does_not_stop_the_calls_behind_it() {
    let world = World::start().await;
    conversations::add(&world.sandbox, CONVERSATIONS);
    let caller = Caller::connect(&world).await;
    let stalled = caller.send_bytes(stream::pending());
    let behind = async {
        let sent = join_all((0..20).map(|number| caller.send(number))).await;
        assert!(sent.into_iter().all(|is_ok| is_ok));
    };
    tokio::select! {
        biased;
        _ = stalled => panic!("it never ends"),
        () = behind => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("the others wait for it"),
    }
    assert!(
        delivered(&world.sandbox)
            .iter()
            .all(|numbers| numbers.len() == 2 && numbers.is_sorted())
    );
}
