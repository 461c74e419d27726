//! Requests with their answers.

use std::collections::{HashMap, HashSet};

use secrecy::SecretString;
use serde_json::{Value, json};

use super::redaction;
use super::size::{Room, number};
use crate::exchange::{Answer, Ending, Exchange, Exchanges, Kept};
use crate::record::{Entry, Seen};
use crate::simulator::{RunningPortal, Simulator};

/// How many requests a viewer gets at once.
pub(super) const MOST: usize = 200;

/// How large they may be together as JSON, in bytes.
const MOST_BYTES: usize = 1024 * 1024;

/// The newest requests of a portal after the one with this sequence number.
pub(crate) fn requests(simulator: &Simulator, portal: &RunningPortal, since: u64) -> Value {
    let news = simulator
        .recorder
        .news(&portal.host, Seen::before(since), MOST);
    let shown = show(&news.entries, &simulator.exchanges);
    json!({
        "requests": shown.requests,
        "left_out": news.left_out + shown.left_out,
        "last": news.seen.sequence,
    })
}

/// Requests as JSON, oldest first, and how many of the oldest had no room.
pub(super) struct Shown {
    pub(super) requests: Vec<Value>,
    pub(super) left_out: u64,
}

pub(super) fn show(entries: &[Entry], exchanges: &Exchanges) -> Shown {
    let sequences: HashSet<u64> = entries.iter().map(|entry| entry.sequence).collect();
    let exchanges = exchanges.of(&sequences).into_iter();
    let exchanges: HashMap<u64, Exchange> = exchanges
        .map(|exchange| (exchange.sequence, exchange))
        .collect();
    let mut room = Room(MOST_BYTES);
    let newest_first = entries.iter().rev();
    let mut requests: Vec<Value> = newest_first
        .map(|entry| request(entry, exchanges.get(&entry.sequence)))
        .take_while(|request| room.take(request))
        .collect();
    requests.reverse();
    Shown {
        left_out: number(entries.len().saturating_sub(requests.len())),
        requests,
    }
}

/// An entry of the record, with the number of its messages in place of them, and what travelled.
fn request(entry: &Entry, exchange: Option<&Exchange>) -> Value {
    let Entry {
        sequence,
        time,
        portal: _,
        method,
        auth,
        grant,
        executed,
        commands,
        deliveries,
        bucket,
        fault,
        status,
        error,
    } = entry;
    let answer = exchange.and_then(|exchange| Some((exchange.answer.as_ref()?, exchange)));
    json!({
        "sequence": sequence,
        "time": time.to_string(),
        "method": method,
        "auth": auth,
        "grant": grant,
        "executed": executed,
        "commands": commands,
        "messages": deliveries.len(),
        "bucket": bucket,
        "fault": fault,
        "status": status,
        "error": error,
        "sent": exchange.map(sent),
        "answer": answer.map(|(answer, exchange)| received(answer, &exchange.secrets)),
    })
}

fn sent(exchange: &Exchange) -> Value {
    let Exchange {
        method,
        target,
        content_type,
        body,
        secrets,
        ..
    } = exchange;
    json!({
        "method": method.as_str(),
        "target": text(target, secrets),
        "content_type": content_type,
        "body": text(body, secrets),
        "left_out": body.left_out,
    })
}

fn received(answer: &Answer, secrets: &[SecretString]) -> Value {
    let took_ms = answer.took.as_secs_f64() * 1_000.0;
    match &answer.ending {
        Ending::Response {
            content_type,
            location,
            body,
            is_cut,
        } => {
            json!({
                "ending": "response",
                "took_ms": took_ms,
                "content_type": content_type,
                "location": location.as_ref().map(|location| text(location, secrets)),
                "body": text(body, secrets),
                "left_out": body.left_out,
                "is_cut": is_cut,
            })
        }
        Ending::Close => json!({"ending": "close", "took_ms": took_ms}),
        Ending::Reset => json!({"ending": "reset", "took_ms": took_ms}),
        Ending::Silence => json!({"ending": "silence", "took_ms": took_ms}),
    }
}

/// As text, without secrets. A secret that the end cuts is not recognised, so the last characters
/// of a cut body are left out with the rest.
fn text(kept: &Kept, secrets: &[SecretString]) -> String {
    let text = String::from_utf8_lossy(&kept.bytes);
    let shown = if kept.left_out == 0 {
        &*text
    } else {
        let end = text.len().saturating_sub(LONGEST_SECRET);
        text.get(..text.floor_char_boundary(end))
            .unwrap_or_default()
    };
    redaction::cut(shown, secrets)
}

/// No secret is longer in bytes.
const LONGEST_SECRET: usize = 256;
