//! Two replicas whose database is far away, or from which packets vanish.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use uuid::Uuid;

use super::call::Call;
use super::connection::{Ended, Outcome};
use super::database;
use super::program::Program;
use super::proxy::{Mode, Proxy};
use super::sandbox::{Portals, documented};
use super::scene::in_turn;
use super::statistics::{median, percentile};
use super::table::Figure;
use super::testbed::{Setup, Testbed};

const DEADLINE: Duration = Duration::from_secs(15);
/// In which requests are counted.
const LASTS: Duration = Duration::from_secs(60);
/// How many the portal would take in that time.
const WHOLE: f64 = 50.0 + 2.0 * 60.0;
/// The callers that want more than the portal takes.
const CALLERS: usize = 40;
/// The time between two calls of a caller that does not come near any limit.
const PACE: Duration = Duration::from_millis(2_000);
/// When packets begin to vanish.
const VANISH_AFTER: Duration = Duration::from_secs(5);

/// The portal of the callers that want more, that of one that does not, and that of one that gives
/// each call an idempotency key.
const LIMIT: usize = 0;
const PACED: usize = 1;
const RECORDED: usize = 2;

/// How far away the database is, in milliseconds; `None`: packets vanish.
const DISTANCES: [Option<u64>; 7] = [
    Some(0),
    Some(10),
    Some(30),
    Some(50),
    Some(100),
    Some(300),
    None,
];

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!(
        "Two replicas with a database far away, {} s",
        LASTS.as_secs()
    );
    // Side by side, because they mostly wait.
    in_turn(&title, programs, 1, async |program| {
        let scenes = DISTANCES.map(|distance| scene(program, distance));
        join_all(scenes).await.into_iter().flatten().collect()
    })
    .await;
}

/// What callers were told in one scene.
#[derive(Default)]
struct Told {
    took: Vec<Duration>,
    reasons: BTreeMap<String, usize>,
}

async fn scene(program: &Program, distance: Option<u64>) -> Vec<Figure> {
    let Some(url) = database::create().await else {
        return Vec::new();
    };
    let (proxy, url) = Proxy::before(&url).await;
    let setup = Setup {
        limits: vec![documented(), documented(), documented()],
        replicas: 2,
        store_url: Some(url),
        settings: "dispatch: {maximum_batch: 1}\n",
    };
    let testbed = Testbed::start(program, setup).await;
    // Until the replicas have counted each other, and no longer ask before their first request.
    tokio::time::sleep(Duration::from_secs(11)).await;
    let mode = distance.map(|distance| Mode::RoundTrip(Duration::from_millis(distance)));
    proxy.set(mode.unwrap_or(Mode::Open));
    let numbers = AtomicUsize::new(0);
    let (begin, end) = (Instant::now(), Instant::now() + LASTS);
    let crowd = (0..CALLERS).map(|caller| calls(&testbed, LIMIT, caller, &numbers, end));
    let vanish = async {
        if mode.is_none() {
            tokio::time::sleep(VANISH_AFTER).await;
            proxy.set(Mode::Silent);
        }
    };
    // One caller of each replica.
    let of_each = |portal: usize| {
        let numbers = &numbers;
        let testbed = &testbed;
        join_all((0..2).map(move |caller| calls(testbed, portal, caller, numbers, end)))
    };
    let (_, paced, recorded, isolated, ()) = tokio::join!(
        join_all(crowd),
        of_each(PACED),
        of_each(RECORDED),
        isolated(&testbed, end),
        vanish
    );
    assert!(begin.elapsed() >= LASTS);
    let record = testbed.portals.record().await;
    assert!(
        record.executed().values().all(|times| *times == 1),
        "doubled"
    );
    let rejected = record.refused_with("QUERY_LIMIT_EXCEEDED");
    let record = record.of(&Portals::host(LIMIT));
    let taken = record.taken_within(LASTS);
    let name = distance.map_or("packets vanish".to_owned(), |distance| {
        format!("{distance} ms")
    });
    let mut figures = vec![
        Figure::wanted(
            format!("{name}: part of the limit used"),
            if distance.is_some_and(|distance| distance <= 100) {
                "≥ 0.90"
            } else {
                ""
            },
            format!("{:.3}", taken as f64 / WHOLE),
        ),
        Figure::wanted(format!("{name}: rejected by the portal"), "0", rejected),
        Figure::of(
            format!("{name}: time isolated"),
            format!("{:.0} %", 100.0 * isolated),
        ),
    ];
    for (kind, told) in [("without", paced), ("with", recorded)] {
        figures.push(Figure::of(
            format!("{name}: {kind} `request_id`, p50 and p95 in ms"),
            latencies(told),
        ));
    }
    figures
}

/// The latencies of calls, and how many of them were refused for which reason.
fn latencies(told: Vec<Told>) -> String {
    let (mut took, mut reasons) = (Vec::new(), BTreeMap::<String, usize>::new());
    for told in told {
        took.extend(told.took);
        for (reason, count) in told.reasons {
            *reasons.entry(reason).or_default() += count;
        }
    }
    let of = took.len();
    let (p50, p95) = (median(&mut took), percentile(&mut took, 95));
    let reasons = reasons.iter();
    let reasons = reasons.map(|(reason, count)| format!("; {count} of {of} {reason}"));
    format!("{p50:.0}, {p95:.0}{}", reasons.collect::<String>())
}

/// One call after the other to a chat of its own, until `end`; paced, unless the portal is that of
/// the callers that want more than it takes.
async fn calls(
    testbed: &Testbed,
    portal: usize,
    caller: usize,
    numbers: &AtomicUsize,
    end: Instant,
) -> Told {
    let connection = testbed.connection(caller);
    let mut told = Told::default();
    let mut next = Instant::now();
    for turn in 0.. {
        if Instant::now() >= end {
            break;
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            portal,
            turn,
            deadline: DEADLINE,
            chat: 1 + i64::try_from(caller).unwrap(),
            request_id: (portal == RECORDED).then(Uuid::new_v4),
            ..Call::new(number)
        };
        let Ended { outcome, took } = connection.send(call.request(connection)).await;
        told.took.push(took);
        let refused = match outcome {
            Outcome::Delivered => None,
            Outcome::Unknown => Some(("UNKNOWN".to_owned(), None)),
            Outcome::Refused(refusal) => Some((refusal.reason, refusal.retry_after)),
        };
        if portal != LIMIT {
            next += PACE;
            tokio::time::sleep_until(next.into()).await;
        } else if let Some((_, retry_after)) = &refused {
            tokio::time::sleep(retry_after.unwrap_or_default()).await;
        }
        if let Some((reason, _)) = refused {
            *told.reasons.entry(reason).or_default() += 1;
        }
    }
    told
}

/// The part of the time in which a replica was isolated.
async fn isolated(testbed: &Testbed, end: Instant) -> f64 {
    let (mut isolated, mut samples) = (0.0, 0.0);
    while Instant::now() < end {
        isolated += testbed.metric("openlines_sharing_isolated").await;
        samples += testbed.replicas.len() as f64;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    isolated / samples
}
