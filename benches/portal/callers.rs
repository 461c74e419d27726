//! Callers that call once, with a deadline, and what they learn.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::call::Call;
use super::connection::{Ended, Outcome};
use super::delivery::Results;
use super::testbed::Testbed;

/// How calls ended for their callers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Delivered, and told before the deadline.
    pub(crate) answered: usize,
    /// Told that nobody knows.
    pub(crate) unknown: usize,
    /// Told after their deadline, by when a real caller is gone.
    pub(crate) late: usize,
    /// Not executed, by reason.
    refused: BTreeMap<String, usize>,
}

impl Tally {
    pub(crate) fn of(ended: &[(Call, Ended)]) -> Self {
        let mut tally = Self::default();
        for (call, ended) in ended {
            tally.add(call, ended);
        }
        tally
    }

    /// What the callers learned, none of whom sent a call again.
    pub(crate) fn results(ended: &[(Call, Ended)]) -> Results {
        let mut results = Results::default();
        for (call, ended) in ended {
            match &ended.outcome {
                Outcome::Delivered => results.delivered.push(call.number),
                Outcome::Unknown => results.unknown.push(call.number),
                Outcome::Refused(_) => {}
            }
        }
        results
    }

    pub(crate) fn add(&mut self, call: &Call, ended: &Ended) {
        match &ended.outcome {
            _ if ended.took > call.deadline => self.late += 1,
            Outcome::Delivered => self.answered += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Refused(refusal) => {
                *self.refused.entry(refusal.reason.clone()).or_default() += 1;
            }
        }
    }

    /// How many were refused for this reason.
    pub(crate) fn refused_for(&self, reason: &str) -> usize {
        self.refused.get(reason).copied().unwrap_or_default()
    }

    /// How many were refused, and why.
    pub(crate) fn refused(&self) -> String {
        let each = self.refused.iter();
        let each: Vec<String> = each
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        if each.is_empty() {
            "0".to_owned()
        } else {
            each.join(" + ")
        }
    }
}

/// Makes all calls at once; those to one chat over one connection, in order.
pub(crate) async fn at_once(
    testbed: &Testbed,
    calls: impl Iterator<Item = Call>,
) -> Vec<(Call, Ended)> {
    let sent = calls.map(|call| {
        let connection = testbed.connection_to(&call);
        let ended = connection.send(call.request(connection));
        async move { (call, ended.await) }
    });
    join_all(sent).await
}
