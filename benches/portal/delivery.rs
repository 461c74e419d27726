//! Callers that want their messages delivered, and send anew what was certainly not executed.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::call::Call;
use super::connection::{Connection, Outcome};

/// What the callers were told in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The numbers of the messages that were delivered.
    pub(crate) delivered: Vec<usize>,
    /// The numbers of those of which nobody knows.
    pub(crate) unknown: Vec<usize>,
    /// How often a message was sent again because it was certainly not executed.
    pub(crate) repeats: usize,
}

impl Told {
    pub(crate) fn add(&mut self, other: Self) {
        self.delivered.extend(other.delivered);
        self.unknown.extend(other.unknown);
        self.repeats += other.repeats;
    }
}

/// Sends messages over one connection, in their order, at most so many at once.
pub(crate) async fn deliver(connection: Connection, calls: Vec<Call>, at_once: usize) -> Told {
    let mut told = Told::default();
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
            return told;
        };
        match ended.outcome {
            Outcome::Delivered => told.delivered.push(call.number),
            Outcome::Unknown => told.unknown.push(call.number),
            Outcome::Later(delay) => {
                told.repeats += 1;
                tokio::time::sleep(delay).await;
                turn += 1;
                next.push_front(prepare(Call { turn, ..call }));
            }
        }
    }
}
