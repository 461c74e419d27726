//! Each item gets the answer that the single call would get.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_request::Operation;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use prost_types::Duration as Timeout;
use sandbox::{Delivery, Fault, FaultKind, Gate, Moment};
use uuid::Uuid;

use super::{Item, Stream, crm, fast, is_sent, item, status, world};
use crate::server::told;
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::{Told, World, conversations, until};

#[tokio::test]
async fn every_item_is_answered_as_the_single_call_is() {
    let world = World::start().await;
    conversations::add(&world.sandbox, 10);
    let mut stream = Stream::open(&world).await;
    let unknown = api::SendCrmMessageRequest {
        tenant_id: "nobody".to_owned(),
        ..crm_message("to nobody")
    };
    let refused = api::SendCrmMessageRequest {
        portal_chat_id: 999,
        ..crm_message("to no chat")
    };
    let two = vec![
        connector_message("m1", "one"),
        connector_message("m2", "two"),
    ];
    let items = [
        crm("sent", conversations::crm_message(1, "hello")),
        item(
            "messages",
            Operation::ConnectorMessages(connector_messages(two)),
        ),
        item(
            "network",
            Operation::NetworkMessage(conversations::network_message(2, "week")),
        ),
        crm("invalid", crm_message("")),
        crm("unknown tenant", unknown.clone()),
        crm("refused", refused.clone()),
    ];
    for item in items {
        stream.write(item).await;
    }
    stream.close();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    assert_eq!(answers.len(), 6);
    assert!(is_sent(&answers["sent"]) && is_sent(&answers["network"]));
    let Answer::ConnectorMessages(messages) = &answers["messages"] else {
        panic!("{answers:?}");
    };
    assert_eq!(messages.results.len(), 2);
    for (key, call) in [
        ("invalid", crm_message("")),
        ("unknown tenant", unknown),
        ("refused", refused),
    ] {
        let (of_item, of_call) = (status(&answers[key]), world.send(call).await.unwrap_err());
        assert_eq!(told(&of_item), told(&of_call), "{key}");
        assert_eq!(of_item.message(), of_call.message(), "{key}");
        assert_eq!(of_item.violations(), of_call.violations(), "{key}");
        let request_info = of_item.details_of();
        assert!(request_info.request_info().is_some(), "{key}");
    }
    assert_eq!(world.sandbox.record().times_delivered("hello"), 1);
}

#[tokio::test]
async fn what_is_wrong_with_the_item_itself_fails_the_item_alone() {
    let world = World::start().await;
    let mut stream = Stream::open(&world).await;
    let timeout = |seconds| Item {
        timeout: Some(Timeout { seconds, nanos: 0 }),
        ..crm("t", crm_message("not in time"))
    };
    let nothing = Item {
        operation: None,
        ..crm("nothing", crm_message(""))
    };
    for (wrong, field, rule) in [
        (crm("", crm_message("no key")), "item_key", "REQUIRED"),
        (
            crm(&"k".repeat(129), crm_message("long key")),
            "item_key",
            "TOO_LONG",
        ),
        (nothing, "operation", "REQUIRED"),
        (timeout(0), "timeout", "NOT_POSITIVE"),
        (timeout(-1), "timeout", "NOT_POSITIVE"),
        (timeout(601), "timeout", "TOO_LONG"),
    ] {
        // An answer has no more of a key than a key may have.
        let key: String = wrong.item_key.chars().take(128).collect();
        stream.write(wrong).await;
        let (answered, answer) = stream.answer().await;
        assert_eq!(answered, key);
        let status = status(&answer);
        assert_eq!(
            told(&status),
            "INVALID_ARGUMENT INVALID_REQUEST not_executed"
        );
        assert_eq!(status.violations(), [(field.to_owned(), rule.to_owned())]);
    }
    stream.write(crm("well", crm_message("well"))).await;
    assert!(is_sent(&stream.answer().await.1));
    assert_eq!(world.sandbox.record().entries.len(), 1);
}

#[tokio::test]
async fn a_key_may_be_used_again_when_its_item_is_answered_and_not_before() {
    let world = World::start().await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut stream = Stream::open(&world).await;
    stream.write(crm("a", crm_message("first"))).await;
    stream.write(crm("a", crm_message("second"))).await;
    let (key, answer) = stream.answer().await;
    assert_eq!(key, "a");
    let twice = [("item_key".to_owned(), "DUPLICATE".to_owned())];
    assert_eq!(status(&answer).violations(), twice);
    gate.open();
    assert!(is_sent(&stream.answer().await.1));
    stream.write(crm("a", crm_message("third"))).await;
    assert!(is_sent(&stream.answer().await.1));
    let record = world.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(Vec::from_iter(delivered.keys()), [&"first", &"third"]);
}

#[tokio::test]
async fn items_of_a_conversation_arrive_in_the_order_in_which_they_were_written() {
    const CHATS: i64 = 3;
    let world = world(&[], CHATS).await;
    let mut stream = Stream::open(&world).await;
    for number in 0..240 {
        let message = fast(number % CHATS, &format!("{number:03}"));
        stream.write(crm(&number.to_string(), message)).await;
    }
    stream.close();
    let (answers, end) = stream.rest().await;
    end.unwrap();
    assert_eq!(answers.len(), 240);
    assert!(answers.values().all(is_sent));
    let record = world.sandbox.record();
    let mut chats = std::collections::BTreeMap::<i64, Vec<&str>>::new();
    for delivery in record.deliveries() {
        if let Delivery::Crm { chat_id, text, .. } = delivery {
            chats.entry(*chat_id).or_default().push(text);
        }
    }
    assert_eq!(chats.len(), 3);
    for texts in chats.values() {
        assert_eq!(texts.len(), 80);
        assert!(texts.is_sorted(), "{texts:?}");
    }
}

#[tokio::test]
async fn an_item_that_runs_out_of_time_fails_alone() {
    let world = World::start().await;
    conversations::add(&world.sandbox, 2);
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut stream = Stream::open(&world).await;
    let short = Item {
        timeout: Some(Timeout {
            seconds: 0,
            nanos: 300_000_000,
        }),
        ..crm("late", conversations::crm_message(0, "late"))
    };
    stream.write(short).await;
    until("the item is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    let other = conversations::crm_message(1, "in time");
    stream.write(crm("in time", other)).await;
    let mut answers = [stream.answer().await, stream.answer().await];
    answers.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(is_sent(&answers[0].1), "{answers:?}");
    let late = told(&status(&answers[1].1));
    assert_eq!(late, "DEADLINE_EXCEEDED OUTCOME_UNKNOWN unknown");
    gate.open();
}

#[tokio::test]
async fn an_item_that_is_repeated_is_answered_from_the_ledger() {
    let world = World::start().await;
    let message = api::SendCrmMessageRequest {
        request_id: Uuid::new_v4().to_string(),
        ..crm_message("once")
    };
    let mut first = Stream::open(&world).await;
    first.write(crm("1", message.clone())).await;
    let (_, answer) = first.answer().await;
    drop(first);
    let mut second = Stream::open(&world).await;
    second.write(crm("2", message)).await;
    let (_, replayed) = second.answer().await;
    let sent = |answer: &Answer| {
        let Answer::CrmMessage(sent) = answer else {
            panic!("{answer:?}");
        };
        (sent.portal_message_id, sent.replayed)
    };
    let (id, _) = sent(&answer);
    assert_eq!(sent(&answer), (id, false));
    assert_eq!(sent(&replayed), (id, true));
    assert_eq!(world.sandbox.record().times_delivered("once"), 1);
}
