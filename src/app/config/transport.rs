//! The part of `portals.*` about connections.

use std::time::Duration;

use crate::settings::form::{seconds, whole};
use crate::settings::table;

table! {
    /// Limits of connections to portals.
    pub struct TransportSettings {
        /// Time to reach a portal: name resolution, TCP and TLS.
        connect_timeout: Duration =
            "portals.connect_timeout_seconds" => seconds(1..=30), default "5";

        /// Largest response of a portal, after decompression. The outcome of a call with a larger
        /// response is unknown.
        maximum_response_bytes: usize =
            "portals.maximum_response_bytes" => whole(65_536..=268_435_456, "bytes"),
            default "8388608";

        /// Time after which an unused connection to a portal is closed. It must be shorter than the
        /// time after which a server in front of a portal closes it (Apache: 5 seconds, nginx: 75
        /// seconds): the outcome of a call is unknown if the server closes its connection first.
        idle_connection: Duration =
            "portals.idle_connection_seconds" => seconds(1..=600), default "4";
    }
}
