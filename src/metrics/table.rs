//! The table of all metrics, for docs/metrics.md and for who reads them.

mod process;

/// A metric, for docs/metrics.md.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    pub name: &'static str,
    /// The type of Prometheus.
    pub kind: &'static str,
    /// The labels at `/metrics`, in alphabetical order.
    pub labels: &'static [&'static str],
    /// One or more sentences.
    pub meaning: &'static str,
}

const fn of(
    kind: &'static str,
    name: &'static str,
    labels: &'static [&'static str],
    meaning: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        meaning,
    }
}

/// Every metric of this service.
pub fn all_metrics() -> impl Iterator<Item = &'static Metric> {
    OF_CALLS.iter().chain(process::OF_PROCESS)
}

/// Those of calls, portals, tenants, the store and connections.
const OF_CALLS: &[Metric] = &[
    of(
        "histogram",
        "rpc_server_call_duration_seconds",
        &["rpc_method", "rpc_response_status_code"],
        "Duration of calls, from arrival to response.",
    ),
    of(
        "counter",
        "openlines_calls_total",
        &[
            "error_source",
            "outcome",
            "reason",
            "rpc_method",
            "rpc_response_status_code",
        ],
        "Ended calls. `reason`, `outcome` and `error_source` are empty for calls that \
                  succeeded. `error_source` is whose failure it was: `caller`, `portal` \
                  (Bitrix24, its limits and its administrators), `operator` (settings, tenants, \
                  database) or `facade` (this service itself).",
    ),
    of(
        "histogram",
        "openlines_own_duration_seconds",
        &["rpc_method"],
        "The service's own share of calls that were sent to a portal: the duration \
                  without the portal's time and the time in the queue.",
    ),
    of(
        "gauge",
        "openlines_calls_in_progress",
        &[],
        "Calls in progress of known callers. At `server.maximum_concurrent_calls` new ones are rejected.",
    ),
    of(
        "counter",
        "openlines_refused_strangers_total",
        &["reason"],
        "Requests that were refused because of their headers. `http_method` and \
                  `content_type`: not a call of gRPC; `health_evicted`: a call of health or reflection whose \
                  request did not arrive, while others needed its place; all other reasons: what \
                  is wrong with the credential.",
    ),
    of(
        "histogram",
        "http_client_request_duration_seconds",
        &["bitrix24_method", "error_type", "http_response_status_code"],
        "Duration of requests to portals. `http_response_status_code` is empty without \
                  a response, and a class (`4xx`) for a status that is seldom seen.",
    ),
    of(
        "counter",
        "openlines_undocumented_codes_total",
        &["bitrix24_method"],
        "Refusals of Bitrix24 with an undocumented code. The log has the code.",
    ),
    of(
        "counter",
        "openlines_installations_total",
        &["event", "result"],
        "Events of portals that have installed or removed an application, by result. \
                  docs/installation.md lists the results.",
    ),
    of(
        "counter",
        "openlines_token_refreshes_total",
        &["end"],
        "Refreshes of access tokens. `adopted`: another replica was faster. \
                  `recovered`: the second attempt after a lost response.",
    ),
    of(
        "histogram",
        "openlines_token_refresh_duration_seconds",
        &[],
        "Duration of refreshes of access tokens, including the wait for another \
                  replica.",
    ),
    of(
        "counter",
        "openlines_token_responses_lost_total",
        &[],
        "Lost responses of an authorization server; a pair of tokens may be lost with \
                  each.",
    ),
    of(
        "counter",
        "openlines_token_store_failures_total",
        &[],
        "Failed attempts to store a new pair of tokens. They are retried; a pair that \
                  is not stored when the process ends is lost.",
    ),
    of(
        "counter",
        "openlines_portal_moves_total",
        &["end"],
        "Redirects of portals to a new address, by whether they were followed.",
    ),
    of(
        "counter",
        "openlines_tenant_loads_total",
        &["end"],
        "Reads of tenants from the store because they were not in memory.",
    ),
    of(
        "gauge",
        "openlines_tenants",
        &["state"],
        "Tenants in the store: `all`, and of these `disabled` and `reauthorization_required`.",
    ),
    of(
        "gauge",
        "openlines_unlisted_tenants",
        &[],
        "Tenants from the tenants file that are no longer listed in it.",
    ),
    of(
        "gauge",
        "openlines_directory_followed_timestamp_seconds",
        &[],
        "When the changes of other replicas were last applied, in seconds since 1970.",
    ),
    of(
        "gauge",
        "openlines_callers_file_rejected",
        &[],
        "1 while the callers file has a content that cannot be applied: the callers from \
                  before stay. The log has the errors.",
    ),
    of(
        "counter",
        "openlines_key_set_loads_total",
        &["end", "issuer"],
        "Attempts to load an issuer's set of keys, by `end`: `loaded` or `failed`. After \
                  a failure the set from before stays.",
    ),
    of(
        "gauge",
        "openlines_key_set_loaded_timestamp_seconds",
        &["issuer"],
        "When an issuer's set of keys was last loaded, in seconds since 1970.",
    ),
    of(
        "gauge",
        "openlines_waiting_calls",
        &["priority"],
        "Queued calls: they wait for a portal's rate limit, for an earlier call of \
                  their conversation, or for others to join their batch.",
    ),
    of(
        "gauge",
        "openlines_waiting_bytes",
        &[],
        "Size of the parameters of all queued calls. At \
                  `dispatch.maximum_waiting_bytes` new ones are rejected.",
    ),
    of(
        "gauge",
        "openlines_limit",
        &["limit"],
        "The limits by the settings: `calls_in_progress`, `waiting_calls` and \
                  `waiting_bytes`, for the metrics of these names, and `drain_seconds`.",
    ),
    of(
        "histogram",
        "openlines_wait_duration_seconds",
        &["priority"],
        "Time in the queue of calls that were sent.",
    ),
    of(
        "counter",
        "openlines_refusals_total",
        &["reason"],
        "Calls that were not sent because of a full queue or too little time, or by \
                  `dispatch.weekly_guard`. The reasons are those of docs/errors.md in lower case.",
    ),
    of(
        "histogram",
        "openlines_bucket_fill_ratio",
        &[],
        "Fill of a portal's bucket when a request was sent, as far as this replica \
                  knows; 1 is full. Portals without a rate limit do not count.",
    ),
    of(
        "histogram",
        "openlines_batch_commands",
        &[],
        "Calls in one request to a portal; 1: not a batch.",
    ),
    of(
        "counter",
        "openlines_retries_total",
        &["cause"],
        "Calls that were queued again, each definitely not executed, by cause.",
    ),
    of(
        "counter",
        "openlines_breaker_openings_total",
        &[],
        "Openings of circuit breakers, because a portal did not respond.",
    ),
    of(
        "gauge",
        "openlines_open_breakers",
        &[],
        "Open circuit breakers: calls to these portals fail at once, except for probes.",
    ),
    of(
        "counter",
        "openlines_silent_requests_total",
        &[],
        "Requests to portals without a response after four times the usual time, and \
                  at least a second. Their conversations are held, at most for \
                  `dispatch.longest_answer_seconds`.",
    ),
    of(
        "counter",
        "openlines_tenant_blocks_total",
        &[],
        "Tenants whose calls a portal began to block, with OVERLOAD_LIMIT or \
                  authorization_error.",
    ),
    of(
        "histogram",
        "openlines_operating_remaining_seconds",
        &["bitrix24_method"],
        "Operating time that a method had left, by each response of a portal that \
                  reports it.",
    ),
    of(
        "counter",
        "openlines_ledger_total",
        &["result"],
        "Calls with a `request_id`, by the state of the ledger. `first`: no entry; \
                  `replayed`: a response; `unknown`: an unknown outcome; `reused`: a different \
                  request; `running`: an attempt that went on beyond the deadline; \
                  `unavailable`: the ledger did not respond. `waited` also counts those that \
                  waited for another attempt.",
    ),
    of(
        "gauge",
        "openlines_ledger_unwritten_outcomes",
        &[],
        "Outcomes of calls with a `request_id` that are in memory and not in the store \
                  yet. At 65,536, or 64 MiB of answers, such calls are rejected.",
    ),
    of(
        "gauge",
        "openlines_living_replicas",
        &[],
        "Replicas that share the portals' rate limits through PostgreSQL, including \
                  this one; 0 with SQLite.",
    ),
    of(
        "gauge",
        "openlines_sharing_isolated",
        &[],
        "1 while this replica uses a safe share of the rate limits because the database \
                  does not respond.",
    ),
    of(
        "counter",
        "openlines_log_lost_lines_total",
        &[],
        "Log lines that were lost because standard error was not read in time, and \
                  `log.buffer_bytes` of them waited.",
    ),
    of(
        "gauge",
        "openlines_open_connections",
        &["state"],
        "Open connections to the gRPC server, by whether a call with an accepted \
                  credential was made: `authenticated` and `unauthenticated`. \
                  `server.connections.maximum` limits the sum.",
    ),
    of(
        "counter",
        "openlines_connections_ended_total",
        &["end"],
        "Ended connections. `closed`: by the client, or broken; `refused`: all places \
                  were taken; `handshake`: TLS or the begin of HTTP/2 failed or was late; \
                  `unauthenticated`: no credential in time, or too many calls without one; `evicted`: gave its place to a newer \
                  one, having shown no credential; `age`; `lifetime`: still open after the \
                  longest call; `unread`: responses were not read; `reset_flood`: too many calls \
                  were cancelled; `stop`: the service stopped.",
    ),
    of(
        "gauge",
        "openlines_unread_bytes",
        &[],
        "Size of the responses that clients have not read. Beyond \
                  `server.connections.maximum_unread_bytes` the connection with most of it is \
                  closed.",
    ),
    of(
        "gauge",
        "openlines_tls_certificate_expiry_timestamp_seconds",
        &["certificate"],
        "When the certificate in use expires, in seconds since 1970: `server`, and the \
                  first of `server.tls.client_ca_file` as `client_ca`. Only with TLS.",
    ),
    of(
        "gauge",
        "openlines_dependency_works",
        &["dependency"],
        "1 while a dependency works, 0 while it fails. `/ready` has the same with causes.",
    ),
];
