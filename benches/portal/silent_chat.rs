//! One request to a chat stays without an answer; that chat is called again, and others too.

use std::time::{Duration, Instant};

use serde_json::json;

use super::call::Call;
use super::callers::{Tally, at_once};
use super::connection::{Ended, Outcome};
use super::program::Program;
use super::scene::side_by_side;
use super::statistics::{median, percentile};
use super::table::Figure;
use super::testbed::Testbed;

const DEADLINE: Duration = Duration::from_secs(2);
/// How long the chats are called.
const LASTS: Duration = Duration::from_secs(15);
/// The pause between two calls to a chat.
const PAUSE: Duration = Duration::from_secs(1);
/// The number of the silent chat, and of the first of the others.
const SILENT: usize = 0;
const OTHERS: std::ops::Range<usize> = 1..3;
/// A call that the portal answers at once is answered within this time, without doubt.
const AT_ONCE: Duration = Duration::from_millis(50);

pub(crate) async fn measure(programs: &[Program]) {
    let title = format!(
        "One request to a chat is not answered, and the chat is called again with {} s",
        DEADLINE.as_secs()
    );
    side_by_side(&title, programs, scene).await;
}

async fn scene(program: &Program) -> Vec<Figure> {
    let testbed = Testbed::documented(program).await;
    // The others are known before, so that what is measured of them does not begin with the first.
    calls_to(&testbed, 1, Duration::ZERO).await;
    testbed
        .portals
        .inject(json!({"fault": "silence_after"}))
        .await;
    let first = at_once(&testbed, std::iter::once(call(SILENT))).await;
    assert!(matches!(first[0].1.outcome, Outcome::Unknown));
    let others = OTHERS.map(|chat| calls_to(&testbed, chat, LASTS));
    let (silent, others) = tokio::join!(
        calls_to(&testbed, SILENT, LASTS),
        futures_util::future::join_all(others)
    );
    let tally = Tally::of(&silent);
    let of_all = |ended: &[(Call, Ended)]| -> Vec<Duration> {
        ended.iter().map(|(_, ended)| ended.took).collect()
    };
    let others: Vec<(Call, Ended)> = others.into_iter().flatten().collect();
    let (mut waited, mut neighbours) = (of_all(&silent), of_all(&others));
    let slow = waited.iter().filter(|took| **took > AT_ONCE).count();
    let answered = Tally::of(&others).answered;
    vec![
        Figure::of("calls to the silent chat", silent.len()),
        Figure::of("refused", tally.refused()),
        Figure::wanted("refused later than at once", "0", slow),
        Figure::of(
            "until the refusal, p50, ms",
            format!("{:.1}", median(&mut waited)),
        ),
        Figure::of(
            "until the refusal, longest, ms",
            format!("{:.1}", percentile(&mut waited, 100)),
        ),
        Figure::of("calls to other chats", others.len()),
        Figure::wanted("not answered there", "0", others.len() - answered),
        Figure::of("p50 there, ms", format!("{:.1}", median(&mut neighbours))),
    ]
}

/// One call to a chat after the other, for this time, and at least one.
async fn calls_to(testbed: &Testbed, chat: usize, time: Duration) -> Vec<(Call, Ended)> {
    let begun = Instant::now();
    let mut all = Vec::new();
    loop {
        all.extend(at_once(testbed, std::iter::once(call(chat))).await);
        if begun.elapsed() >= time {
            return all;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn call(chat: usize) -> Call {
    Call {
        deadline: DEADLINE,
        ..Call::new(chat)
    }
}
