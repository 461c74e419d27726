//! `server.*` and `admin.*`.

mod admission;
mod streams;

use std::net::SocketAddr;
use std::time::Duration;

pub(crate) use self::admission::AdmissionSettings;
pub(crate) use self::streams::StreamSettings;
use crate::settings::form::{flag, list, seconds, socket_address, whole};
use crate::settings::{Reader, table};

table! {
    /// The gRPC listener and the limits of a call.
    pub struct ServerSettings {
        /// The address of the gRPC server. `0.0.0.0:50051` listens on all IPv4 interfaces.
        listen: SocketAddr = "server.listen" => socket_address(), default "127.0.0.1:50051";

        /// Whether `server.listen` may be another address than loopback without TLS. Everybody on
        /// the way can then read API keys and messages, and change them. For a service mesh, or a
        /// proxy on the same machine, that encrypts.
        dangerous_plaintext: bool =
            "server.tls.dangerous_plaintext" => flag(), default "false";

        /// Threads that serve callers; without it as many as the process may use processors. A
        /// connection stays with the thread that has the fewest when it comes, and its calls are
        /// served there. `0`: no thread has connections of its own, and all share all work, which
        /// costs each call more. It helps where one connection alone is to use several processors.
        workers: Option<usize> = "server.workers" => whole(0..=1024, "threads");

        /// Whether gRPC reflection describes the API to any client that can connect.
        reflection: bool = "server.reflection" => flag(), default "false";

        /// Time for a call without a deadline. At most `server.maximum_deadline_seconds`.
        default_deadline: Duration =
            "server.default_deadline_seconds" => seconds(1..=59), default "30";

        /// Longest time for a call; a longer deadline is cut to it. Bitrix24 ends a request after
        /// 60 seconds, so the service has to answer earlier. A call with a shorter deadline is
        /// answered a little before it, so that the response arrives in time: by 5 % of it, at
        /// least 80 and at most 250 milliseconds.
        maximum_deadline: Duration =
            "server.maximum_deadline_seconds" => seconds(1..=59), default "55";

        /// Most calls in progress, those that wait for a portal included. More are refused at once
        /// with `UNAVAILABLE`. One connection carries up to `server.connections.maximum_streams`.
        maximum_concurrent_calls: usize =
            "server.maximum_concurrent_calls" => whole(1..=100_000, "calls"), default "20000";

        /// Largest request message, after decompression.
        maximum_request_bytes: usize =
            "server.maximum_request_bytes" => whole(16_384..=67_108_864, "bytes"),
            default "1048576";

        /// Total size of the requests of all calls in progress. Calls beyond it are refused with
        /// `UNAVAILABLE`. At least `server.maximum_request_bytes`.
        maximum_bytes_in_progress: usize =
            "server.maximum_bytes_in_progress" => whole(16_384..=68_719_476_736, "bytes"),
            default "268435456";

        /// Time for calls in progress to end after a stop signal. In Kubernetes
        /// `terminationGracePeriodSeconds` must cover this, `server.shutdown_delay_seconds`, twice
        /// `authorization.timeout_seconds`, and 15 seconds more.
        drain: Duration = "server.drain_seconds" => seconds(1..=600), default "30";

        /// Time between reporting `NOT_SERVING` and refusing new connections, for load balancers
        /// to notice.
        shutdown_delay: Duration =
            "server.shutdown_delay_seconds" => seconds(0..=300), default "0";
    }
    rules {
        deadlines_in_order(default_deadline, maximum_deadline);
        largest_request_fits(maximum_bytes_in_progress, maximum_request_bytes);
    }
}

table! {
    /// The admin port.
    pub struct AdminSettings {
        /// The address of `/metrics`, `/live`, `/ready`, `/version`, `/log-level` and the status
        /// page, over HTTP, apart from the gRPC server. Without it they are not served. Anybody
        /// who reaches it may change which events the log has; see docs/admin.md.
        listen: Option<SocketAddr> = "admin.listen" => socket_address();

        /// Longest time for a connection to the admin port, its last response included. There are
        /// at most 256; beyond that the oldest gives way.
        connection: Duration = "admin.connection_seconds" => seconds(1..=600), default "30";

        /// Host names under which browsers may open the status page, `/status` and `/log-level`,
        /// beside IP addresses and `localhost`.
        allowed_hosts: Vec<String> = "admin.allowed_hosts" =>
            list("host names without a port", allowed_host), default "";
    }
}

fn allowed_host(name: &str) -> Result<String, &'static str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("is not a host name: give it without scheme and port");
    }
    Ok(name.to_owned())
}

fn deadlines_in_order(reader: &mut Reader<'_>, default: &Duration, maximum: &Duration) {
    if default > maximum {
        let problem = "is longer than server.maximum_deadline_seconds";
        let remedy = "lower it or raise the maximum";
        reader.refuse("server.default_deadline_seconds", problem, remedy);
    }
}

fn largest_request_fits(reader: &mut Reader<'_>, in_progress: &usize, request: &usize) {
    if in_progress < request {
        let problem = "is less than server.maximum_request_bytes";
        reader.refuse("server.maximum_bytes_in_progress", problem, "raise it");
    }
}
