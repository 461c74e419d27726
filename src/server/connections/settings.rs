//! `server.connections.*`.

use std::time::Duration;

use crate::settings::form::{seconds, whole};
use crate::settings::{Reader, table};

table! {
    /// The limits of connections to the gRPC server.
    pub(crate) struct ConnectionSettings {
        /// Most connections. A quarter of them may be without an accepted credential; a further one
        /// takes the place of the oldest of these. If all are authenticated, a further connection
        /// is closed at once. The process needs 1,024 file descriptors more than this; the service
        /// does not start if its hard limit is lower.
        maximum: usize = "server.connections.maximum" => whole(1..=1_000_000, "connections"),
            default "1024";

        /// Most calls in progress on one connection; further ones wait in the client. A client that
        /// cancels all of them at once harms nobody; one that goes on cancelling loses its
        /// connection.
        maximum_streams: u32 = "server.connections.maximum_streams" =>
            whole(1..=100_000, "streams"), default "1000";

        /// Time for a new connection to complete the TLS handshake and to send the first 24 bytes
        /// of HTTP/2.
        preface: Duration = "server.connections.preface_seconds" => seconds(1..=60), default "5";

        /// Time for a connection to make a call with an accepted credential. Then it is closed with
        /// GOAWAY; clients reconnect for their next call. Long enough for clients that connect
        /// before they have something to send, and for probes.
        unauthenticated: Duration =
            "server.connections.unauthenticated_seconds" => seconds(1..=3600), default "30";

        /// Age at which a connection is closed with GOAWAY, give or take 10 % at random. Calls in
        /// progress end, and the client connects again, maybe to another replica: without it new
        /// replicas get no calls. A connection is cut when the longest call could have ended; a
        /// stream of calls keeps it for as long as it has items.
        age: Duration = "server.connections.age_seconds" => seconds(1..=86_400), default "300";

        /// Silence after which a peer is pinged. Finds peers that are gone without a word.
        keepalive: Duration =
            "server.connections.keepalive_seconds" => seconds(1..=3600), default "30";

        /// Time for the reply to that ping, before the connection is closed.
        keepalive_timeout: Duration =
            "server.connections.keepalive_timeout_seconds" => seconds(1..=600), default "10";

        /// Time for a peer to read a response. A connection with an older one is closed, at the
        /// latest after one and a half times this.
        unread: Duration = "server.connections.unread_seconds" => seconds(1..=600), default "20";

        /// Total size of all responses that have not been read. Beyond it the connection with most
        /// of it is closed.
        maximum_unread_bytes: usize = "server.connections.maximum_unread_bytes" =>
            whole(65_536..=68_719_476_736, "bytes"), default "67108864";
    }
    rules {
        replies_before_the_next_ping(keepalive, keepalive_timeout);
    }
}

fn replies_before_the_next_ping(reader: &mut Reader<'_>, interval: &Duration, timeout: &Duration) {
    if timeout > interval {
        let problem = "is longer than server.connections.keepalive_seconds";
        let remedy = "lower it, or raise the other";
        reader.refuse(
            "server.connections.keepalive_timeout_seconds",
            problem,
            remedy,
        );
    }
}
