//! `server.shares.*`, `server.strangers.*` and `server.health.*`.

use std::time::Duration;

use crate::settings::form::{seconds, whole};
use crate::settings::table;

table! {
    /// What a caller may take from the others, and a peer that is not known as a caller.
    #[derive(Copy)]
    pub(crate) struct AdmissionSettings {
        /// What one caller may hold of `server.maximum_concurrent_calls`,
        /// `server.maximum_bytes_in_progress`, `dispatch.maximum_waiting_calls` and
        /// `dispatch.maximum_waiting_bytes` while others hold nothing. While others hold some, it
        /// is the same share of what they leave: with 50 each caller may hold as much as is free,
        /// so two that take all they can get a third each, and a third remains for whoever comes
        /// next. Calls beyond it are refused with `RESOURCE_EXHAUSTED`, reason
        /// `CALLER_SHARE_EXCEEDED`. 100 lets a caller take all.
        share: u8 = "server.shares.maximum_percent" => whole(1..=100, "percent"), default "50";

        /// Calls without a valid credential that a connection is answered at once, each second.
        /// As many again are answered late, within a second. Beyond that a connection on which no
        /// credential was ever accepted is closed.
        refusals_per_second: u32 = "server.strangers.refusals_per_second" =>
            whole(1..=10_000, "calls"), default "10";

        /// Time between two log lines about calls without a valid credential. Each line has their
        /// number.
        report_interval: Duration =
            "server.strangers.report_seconds" => seconds(1..=3600), default "10";

        /// Time for a call of health or reflection, which need no credential: until the response
        /// to `Check`, until the first response to `Watch`, and for a whole reflection stream.
        health_deadline: Duration =
            "server.health.deadline_seconds" => seconds(1..=60), default "5";

        /// Most calls of health and reflection in progress, watches apart. If there are more, the
        /// oldest is ended with `RESOURCE_EXHAUSTED`: a probe whose request has arrived does not
        /// wait, so only peers that send half of a request are affected.
        health_calls: usize =
            "server.health.maximum_calls" => whole(1..=10_000, "calls"), default "64";

        /// Most open `Watch` streams of health. More are refused with `RESOURCE_EXHAUSTED`.
        watches: usize =
            "server.health.maximum_watches" => whole(1..=100_000, "streams"), default "1024";

        /// Most open `Watch` streams on one connection. gRPC clients that check health open one.
        watches_per_connection: usize = "server.health.maximum_watches_per_connection" =>
            whole(1..=1_000, "streams"), default "4";
    }
}
