//! Callers in a loop at a portal that takes fewer requests than they have, for one service and for
//! replicas that share the portal.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::call::Call;
use super::connection::{Ended, Outcome};
use super::database;
use super::program::Program;
use super::sandbox::documented;
use super::scene::in_turn;
use super::table::Figure;
use super::testbed::{Setup, Testbed};

const DEADLINE: Duration = Duration::from_secs(15);
/// How long callers begin new calls.
const LASTS: Duration = Duration::from_secs(70);
/// In which the requests are counted that the portal takes, from the first on.
const COUNTED: Duration = Duration::from_secs(60);
/// How many the portal would take in that time.
const WHOLE: f64 = 50.0 + 2.0 * 60.0;

/// The callers of a portal.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    name: &'static str,
    callers: usize,
    /// Whether so many call each of the replicas.
    of_each: bool,
    settings: &'static str,
}

const SINGLE: Crowd = Crowd {
    name: "40 callers, single calls",
    callers: 40,
    of_each: false,
    settings: "dispatch: {maximum_batch: 1}\n",
};
const SINGLE_OF_EACH: Crowd = Crowd {
    name: "40 callers of each, single calls",
    of_each: true,
    ..SINGLE
};
const IN_BATCHES: Crowd = Crowd {
    name: "1,800 callers, batches",
    callers: 1_800,
    of_each: false,
    settings: "",
};

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!(
        "Callers with {} s at the limit of a portal for {} s",
        DEADLINE.as_secs(),
        LASTS.as_secs()
    );
    // Side by side, because the crowds hardly need the processor.
    in_turn(&title, programs, 1, async |program| {
        let mut scenes = Vec::new();
        for (crowd, replicas) in [
            (SINGLE, 1..=3),
            (SINGLE_OF_EACH, 2..=3),
            (IN_BATCHES, 1..=3),
        ] {
            scenes.extend(replicas.map(|replicas| scene(program, crowd, replicas)));
        }
        let figures = join_all(scenes).await;
        figures.into_iter().flatten().collect()
    })
    .await;
}

async fn scene(program: &Program, crowd: Crowd, replicas: usize) -> Vec<Figure> {
    let store_url = if replicas > 1 {
        let Some(url) = database::create().await else {
            return Vec::new();
        };
        Some(url)
    } else {
        None
    };
    let setup = Setup {
        limits: vec![documented()],
        replicas,
        store_url,
        settings: crowd.settings,
    };
    let testbed = Testbed::start(program, setup).await;
    let numbers = AtomicUsize::new(0);
    let end = Instant::now() + LASTS;
    let callers = crowd.callers * if crowd.of_each { replicas } else { 1 };
    let callers = (0..callers).map(|caller| calls(&testbed, caller, &numbers, end));
    let told = join_all(callers).await;
    let record = testbed.portals.record().await;
    let executed = record.executed();
    assert!(executed.values().all(|times| *times == 1), "doubled");
    let count = |wanted: fn(&Outcome) -> bool| {
        let outcomes = told.iter().flatten();
        let numbers = outcomes.filter(|(_, outcome)| wanted(outcome));
        numbers
            .filter(|(number, _)| executed.contains_key(number))
            .count()
    };
    let delivered = count(|outcome| matches!(outcome, Outcome::Delivered));
    let unknown = count(|outcome| matches!(outcome, Outcome::Unknown));
    let refused = count(|outcome| matches!(outcome, Outcome::Refused(_)));
    assert_eq!(refused, 0, "executed, and told that it was not");
    assert_eq!(delivered + unknown, executed.len(), "every caller is told");
    let percent = |part: usize| 100.0 * part as f64 / executed.len() as f64;
    let taken = record.taken_within(COUNTED) as f64 / WHOLE;
    let openings = testbed.metric("openlines_breaker_openings_total").await;
    let named = |what: &str| match replicas {
        1 => format!("{}: {what}", crowd.name),
        _ => format!("{}, {replicas} replicas: {what}", crowd.name),
    };
    vec![
        Figure::wanted(
            named("executed and told unknown"),
            "≤ 1 %",
            format!("{:.1} %", percent(unknown)),
        ),
        Figure::of(named("executed"), executed.len()),
        Figure::wanted(named("openings of the breaker"), "0", openings),
        Figure::wanted(
            named("part of the limit used"),
            "≥ 0.97",
            format!("{taken:.3}"),
        ),
        Figure::wanted(
            named("rejected by the portal"),
            "0",
            record.refused_with("QUERY_LIMIT_EXCEEDED"),
        ),
    ]
}

/// One call after the other to a chat of its own, until `end`.
async fn calls(
    testbed: &Testbed,
    caller: usize,
    numbers: &AtomicUsize,
    end: Instant,
) -> Vec<(usize, Outcome)> {
    let connection = testbed.connection(caller);
    let mut told = Vec::new();
    for turn in 0.. {
        if Instant::now() >= end {
            break;
        }
        let number = numbers.fetch_add(1, Ordering::Relaxed);
        let call = Call {
            turn,
            deadline: DEADLINE,
            chat: 1 + i64::try_from(caller).unwrap(),
            ..Call::new(number)
        };
        let Ended { outcome, took } = connection.send(call.request(connection)).await;
        // A real caller is gone by then.
        let outcome = if took > DEADLINE {
            Outcome::Unknown
        } else {
            outcome
        };
        let pause = match &outcome {
            Outcome::Refused(refusal) => refusal.retry_after.unwrap_or_default(),
            Outcome::Delivered | Outcome::Unknown => Duration::ZERO,
        };
        told.push((number, outcome));
        tokio::time::sleep(pause).await;
    }
    told
}
