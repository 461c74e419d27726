//! `dispatch.*` and `ledger.*`.

use std::time::Duration;

use super::weekly_guard::WeekReading;
use bitrix24::PortalAddress;
use pacing::{Limits, OperatingKey};

use crate::settings::form::{hours, seconds, whole, words};
use crate::settings::table;

table! {
    /// Limits of queues, batches and budgets.
    #[derive(PartialEq, Eq)]
    pub struct Options {
        /// Most calls that may wait in all. More are refused with `RESOURCE_EXHAUSTED`. A waiting
        /// call is in progress, so `server.maximum_concurrent_calls` limits it, too.
        maximum_waiting_calls: usize =
            "dispatch.maximum_waiting_calls" => whole(1..=1_000_000, "calls"), default "20000";

        /// Most calls that may wait for one portal, so that a busy or broken portal leaves capacity
        /// to others.
        maximum_waiting_calls_per_portal: usize =
            "dispatch.maximum_waiting_calls_per_portal" => whole(1..=1_000_000, "calls"),
            default "10000";

        /// Total size of the parameters of all waiting calls. Calls beyond it are refused with
        /// `RESOURCE_EXHAUSTED`.
        maximum_waiting_bytes: usize =
            "dispatch.maximum_waiting_bytes" => whole(1_048_576..=68_719_476_736, "bytes"),
            default "268435456";

        /// Most requests in flight to one portal. The limit of a portal is unknown.
        parallel_requests_per_portal: usize =
            "dispatch.parallel_requests_per_portal" => whole(1..=1_000, "requests"),
            default "100";

        /// Most commands in one `batch` request to Bitrix24, whose own limit is 50. 1 sends each
        /// call in a request of its own.
        maximum_batch: usize =
            "dispatch.maximum_batch" => whole(1..=50, "commands"), default "50";

        /// Whose calls of a method share one operating limit: those of the `tenant`, or those of
        /// all tenants of the `portal`. Bitrix24's pages disagree; `portal` is safe under both
        /// readings.
        operating_key: OperatingKey =
            "dispatch.operating_key" => words(&[
                ("portal", OperatingKey::Portal),
                ("tenant", OperatingKey::Tenant),
            ]), default "portal";

        /// Operating time of a method within Bitrix24's window of ten minutes
        /// (source: page "limits"). By Bitrix24's own reports the service refuses calls beyond it,
        /// before Bitrix24 blocks the method. 0 is no limit. Portals in `portals.self_hosted` have
        /// none.
        operating_limit: Option<Duration> =
            "dispatch.operating_limit_seconds" => seconds(0..=86_400).map(none_if_zero),
            default "480";

        /// How long a request to a portal is waited for. Until then later calls to its
        /// conversations are held, because the portal may still be executing it: Bitrix24's cloud
        /// ends a request after 60 seconds (source: page "limits"). With a shorter time
        /// conversations are free earlier, and a message may overtake one that a slow portal is
        /// still executing.
        longest_answer: Duration =
            "dispatch.longest_answer_seconds" => seconds(5..=300), default "61";

        /// Which network messages the service refuses itself because the user had this week's:
        /// `none`; `certain`, those that the portal refuses whether its week is seven days or that
        /// of a calendar; `rolling`, those within seven days, if you know that your portals count
        /// so. It goes by what each portal has said: see sending.md.
        weekly_guard: Option<WeekReading> =
            "dispatch.weekly_guard" => words(&[
                ("none", None),
                ("certain", Some(WeekReading::Certain)),
                ("rolling", Some(WeekReading::Rolling)),
            ]), default "none";
    }
}

table! {
    /// The ledger of idempotency keys.
    pub struct LedgerSettings {
        /// How long the response to a call with a `request_id` is kept in the database, to be
        /// replayed.
        lifetime: Duration = "ledger.lifetime_hours" => hours(1..=720), default "24";
    }
}

impl Options {
    /// The limits of this portal.
    pub(super) fn limits(&self, portal: &PortalAddress) -> Limits {
        Limits {
            waiting_calls: self.maximum_waiting_calls_per_portal,
            parallel_requests: self.parallel_requests_per_portal,
            batch_calls: self.maximum_batch,
            operating_time: self.operating_limit_of(portal),
            operating_key: self.operating_key,
            longest_answer: self.longest_answer,
        }
    }

    /// The limit of a method's operating time on this portal. Bitrix24 documents one for its cloud
    /// only.
    pub(crate) fn operating_limit_of(&self, portal: &PortalAddress) -> Option<Duration> {
        self.operating_limit.filter(|_| !portal.is_self_hosted())
    }
}

fn none_if_zero(limit: Duration) -> Option<Duration> {
    Some(limit).filter(|limit| !limit.is_zero())
}

#[cfg(test)]
impl Default for Options {
    fn default() -> Self {
        use crate::settings::{Document, Environment, Reader};

        let document = Document::without_file(serde_json::Value::Null);
        Self::read(&mut Reader::new(&document, &Environment::default())).unwrap()
    }
}
