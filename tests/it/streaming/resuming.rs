//! A portal that loses answers, and a service that is killed: what the client resumes is delivered
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use sandbox::{Fault, FaultKind, Moment};
use store::sealing::Key;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use uuid::Uuid;

use super::{Item, crm, enterprise, is_sent, status};
use crate::support::deployment::Deployment;
use crate::support::stores::Stores;
use crate::support::{Told, conversations, tell, until};

/// The items of the whole, and the conversations that they go to.
const ITEMS: usize = 2_000;
const CHATS: i64 = 400;

/// Each of so many requests to the portal is executed and gets no answer.
const LOST: u32 = 25;

/// What the client knows of each item: whether its message is sent; else it is unknown.
type Known = BTreeMap<String, bool>;

fn items() -> Vec<Item> {
    let item = |number: usize| {
        let chat = i64::try_from(number).unwrap() % CHATS;
        let text = format!("item {number}");
        let message = api::SendCrmMessageRequest {
            request_id: Uuid::new_v4().to_string(),
            priority: api::CallPriority::Bulk.into(),
            ..conversations::crm_message(chat, &text)
        };
        crm(&text, message)
    };
    (0..ITEMS).map(item).collect()
}

/// Writes all items that have no answer, and reads answers until the stream ends or breaks.
async fn attempt(
    mut client: OpenLinesServiceClient<Channel>,
    deployment: &Deployment,
    items: &[Item],
    told: &mut Known,
) {
    let left = items
        .iter()
        .filter(|item| !told.contains_key(&item.item_key));
    let left: Vec<Item> = left.cloned().collect();
    let request = deployment.request(tokio_stream::iter(left));
    let Ok(answers) = client.streaming_send_messages(request).await else {
        return;
    };
    let mut answers = answers.into_inner();
    while let Some(Ok(answer)) = answers.next().await {
        let result = answer.result.unwrap();
        if is_sent(&result) {
            told.insert(answer.item_key, true);
        } else if is_unknown(&result) {
            told.insert(answer.item_key, false);
        }
    }
}

fn is_unknown(answer: &Answer) -> bool {
    let status = status(answer);
    match status.outcome().as_str() {
        "unknown" => true,
        "not_executed" => false,
        other => panic!("{other}: {status:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn items_are_delivered_once_although_answers_are_lost_and_the_service_is_killed() {
    let (sandbox, tenants) = enterprise(CHATS).await;
    sandbox.inject(Fault::every(LOST, FaultKind::Close(Moment::After)));
    let stores = Stores::sqlite();
    let key = Key::generate().unwrap();
    let deployment = Deployment::write(stores.url(), &key, &tenants, "");
    let (items, mut told) = (items(), Known::new());

    let first = deployment.start().await;
    let process = first.process;
    let kill = async {
        until("some items are delivered", || {
            sandbox.record().deliveries().count() > ITEMS / 4
        })
        .await;
        process.kill();
    };
    let sending = attempt(first.client, &deployment, &items, &mut told);
    tokio::join!(sending, kill);
    let before = told.len();
    assert!(before < ITEMS, "the kill came too late");

    let second = deployment.start().await;
    let mut rounds = 0;
    while told.len() < ITEMS {
        rounds += 1;
        assert!(rounds < 20, "{} of {ITEMS} have an answer", told.len());
        attempt(second.client.clone(), &deployment, &items, &mut told).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let unknown: BTreeSet<&str> = told
        .iter()
        .filter(|(_, is_sent)| !**is_sent)
        .map(|(key, _)| key.as_str())
        .collect();
    let record = sandbox.record();
    let delivered = record.delivered_by_text();
    tell(&format!(
        "{before} of {ITEMS} before the kill, {} unknown in the end, {} delivered",
        unknown.len(),
        delivered.len()
    ));
    assert!(!unknown.is_empty(), "no answer was lost");
    for item in &items {
        let key = item.item_key.as_str();
        let times = delivered.get(key).copied().unwrap_or_default();
        if unknown.contains(key) {
            assert!(times <= 1, "{key} is delivered {times} times");
        } else {
            assert_eq!(times, 1, "{key}");
        }
    }
}
