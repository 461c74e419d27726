//! Cuts the connection to a portal at every byte of the request and of the response, and compares
//! the callers' results with the portal's record.

use std::collections::BTreeSet;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use futures_util::future::join_all;
use sandbox::{Fault, FaultKind, Moment, Portal, Sandbox, demo};
use tokio::net::TcpListener;
use tonic::transport::Channel;

use crate::support::cutter::{Cut, Cutter, Manner};
use crate::support::requests::crm_message;
use crate::support::{Fate, Service, until};

/// Concurrent portals. Portal `n` has the positions `n`, `n + LANES`, and so on.
const LANES: usize = 12;

/// The lengths of requests and responses may differ by so many bytes, because of the numbers in
/// them. The last positions may therefore have been cut in some lanes only.
const TAIL: usize = 40;

/// How long a portal works on the call behind which others queue, at the first attempt.
const GATHERING: Duration = Duration::from_millis(40);

/// A portal of its own behind a cutter.
struct Lane {
    number: usize,
    sandbox: Sandbox,
    cutter: Cutter,
    client: OpenLinesServiceClient<Channel>,
}

/// A service with all lanes.
struct Course {
    service: Service,
    lanes: Vec<Lane>,
}

/// The results of a lane.
#[derive(Default)]
struct Found {
    /// Positions at which a connection was cut.
    cut: BTreeSet<usize>,
    /// The result of each text.
    told: Vec<(String, Fate)>,
}

impl Course {
    async fn start() -> Self {
        let mut portals = Vec::new();
        let mut tenants = "tenants:\n".to_owned();
        for number in 0..LANES {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
            let cutter = Cutter::start(sandbox.address()).await;
            tenants += &format!(
                "- {{id: lane{number}, portal: 'http://{}', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
                cutter.address,
                demo::OWNER,
                demo::WEBHOOK_SECRET,
            );
            portals.push((number, sandbox, cutter));
        }
        let service = Service::start(&[], &tenants).await;
        let client = service.client().await;
        let lanes = portals.into_iter().map(|(number, sandbox, cutter)| Lane {
            number,
            sandbox,
            cutter,
            client: client.clone(),
        });
        Self {
            lanes: lanes.collect(),
            service,
        }
    }

    /// Drives all lanes and compares the results with the records. Returns those of the calls that
    /// were to be cut.
    async fn drive(
        &self,
        drive: impl AsyncFn(&Service, &Lane) -> Found,
    ) -> (BTreeSet<usize>, Vec<Fate>) {
        let found = join_all(self.lanes.iter().map(|lane| drive(&self.service, lane))).await;
        let (mut cut, mut fates) = (BTreeSet::new(), Vec::new());
        for (lane, found) in self.lanes.iter().zip(found) {
            lane.hold_against_the_books(&found.told).await;
            cut.extend(found.cut);
            let told = found.told.into_iter();
            let told = told.filter(|(text, _)| text.starts_with("cut"));
            fates.extend(told.map(|(_, fate)| fate));
        }
        let end = cut.last().copied().unwrap_or_default();
        let missed: Vec<_> = (0..end.saturating_sub(TAIL))
            .filter(|position| !cut.contains(position))
            .collect();
        assert_eq!(missed, [0; 0], "positions that were left out, of {end}");
        (cut, fates)
    }
}

impl Lane {
    async fn send(&self, service: &Service, text: &str) -> Fate {
        let message = api::SendCrmMessageRequest {
            tenant_id: format!("lane{}", self.number),
            ..crm_message(text)
        };
        let mut client = self.client.clone();
        Fate::of(&client.send_crm_message(service.request(message)).await)
    }

    /// Every position of the lane until the message is too short to be cut there. `cut` cuts at a
    /// position and returns the results of the calls, and whether it has cut.
    async fn positions(&self, cut: impl AsyncFn(usize, &mut Found) -> bool) -> Found {
        let mut found = Found::default();
        let mut position = self.number;
        while cut(position, &mut found).await {
            found.cut.insert(position);
            position += LANES;
        }
        found
    }

    async fn hold_against_the_books(&self, told: &[(String, Fate)]) {
        // The portal may still be working on requests that arrived.
        let is_done = || {
            let entries = self.sandbox.record().entries;
            entries.iter().all(|entry| entry.status.is_some())
        };
        tokio::time::sleep(Duration::from_millis(200)).await;
        until("the portal has worked off every request", is_done).await;
        let record = self.sandbox.record();
        let delivered = record.delivered_by_text();
        for (text, fate) in told {
            let times = delivered.get(text.as_str()).copied().unwrap_or_default();
            assert!(
                fate.is_true_with(times),
                "{text}: {fate:?}, delivered {times} times"
            );
        }
        let known: BTreeSet<&str> = told.iter().map(|(text, _)| text.as_str()).collect();
        for (text, times) in delivered {
            assert!(known.contains(text), "{text}");
            assert!(times <= 1, "{text} was delivered {times} times");
        }
    }
}

/// One call on a connection that has been used before.
async fn used(service: &Service, lane: &Lane, cut: fn(usize) -> Cut) -> Found {
    let step = async |position: usize, found: &mut Found| {
        let text = format!("answered before {position}");
        let fate = lane.send(service, &text).await;
        assert_eq!(fate, Fate::Ok, "{text}");
        found.told.push((text, fate));
        single(service, lane, cut(position), Manner::Reset, found).await
    };
    lane.positions(step).await
}

/// One call on a connection of its own.
async fn fresh(service: &Service, lane: &Lane, cut: fn(usize) -> Cut) -> Found {
    let step = async |position: usize, found: &mut Found| {
        // Keeps the circuit breaker closed.
        if (position / LANES).is_multiple_of(3) {
            let text = format!("answered before {position}");
            let fate = lane.send(service, &text).await;
            assert_eq!(fate, Fate::Ok, "{text}");
            found.told.push((text, fate));
        }
        lane.cutter.hang_up().await;
        single(service, lane, cut(position), Manner::Close, found).await
    };
    lane.positions(step).await
}

async fn single(
    service: &Service,
    lane: &Lane,
    cut: Cut,
    manner: Manner,
    found: &mut Found,
) -> bool {
    lane.cutter.arm(cut, manner);
    let text = format!("cut at {cut:?}");
    let fate = lane.send(service, &text).await;
    let has_cut = lane.cutter.disarm().is_some();
    if !has_cut {
        assert_eq!(fate, Fate::Ok, "{text}");
    }
    found.told.push((text, fate));
    has_cut
}

/// Two calls in one batch: they are queued while another call is in flight.
async fn batched(service: &Service, lane: &Lane, cut: fn(usize) -> Cut) -> Found {
    let step = async |position: usize, found: &mut Found| {
        for attempt in 0..8 {
            let (has_cut, is_batch) = batch(service, lane, cut(position), attempt, found).await;
            // On a busy machine they may be too late for a batch: the next two have twice the time.
            if is_batch {
                return has_cut;
            }
        }
        panic!("no batch comes about");
    };
    lane.positions(step).await
}

/// Returns whether the connection was cut, and whether the two travelled in one batch.
async fn batch(
    service: &Service,
    lane: &Lane,
    cut: Cut,
    attempt: u32,
    found: &mut Found,
) -> (bool, bool) {
    let slow = FaultKind::Slow(Moment::Before, GATHERING * 2_u32.pow(attempt));
    lane.sandbox.inject(Fault::once(slow));
    let seen = lane.sandbox.record().entries.len();
    let first = format!("before {cut:?} {attempt}");
    let texts = ["one", "two"].map(|which| format!("cut at {cut:?} {attempt} {which}"));
    let others = async {
        let has_come = || lane.sandbox.record().entries.len() > seen;
        until("the first is at the portal", has_come).await;
        let manner = [Manner::Close, Manner::Reset][position_of(cut) / LANES % 2];
        lane.cutter.arm(cut, manner);
        tokio::join!(lane.send(service, &texts[0]), lane.send(service, &texts[1]))
    };
    let (fate, (one, two)) = tokio::join!(lane.send(service, &first), others);
    assert_eq!(fate, Fate::Ok, "{first}");
    let request = lane.cutter.disarm();
    let has_cut = request.is_some();
    let is_batch = match request {
        Some(request) => is_batch(&request),
        None => {
            assert_eq!([one, two], [Fate::Ok; 2], "{cut:?}");
            let entries = lane.sandbox.record().entries;
            let mut since = entries.iter().skip(seen);
            since.any(|entry| entry.method == "batch")
        }
    };
    found.told.push((first, fate));
    found.told.extend(texts.into_iter().zip([one, two]));
    (has_cut, is_batch)
}

fn position_of(cut: Cut) -> usize {
    match cut {
        Cut::Request(position) | Cut::Answer(position) => position,
    }
}

/// Whether the request is a batch, by the part that arrived.
fn is_batch(request: &[u8]) -> bool {
    let head = String::from_utf8_lossy(request);
    let line = head.lines().next().unwrap_or_default();
    line.contains("/batch ") || !line.ends_with("HTTP/1.1")
}

/// The portal executes every request that arrived whole: only a whole response shows it.
fn assert_answers_count_when_whole(cut: &BTreeSet<usize>, fates: &[Fate]) {
    assert!(cut.len() > 300, "{} positions of an answer", cut.len());
    let unknown = fates.iter().filter(|fate| **fate == Fate::Unknown);
    assert!(unknown.count() > cut.len() - TAIL);
    assert!(!fates.contains(&Fate::NotExecuted));
}

#[tokio::test]
async fn what_is_told_is_true_wherever_a_request_is_cut() {
    let course = Course::start().await;
    let (cut, _) = course
        .drive(async |service, lane| used(service, lane, Cut::Request).await)
        .await;
    assert!(cut.len() > 300, "{} positions of a request", cut.len());
}

#[tokio::test]
async fn what_is_told_is_true_wherever_a_request_on_a_new_connection_is_cut() {
    let course = Course::start().await;
    let (cut, _) = course
        .drive(async |service, lane| fresh(service, lane, Cut::Request).await)
        .await;
    assert!(cut.len() > 300, "{} positions of a request", cut.len());
}

#[tokio::test]
async fn what_is_told_is_true_wherever_an_answer_is_cut() {
    let course = Course::start().await;
    let (cut, fates) = course
        .drive(async |service, lane| used(service, lane, Cut::Answer).await)
        .await;
    assert_answers_count_when_whole(&cut, &fates);
}

#[tokio::test]
async fn what_is_told_is_true_wherever_an_answer_on_a_new_connection_is_cut() {
    let course = Course::start().await;
    let (cut, fates) = course
        .drive(async |service, lane| fresh(service, lane, Cut::Answer).await)
        .await;
    assert_answers_count_when_whole(&cut, &fates);
}

#[tokio::test]
async fn what_is_told_of_each_call_is_true_wherever_a_batch_is_cut() {
    let course = Course::start().await;
    let (cut, _) = course
        .drive(async |service, lane| batched(service, lane, Cut::Request).await)
        .await;
    assert!(cut.len() > 500, "{} positions of a batch", cut.len());
}

#[tokio::test]
async fn what_is_told_of_each_call_is_true_wherever_the_answer_to_a_batch_is_cut() {
    let course = Course::start().await;
    let (cut, fates) = course
        .drive(async |service, lane| batched(service, lane, Cut::Answer).await)
        .await;
    assert_answers_count_when_whole(&cut, &fates);
}
