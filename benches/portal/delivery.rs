//! Callers that send messages and retry those that were definitely not executed.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::call::Call;
use super::connection::{Connection, Outcome, Refusal};

/// The outcomes of messages, as their callers learned them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Results {
    /// The numbers of the messages that were delivered.
    pub(crate) delivered: Vec<usize>,
    /// The numbers of the messages whose outcome is unknown.
    pub(crate) unknown: Vec<usize>,
    /// How often a message was retried because it was definitely not executed.
    pub(crate) retries: usize,
}

impl Results {
    pub(crate) fn add(&mut self, other: Self) {
        self.delivered.extend(other.delivered);
        self.unknown.extend(other.unknown);
        self.retries += other.retries;
    }
}

/// Sends messages over one connection, in order, at most `at_once` in parallel.
pub(crate) async fn deliver(connection: Connection, calls: Vec<Call>, at_once: usize) -> Results {
    let mut results = Results::default();
    let mut turn = calls.iter().map(|call| call.turn).max().unwrap_or(0);
    let prepare = |call: Call| {
        let request = call.request(&connection);
        (call, request)
    };
    let mut next: VecDeque<_> = calls.into_iter().map(prepare).collect();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while in_flight.len() < at_once
            && let Some((call, request)) = next.pop_front()
        {
            let ended = connection.send(request);
            in_flight.push(async move { (call, ended.await) });
        }
        let Some((call, ended)) = in_flight.next().await else {
            return results;
        };
        match ended.outcome {
            Outcome::Delivered => results.delivered.push(call.number),
            Outcome::Unknown => results.unknown.push(call.number),
            Outcome::Refused(refusal) => {
                results.retries += 1;
                tokio::time::sleep(pause(&refusal)).await;
                turn += 1;
                next.push_front(prepare(Call { turn, ..call }));
            }
        }
    }
}

/// When a refused message may be sent again.
fn pause(refusal: &Refusal) -> Duration {
    match (refusal.reason.as_str(), refusal.retry_after) {
        (_, Some(delay)) => delay,
        // It waited behind requests that hang.
        ("DEADLINE_BEFORE_SEND", None) => Duration::ZERO,
        _ => panic!("{refusal:?}"),
    }
}
