//! `dispatch.*` and `ledger.*`: how calls wait for a portal, and how long idempotency keys are kept.

use std::time::Duration;

use super::reader::Reader;
use super::setting::{Form, Setting};
use crate::dispatch::Options;

/// How calls wait for a portal, and how long idempotency keys are kept.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// Calls that may wait in all. Default 20,000; 1–1,000,000.
    pub maximum_waiting_calls: usize,
    /// Calls that may wait for one portal. Default 10,000; 1–1,000,000.
    pub maximum_waiting_calls_per_portal: usize,
    /// Size of the parameters of all waiting calls together, in bytes. Default 256 MiB; 1 MiB to 64 GiB.
    pub maximum_waiting_bytes: usize,
    /// Requests that may be on their way to one portal at once. Default 100; 1–1,000.
    pub parallel_requests_per_portal: usize,
    /// Most commands of a batch. Default 50; 1–50, and 1 sends none.
    pub maximum_batch: usize,
    /// How long a method may run within Bitrix24's window. Default 480 s; 0–86,400 s, and 0 is no limit.
    pub operating_limit: Option<Duration>,
    /// How long idempotency keys are kept. Default 24 h; 1–720 h.
    pub ledger_lifetime: Duration,
}

pub(super) const SETTINGS: &[&Setting] = &[
    &MAXIMUM_WAITING_CALLS,
    &MAXIMUM_WAITING_CALLS_PER_PORTAL,
    &MAXIMUM_WAITING_BYTES,
    &PARALLEL_REQUESTS_PER_PORTAL,
    &MAXIMUM_BATCH,
    &OPERATING_LIMIT,
    &LEDGER_LIFETIME,
];

static MAXIMUM_WAITING_CALLS: Setting = Setting {
    path: "dispatch.maximum_waiting_calls",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_000_000,
        unit: "calls",
    },
    default: Some("20000"),
    meaning: "Calls that may wait in all; more are refused with `RESOURCE_EXHAUSTED`. Waiting calls are under way: see \
              `server.maximum_concurrent_calls`, too.",
};
static MAXIMUM_WAITING_CALLS_PER_PORTAL: Setting = Setting {
    path: "dispatch.maximum_waiting_calls_per_portal",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_000_000,
        unit: "calls",
    },
    default: Some("10000"),
    meaning: "Calls that may wait for one portal, so that a busy or broken portal leaves room for others.",
};
static MAXIMUM_WAITING_BYTES: Setting = Setting {
    path: "dispatch.maximum_waiting_bytes",
    form: Form::Whole {
        minimum: 1_048_576,
        maximum: 68_719_476_736,
        unit: "bytes",
    },
    default: Some("268435456"),
    meaning: "Size of the parameters of all waiting calls together; what goes beyond is refused with `RESOURCE_EXHAUSTED`.",
};
static PARALLEL_REQUESTS_PER_PORTAL: Setting = Setting {
    path: "dispatch.parallel_requests_per_portal",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_000,
        unit: "requests",
    },
    default: Some("100"),
    meaning: "Requests that may be on their way to one portal at once. What a portal bears is unknown.",
};
static MAXIMUM_BATCH: Setting = Setting {
    path: "dispatch.maximum_batch",
    form: Form::Whole {
        minimum: 1,
        maximum: 50,
        unit: "commands",
    },
    default: Some("50"),
    meaning: "Most commands of one `batch` request to Bitrix24, whose own limit is 50. 1 sends every call in a request of its own.",
};
static OPERATING_LIMIT: Setting = Setting {
    path: "dispatch.operating_limit_seconds",
    form: Form::Whole {
        minimum: 0,
        maximum: 86_400,
        unit: "seconds",
    },
    default: Some("480"),
    meaning: "How long a method may run for a tenant within the ten minutes that Bitrix24 looks at. What would go beyond, by \
              Bitrix24's own reports, is refused before Bitrix24 blocks the method. 0 is no limit; for portals in \
              `portals.self_hosted` there is none.",
};
static LEDGER_LIFETIME: Setting = Setting {
    path: "ledger.lifetime_hours",
    form: Form::Whole {
        minimum: 1,
        maximum: 720,
        unit: "hours",
    },
    default: Some("24"),
    meaning: "How long the answer to a call with a `request_id` is kept in the database, to be replayed.",
};

impl Dispatch {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let maximum_waiting_calls = reader.whole(&MAXIMUM_WAITING_CALLS);
        let maximum_waiting_calls_per_portal = reader.whole(&MAXIMUM_WAITING_CALLS_PER_PORTAL);
        let maximum_waiting_bytes = reader.whole(&MAXIMUM_WAITING_BYTES);
        let parallel_requests_per_portal = reader.whole(&PARALLEL_REQUESTS_PER_PORTAL);
        let maximum_batch = reader.whole(&MAXIMUM_BATCH);
        let operating_limit = reader.whole(&OPERATING_LIMIT).map(Duration::from_secs);
        let ledger_lifetime = reader.whole(&LEDGER_LIFETIME).map(Duration::from_hours);
        Some(Self {
            maximum_waiting_calls: maximum_waiting_calls?,
            maximum_waiting_calls_per_portal: maximum_waiting_calls_per_portal?,
            maximum_waiting_bytes: maximum_waiting_bytes?,
            parallel_requests_per_portal: parallel_requests_per_portal?,
            maximum_batch: maximum_batch?,
            operating_limit: operating_limit
                .map(|limit| Some(limit).filter(|limit| !limit.is_zero()))?,
            ledger_lifetime: ledger_lifetime?,
        })
    }

    /// What the dispatcher is made with.
    pub fn options(&self) -> Options {
        let Self {
            maximum_waiting_calls,
            maximum_waiting_calls_per_portal,
            maximum_waiting_bytes,
            parallel_requests_per_portal,
            maximum_batch,
            operating_limit,
            ledger_lifetime: _,
        } = *self;
        Options {
            maximum_waiting_calls,
            maximum_waiting_calls_per_portal,
            maximum_waiting_bytes,
            parallel_requests_per_portal,
            maximum_batch,
            operating_limit,
        }
    }
}
