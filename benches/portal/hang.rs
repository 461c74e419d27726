//! A portal hangs and is well again, and callers go on calling.

use std::time::{Duration, Instant};

use sandbox::{Intensity, Limits};
use serde_json::json;
use tokio::task::JoinSet;

use super::call::Call;
use super::callers::{Tally, at_once};
use super::connection::{Ended, Outcome};
use super::program::Program;
use super::sandbox::{documented, unlimited};
use super::scene::side_by_side;
use super::table::Figure;
use super::testbed::{Setup, Testbed};

/// The time between two calls, each to a chat of its own.
const BETWEEN: Duration = Duration::from_millis(100);
/// How long the first success is waited for.
const PATIENCE: Duration = Duration::from_secs(90);

/// How a portal hangs.
struct Hang {
    name: &'static str,
    limits: Limits,
    /// How long it does not answer.
    lasts: Duration,
    /// Calls that are sent at once when it begins.
    at_once: usize,
    deadline: Duration,
}

fn hangs() -> [Hang; 2] {
    [
        Hang {
            name: "30 s, deadlines of 5 s",
            limits: documented(),
            lasts: Duration::from_secs(30),
            at_once: 0,
            deadline: Duration::from_secs(5),
        },
        // As many as may be in flight, too short for anyone to call it silence.
        Hang {
            name: "10 s, 100 requests at once, deadlines of 2 s",
            limits: Limits {
                intensity: Some(Intensity::ENTERPRISE),
                ..unlimited()
            },
            lasts: Duration::from_secs(10),
            at_once: 100,
            deadline: Duration::from_secs(2),
        },
    ]
}

pub(crate) async fn measure(programs: &[Program]) {
    let title = "A portal hangs and is well again, while 10 calls come each second";
    side_by_side(title, programs, async |program| {
        let [long, full] = hangs();
        let (mut figures, more) = tokio::join!(scene(program, long), scene(program, full));
        figures.extend(more);
        figures
    })
    .await;
}

async fn scene(program: &Program, hang: Hang) -> Vec<Figure> {
    let testbed = Testbed::start(program, Setup::of(vec![hang.limits])).await;
    let call = |number| Call {
        deadline: hang.deadline,
        ..Call::new(number)
    };
    let first = at_once(&testbed, std::iter::once(call(0))).await;
    assert!(matches!(first[0].1.outcome, Outcome::Delivered));
    let fault = json!({"fault": "silence_before", "always": true});
    testbed.portals.inject(fault).await;
    let begun = Instant::now();
    let mut calls = JoinSet::new();
    let send = |calls: &mut JoinSet<_>, call: Call| {
        let connection = testbed.connection_to(&call);
        let ended = connection.send(call.request(connection));
        calls.spawn(async move { (call, ended.await) });
    };
    let mut numbers = 1..;
    for number in numbers.by_ref().take(hang.at_once) {
        let call = Call {
            may_be_batched: false,
            ..call(number)
        };
        send(&mut calls, call);
    }
    let mut well_since: Option<Instant> = None;
    let mut tally = Tally::default();
    let mut ticks = tokio::time::interval(BETWEEN);
    let after = loop {
        tokio::select! {
            _ = ticks.tick() => {
                if well_since.is_none() && begun.elapsed() >= hang.lasts {
                    testbed.portals.clear_faults().await;
                    well_since = Some(Instant::now());
                }
                if well_since.is_some_and(|since| since.elapsed() >= PATIENCE) {
                    break format!("> {}", PATIENCE.as_secs());
                }
                send(&mut calls, call(numbers.next().unwrap()));
            }
            Some(Ok((call, ended))) = calls.join_next() => match well_since {
                None => tally.add(&call, &ended),
                Some(since) if is_delivered(&ended) => {
                    break format!("{:.1}", since.elapsed().as_secs_f64());
                }
                Some(_) => {}
            },
        }
    };
    let named = |what: &str| format!("{}: {what}", hang.name);
    vec![
        Figure::wanted(named("first success after, s"), "≤ 3", after),
        Figure::of(named("unknown meanwhile"), tally.unknown),
        Figure::of(named("refused meanwhile"), tally.refused()),
        Figure::wanted(named("told late"), "0", tally.late),
    ]
}

fn is_delivered(ended: &Ended) -> bool {
    matches!(ended.outcome, Outcome::Delivered)
}
