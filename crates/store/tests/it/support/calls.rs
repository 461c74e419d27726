//! Calls with an idempotency key, as the ledger takes them.

use store::ledger::{End, Id, Outcome, Start};
use uuid::Uuid;

use super::stores::id;

pub(crate) fn new_id() -> Id {
    Id {
        tenant: id("acme"),
        request: Uuid::new_v4(),
    }
}

pub(crate) fn start(id: &Id, attempt: i64) -> Start {
    Start {
        id: id.clone(),
        fingerprint: [7; 32],
        attempt,
        replaces: None,
    }
}

pub(crate) fn end(id: &Id, attempt: i64, outcome: Outcome) -> End {
    End {
        id: id.clone(),
        attempt,
        outcome,
    }
}
