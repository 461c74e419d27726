//! `server.streams.*`.

use std::time::Duration;

use crate::settings::form::{seconds, whole};
use crate::settings::{Reader, table};

table! {
    /// Streams of calls.
    #[derive(Copy)]
    pub(crate) struct StreamSettings {
        /// Most items of a stream in progress. While there are as many, no more of the stream is
        /// read, and its client has to wait. Enough for some batches of a portal on their way and
        /// in the queue; each holds a place of `server.maximum_concurrent_calls`.
        maximum_items: usize = "server.streams.maximum_items_in_progress" =>
            whole(1..=100_000, "items"), default "500";

        /// Time for an item of a stream that gives none, and for the rest of an item whose
        /// beginning is there.
        default_timeout: Duration = "server.streams.default_timeout_seconds" =>
            seconds(1..=3600), default "60";

        /// Longest time that an item of a stream may give. An item with a longer one is refused.
        maximum_timeout: Duration = "server.streams.maximum_timeout_seconds" =>
            seconds(1..=3600), default "600";

        /// Time that a stream may have no item in progress and bring none. Then it is ended with
        /// `UNAVAILABLE` and `ERROR_REASON_STREAM_IDLE`, because it holds a place of
        /// `server.maximum_concurrent_calls`. Clients open a new one when they need it.
        idle: Duration = "server.streams.idle_seconds" => seconds(1..=86_400), default "300";
    }
    rules {
        timeouts_in_order(default_timeout, maximum_timeout);
    }
}

fn timeouts_in_order(reader: &mut Reader<'_>, default: &Duration, maximum: &Duration) {
    if default > maximum {
        let problem = "is longer than server.streams.maximum_timeout_seconds";
        let remedy = "lower it or raise the maximum";
        reader.refuse("server.streams.default_timeout_seconds", problem, remedy);
    }
}
