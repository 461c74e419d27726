//! What `/ready` says.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Need;
use super::table::{Entry, Phase, Table};

/// `ready` or `not ready`, and a line for the service and for each dependency.
pub(super) fn text(table: &Table, now: Instant) -> String {
    let mut text = if table.is_ready() {
        "ready\n".to_owned()
    } else {
        "not ready\n".to_owned()
    };
    // Writing to a `String` cannot fail.
    let _ = writeln!(text, "service: {}", word(table.phase));
    for entry in &table.entries {
        let Entry { name, problem, .. } = entry;
        let since = seconds(now, entry.since);
        let _ = write!(text, "{name}: {} for {since} s", state(entry));
        if let Some(reported) = entry.reported {
            let _ = write!(text, ", checked {} s ago", seconds(now, reported));
        }
        if let Some(problem) = problem {
            let _ = write!(text, ": {problem}");
        }
        if problem.is_some() && entry.need == Need::Told {
            text.push_str(" (calls are taken all the same)");
        }
        text.push('\n');
    }
    text
}

pub(super) fn json(table: &Table, now: Instant) -> Value {
    let entries = table.entries.iter().map(|entry| {
        json!({
            "name": entry.name,
            "state": state(entry),
            "required": entry.need == Need::Required,
            "for_seconds": seconds(now, entry.since),
            "checked_seconds_ago": entry.reported.map(|reported| seconds(now, reported)),
            "problem": entry.problem,
        })
    });
    json!({
        "ready": table.is_ready(),
        "service": word(table.phase),
        "dependencies": entries.collect::<Vec<_>>(),
    })
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Stopping => "stopping",
    }
}

fn state(entry: &Entry) -> &'static str {
    if entry.problem.is_some() {
        "fails"
    } else if entry.counts_as_failing {
        "recovers"
    } else {
        "works"
    }
}

fn seconds(now: Instant, since: Instant) -> u64 {
    let elapsed: Duration = now.saturating_duration_since(since);
    elapsed.as_secs()
}
