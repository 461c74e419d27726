//! Answers that are lost after the portal has done its work: who gets none is told so, and nobody
//! else, and nothing is sent twice.

use std::collections::BTreeSet;

use bitrix24_openlines::api::openlines::v1 as api;
use futures_util::future::join_all;
use sandbox::{Entry, Fault, FaultKind, Moment};
use tonic::{Code, Status};

use crate::support::{Fate, Told, World, conversations};

/// Sends all at once, over one connection. Gives what became of each text.
async fn send(
    world: &World,
    requests: impl Iterator<Item = api::SendCrmMessageRequest>,
) -> Vec<(String, Result<(), Status>)> {
    let client = world.client().await;
    let calls = requests.map(|request| {
        let text = request.text.clone();
        let request = world.request(request);
        let mut client = client.clone();
        async move {
            let answer = client.send_crm_message(request).await;
            (text, answer.map(drop))
        }
    });
    join_all(calls).await
}

/// The texts of requests whose answer was lost.
fn lost(entries: &[Entry]) -> BTreeSet<String> {
    let entries = entries.iter().filter(|entry| entry.fault.is_some());
    let deliveries = entries.flat_map(|entry| &entry.deliveries);
    deliveries
        .map(|delivery| delivery.text().to_owned())
        .collect()
}

/// Every text was delivered once, and those are unknown whose answer was lost, as such.
fn assert_told_as_recorded(world: &World, told: &[(String, Result<(), Status>)]) {
    let record = world.sandbox.record();
    let mut unknown = BTreeSet::new();
    for (text, answer) in told {
        if let Err(status) = answer {
            assert_eq!(
                (
                    status.code(),
                    status.reason().as_str(),
                    status.outcome().as_str()
                ),
                (Code::Unknown, "OUTCOME_UNKNOWN", "unknown"),
                "{text}: {status:?}"
            );
            unknown.insert(text.clone());
        }
    }
    assert_eq!(unknown, lost(&record.entries));
    let counts = record.delivered_by_text();
    assert_eq!(counts.len(), told.len());
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test]
async fn of_500_calls_at_once_exactly_the_lost_ones_are_unknown_and_none_is_doubled() {
    let world = World::start().await;
    conversations::add(&world.sandbox, 500);
    world
        .sandbox
        .inject(Fault::every(5, FaultKind::Reset(Moment::After)));
    let requests = (0..500).map(|number| api::SendCrmMessageRequest {
        disable_batching: true,
        ..conversations::crm_message(number, &format!("text {number}"))
    });
    let told = send(&world, requests).await;
    let entries = world.sandbox.record().entries;
    assert_eq!(entries.len(), 500, "each call was sent once");
    assert_eq!(lost(&entries).len(), 100);
    assert_told_as_recorded(&world, &told);
}

#[tokio::test]
async fn of_500_calls_in_batches_exactly_those_of_lost_batches_are_unknown_and_none_is_doubled() {
    let world = World::start().await;
    conversations::add(&world.sandbox, 20);
    world
        .sandbox
        .inject(Fault::every(5, FaultKind::Reset(Moment::After)));
    // Behind the first of their conversation they travel together.
    let requests =
        (0..500).map(|number| conversations::crm_message(number % 20, &format!("text {number}")));
    let told = send(&world, requests).await;
    let entries = world.sandbox.record().entries;
    let lost_batches = entries
        .iter()
        .filter(|entry| entry.fault.is_some() && entry.commands.len() > 1);
    assert!(lost_batches.count() > 0, "no answer to a batch was lost");
    assert!(entries.len() < 250, "{} requests", entries.len());
    assert_told_as_recorded(&world, &told);
}

/// Before its execution or behind it: nobody can tell which it was, so every call of the batch is
/// unknown.
#[tokio::test]
async fn each_call_of_a_batch_whose_answer_is_lost_is_unknown_and_not_sent_again() {
    for moment in [Moment::Before, Moment::After] {
        let world = World::start().await;
        world
            .sandbox
            .limit(|limits| limits.request_latency_ms = 300);
        let batch = Fault::once(FaultKind::Close(moment)).for_method("batch");
        world.sandbox.inject(batch);
        conversations::add(&world.sandbox, 1);
        let requests =
            (0..21).map(|number| conversations::crm_message(0, &format!("text {number}")));
        let told = send(&world, requests).await;
        let fates: Vec<Fate> = told.iter().map(|(_, answer)| Fate::of(answer)).collect();
        assert_eq!(fates[0], Fate::Ok, "it went alone");
        assert_eq!(fates[1..], [Fate::Unknown; 20]);
        let record = world.sandbox.record();
        assert_eq!(record.entries.len(), 2);
        let delivered = if moment == Moment::After { 21 } else { 1 };
        assert_eq!(record.delivered_by_text().len(), delivered);
        assert_eq!(record.deliveries().count(), delivered);
    }
}
