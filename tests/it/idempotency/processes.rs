//! Real processes: two that get the same calls, and one that is killed under load again and again.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sandbox::{Entry, Fault, FaultKind, Moment, Portal, Sandbox, demo};
use store::sealing::Key;
use tokio::net::TcpListener;
use tonic::transport::Channel;
use uuid::Uuid;

use super::site::{Told, crm};
use crate::support::deployment::{Deployment, Running, kills};
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Told as _, tell, tenants, until};

/// Calls of one round, and the chats that they go to: those of one chat wait for each other.
const CALLS: usize = 120;
const CHATS: usize = 24;

/// Requests that the calls of one round make at least, singly and in batches.
const REQUESTS: usize = CHATS + 16;

/// Calls that two processes get at the same time.
const SHARED: usize = 200;

/// A store, a sandbox, and processes between them.
struct Place {
    sandbox: Sandbox,
    stores: Stores,
    deployment: Deployment,
}

type Answer = Told<api::SendCrmMessageResponse>;

impl Place {
    async fn build(stores: Stores) -> Self {
        let mut portal = Portal::demo();
        let chat = portal.crm_chats[0].clone();
        portal.crm_chats = (0..CHATS)
            .map(|number| {
                let mut chat = chat.clone();
                chat.chat_id = chat_of(number);
                chat
            })
            .collect();
        // Slow enough that calls are on their way, and wait, whenever the process is killed.
        portal.limits.request_latency_ms = 15;
        portal.limits.command_latency_ms = 5;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![portal]).unwrap();
        let tenants = tenants(sandbox.address());
        let deployment = Deployment::write(stores.url(), &Key::generate().unwrap(), &tenants, "");
        Self {
            sandbox,
            stores,
            deployment,
        }
    }

    async fn call(&self, client: &OpenLinesServiceClient<Channel>, call: &Call) -> Answer {
        let message = api::SendCrmMessageRequest {
            portal_chat_id: call.chat,
            ..crm(call.id, &call.text)
        };
        let mut request = self.deployment.request(message);
        request.set_timeout(Duration::from_secs(28));
        let mut client = client.clone();
        Told::of(client.send_crm_message(request).await)
    }

    /// What the ledger has: the state of each call.
    async fn ledger(&self) -> HashMap<Uuid, String> {
        let rows = "SELECT request_id || ' ' || state FROM ledger WHERE expires_at > 0";
        let rows = self.stores.texts(rows).await;
        let rows = rows.iter().map(|row| row.split_once(' ').unwrap());
        rows.map(|(id, state)| (id.parse().unwrap(), state.to_owned()))
            .collect()
    }

    /// Waits until the portal has done all that it was asked to: nobody waits for the answers of
    /// those that were killed.
    async fn quiet(&self) {
        until("the portal has answered", || {
            let record = self.sandbox.record();
            record.entries.iter().all(is_ended)
        })
        .await;
    }
}

fn is_ended(entry: &Entry) -> bool {
    entry.executed || entry.status.is_some()
}

fn chat_of(number: usize) -> i64 {
    demo::CHAT + i64::try_from(number % CHATS).unwrap()
}

/// A call that is repeated until it has an end.
struct Call {
    id: Uuid,
    chat: i64,
    text: String,
}

fn calls(round: &str, count: usize) -> Vec<Call> {
    let call = |number| Call {
        id: Uuid::new_v4(),
        chat: chat_of(number),
        text: format!("{round}.{number}"),
    };
    (0..count).map(call).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_processes_that_get_the_same_calls_at_once_one_sends_and_both_answer_alike() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let place = Place::build(stores).await;
    let (one, other) = tokio::join!(place.deployment.start(), place.deployment.start());
    let calls = calls("shared", SHARED);
    let of_one = join_all(calls.iter().map(|call| place.call(&one.client, call)));
    let of_other = join_all(calls.iter().map(|call| place.call(&other.client, call)));
    let (of_one, of_other) = tokio::join!(of_one, of_other);
    let mut sent_by_one = 0;
    for (one, other) in of_one.into_iter().zip(of_other) {
        assert_ne!(one.is_replayed, other.is_replayed, "{one:?} {other:?}");
        sent_by_one += usize::from(other.is_replayed);
        assert_eq!(one.result.unwrap(), other.result.unwrap());
    }
    tell(&format!("{sent_by_one} of {SHARED} calls went through one"));
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.len(), SHARED);
    assert!(delivered.values().all(|times| *times == 1));
}

/// Both have found no row when the calls came, and both let them go at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_wait_in_two_processes_are_sent_by_one_and_answered_alike() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let place = Place::build(stores).await;
    let slow = FaultKind::Slow(Moment::After, Duration::from_secs(1));
    place.sandbox.inject(Fault::next(2, slow));
    let (one, other) = tokio::join!(place.deployment.start(), place.deployment.start());
    let same_chat = |round: &str, count| {
        let mut calls = calls(round, count);
        for call in &mut calls {
            call.chat = chat_of(0);
        }
        calls
    };
    let (before, calls) = (same_chat("before", 2), same_chat("waiting", 5));
    let both_wait = async {
        until("the portal is busy for both", || {
            place.sandbox.record().entries.len() == 2
        })
        .await;
        let of_one = join_all(calls.iter().map(|call| place.call(&one.client, call)));
        let of_other = join_all(calls.iter().map(|call| place.call(&other.client, call)));
        tokio::join!(of_one, of_other)
    };
    let (first, second, (of_one, of_other)) = tokio::join!(
        place.call(&one.client, &before[0]),
        place.call(&other.client, &before[1]),
        both_wait
    );
    first.executed_now();
    second.executed_now();
    for (one, other) in of_one.into_iter().zip(of_other) {
        assert_ne!(one.is_replayed, other.is_replayed, "{one:?} {other:?}");
        assert_eq!(one.result.unwrap(), other.result.unwrap());
    }
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.len(), before.len() + calls.len());
    assert!(delivered.values().all(|times| *times == 1));
}

on_both_stores!(
    after_every_kill_each_call_is_executed_at_most_once_and_its_repeat_says_what_is_known
);

async fn after_every_kill_each_call_is_executed_at_most_once_and_its_repeat_says_what_is_known(
    stores: Stores,
) {
    let place = Place::build(stores).await;
    let seed = rand::random();
    tell(&format!("seed {seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let mut running = place.deployment.start().await;
    let mut seen = BTreeMap::new();
    for round in 0..kills(&place.stores) {
        let calls = calls(&round.to_string(), CALLS);
        let moment = Kill {
            requests: random.random_range(0..REQUESTS),
            later: Duration::from_micros(random.random_range(0..20_000)),
        };
        let (answers, next) = kill_during(&place, running, &calls, moment).await;
        running = next;
        for end in repeat_all(&place, &running, &calls, answers).await {
            *seen.entry(end).or_insert(0) += 1;
        }
        place.sandbox.clear_record();
    }
    tell(&format!("{} kills: {seen:?}", kills(&place.stores)));
}

/// When a process is killed: after the portal has got so many requests, and so much later.
struct Kill {
    requests: usize,
    later: Duration,
}

/// Makes the calls, kills the process, and starts the next one. Gives what the callers had been
/// told.
async fn kill_during(
    place: &Place,
    running: Running,
    calls: &[Call],
    moment: Kill,
) -> (Vec<Answer>, Running) {
    let Running {
        process, client, ..
    } = running;
    let kill = async {
        until("the portal has so many requests", || {
            place.sandbox.record().entries.len() >= moment.requests
        })
        .await;
        tokio::time::sleep(moment.later).await;
        process.kill();
    };
    let answers = join_all(calls.iter().map(|call| place.call(&client, call)));
    let (answers, ()) = tokio::join!(answers, kill);
    (answers, place.deployment.start().await)
}

/// What became of a call, over both attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    AnsweredBeforeTheKill,
    AnsweredButNotTold,
    /// Its caller was answered while the outcome was on its way to the ledger.
    ToldButNotRecorded,
    SentByTheRepeat,
    Unknown,
}

async fn repeat_all(
    place: &Place,
    running: &Running,
    calls: &[Call],
    before: Vec<Answer>,
) -> Vec<End> {
    // As the killed process has left it: all of its calls are repeated later.
    let ledger = place.ledger().await;
    let repeats = join_all(calls.iter().map(|call| place.call(&running.client, call))).await;
    place.quiet().await;
    let mut ends = Vec::new();
    for ((call, before), repeat) in calls.iter().zip(before).zip(repeats) {
        let text = &call.text;
        let delivered = place.sandbox.record().times_delivered(text);
        let state = ledger.get(&call.id).map(String::as_str);
        let end = match (before.result, state) {
            (Ok(response), Some("answered")) => {
                assert!(!before.is_replayed);
                assert_eq!(repeat.replayed(), response, "{text}");
                End::AnsweredBeforeTheKill
            }
            (Ok(_), Some("started")) => {
                let status = repeat.failed();
                assert_eq!(status.reason(), "OUTCOME_UNKNOWN", "{text}: {status:?}");
                End::ToldButNotRecorded
            }
            (Ok(_), state) => panic!("{text} was answered and is {state:?} in the ledger"),
            (Err(_), Some("answered")) => {
                repeat.replayed();
                End::AnsweredButNotTold
            }
            (Err(_), None) => {
                repeat.executed_now();
                End::SentByTheRepeat
            }
            (Err(_), Some(_)) => {
                let status = repeat.failed();
                assert_eq!(status.reason(), "OUTCOME_UNKNOWN", "{text}: {status:?}");
                End::Unknown
            }
        };
        let fits = if end == End::Unknown {
            delivered <= 1
        } else {
            delivered == 1
        };
        assert!(fits, "{text}: {end:?}, delivered {delivered} times");
        ends.push(end);
    }
    ends
}
