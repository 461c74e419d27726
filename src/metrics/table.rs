//! The table of all metrics, for docs/metrics.md.

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

/// Every metric of this service.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "rpc_server_call_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method", "rpc_response_status_code"],
        meaning: "Duration of calls, from arrival to response.",
    },
    Metric {
        name: "openlines_calls_total",
        kind: "counter",
        labels: &[
            "outcome",
            "reason",
            "rpc_method",
            "rpc_response_status_code",
        ],
        meaning: "Ended calls. `reason` and `outcome` are empty for calls that succeeded.",
    },
    Metric {
        name: "openlines_own_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method"],
        meaning: "The service's own share of calls that were sent to a portal: the duration \
                  without the portal's time and the time in the queue.",
    },
    Metric {
        name: "openlines_calls_in_progress",
        kind: "gauge",
        labels: &[],
        meaning: "Calls in progress of known callers. At `server.maximum_concurrent_calls` new ones are rejected.",
    },
    Metric {
        name: "openlines_refused_strangers_total",
        kind: "counter",
        labels: &["reason"],
        meaning: "Requests that were refused because of their headers. `http_method` and \
                  `content_type`: not a call of gRPC; `health_evicted`: a call of health or reflection whose \
                  request did not arrive, while others needed its place; all other reasons: what \
                  is wrong with the credential.",
    },
    Metric {
        name: "http_client_request_duration_seconds",
        kind: "histogram",
        labels: &["bitrix24_method", "error_type", "http_response_status_code"],
        meaning: "Duration of requests to portals. `http_response_status_code` is empty without \
                  a response.",
    },
    Metric {
        name: "openlines_undocumented_codes_total",
        kind: "counter",
        labels: &["bitrix24_method"],
        meaning: "Refusals of Bitrix24 with an undocumented code. The log has the code.",
    },
    Metric {
        name: "openlines_installations_total",
        kind: "counter",
        labels: &["event", "result"],
        meaning: "Events of portals that have installed or removed an application, by result. \
                  docs/installation.md lists the results.",
    },
    Metric {
        name: "openlines_token_refreshes_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Refreshes of access tokens. `adopted`: another replica was faster. \
                  `recovered`: the second attempt after a lost response.",
    },
    Metric {
        name: "openlines_token_refresh_duration_seconds",
        kind: "histogram",
        labels: &[],
        meaning: "Duration of refreshes of access tokens, including the wait for another \
                  replica.",
    },
    Metric {
        name: "openlines_token_responses_lost_total",
        kind: "counter",
        labels: &[],
        meaning: "Lost responses of an authorization server; a pair of tokens may be lost with \
                  each.",
    },
    Metric {
        name: "openlines_token_store_failures_total",
        kind: "counter",
        labels: &[],
        meaning: "Failed attempts to store a new pair of tokens. They are retried; a pair that \
                  is not stored when the process ends is lost.",
    },
    Metric {
        name: "openlines_portal_moves_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Redirects of portals to a new address, by whether they were followed.",
    },
    Metric {
        name: "openlines_tenant_loads_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Reads of tenants from the store because they were not in memory.",
    },
    Metric {
        name: "openlines_tenants",
        kind: "gauge",
        labels: &["state"],
        meaning: "Tenants in the store: `all`, and of these `disabled` and `reauthorization_required`.",
    },
    Metric {
        name: "openlines_unlisted_tenants",
        kind: "gauge",
        labels: &[],
        meaning: "Tenants from the tenants file that are no longer listed in it.",
    },
    Metric {
        name: "openlines_directory_followed_timestamp_seconds",
        kind: "gauge",
        labels: &[],
        meaning: "When the changes of other replicas were last applied, in seconds since 1970.",
    },
    Metric {
        name: "openlines_callers_file_rejected",
        kind: "gauge",
        labels: &[],
        meaning: "1 while the callers file has a content that cannot be applied: the callers from \
                  before stay. The log has the errors.",
    },
    Metric {
        name: "openlines_key_set_loads_total",
        kind: "counter",
        labels: &["end", "issuer"],
        meaning: "Attempts to load an issuer's set of keys, by `end`: `loaded` or `failed`. After \
                  a failure the set from before stays.",
    },
    Metric {
        name: "openlines_key_set_loaded_timestamp_seconds",
        kind: "gauge",
        labels: &["issuer"],
        meaning: "When an issuer's set of keys was last loaded, in seconds since 1970.",
    },
    Metric {
        name: "openlines_waiting_calls",
        kind: "gauge",
        labels: &["priority"],
        meaning: "Queued calls: they wait for a portal's rate limit, for an earlier call of \
                  their conversation, or for others to join their batch.",
    },
    Metric {
        name: "openlines_waiting_bytes",
        kind: "gauge",
        labels: &[],
        meaning: "Size of the parameters of all queued calls. At \
                  `dispatch.maximum_waiting_bytes` new ones are rejected.",
    },
    Metric {
        name: "openlines_limit",
        kind: "gauge",
        labels: &["limit"],
        meaning: "The limits by the settings: `calls_in_progress`, `waiting_calls` and \
                  `waiting_bytes`, for the metrics of these names.",
    },
    Metric {
        name: "openlines_wait_duration_seconds",
        kind: "histogram",
        labels: &["priority"],
        meaning: "Time in the queue of calls that were sent.",
    },
    Metric {
        name: "openlines_refusals_total",
        kind: "counter",
        labels: &["reason"],
        meaning: "Calls that were not sent because of a full queue or too little time. The \
                  reasons are those of docs/errors.md in lower case.",
    },
    Metric {
        name: "openlines_bucket_fill_ratio",
        kind: "histogram",
        labels: &[],
        meaning: "Fill of a portal's bucket when a request was sent, as far as this replica \
                  knows; 1 is full. Portals without a rate limit do not count.",
    },
    Metric {
        name: "openlines_batch_commands",
        kind: "histogram",
        labels: &[],
        meaning: "Calls in one request to a portal; 1: not a batch.",
    },
    Metric {
        name: "openlines_retries_total",
        kind: "counter",
        labels: &["cause"],
        meaning: "Calls that were queued again, each definitely not executed, by cause.",
    },
    Metric {
        name: "openlines_breaker_openings_total",
        kind: "counter",
        labels: &[],
        meaning: "Openings of circuit breakers, because a portal did not respond.",
    },
    Metric {
        name: "openlines_open_breakers",
        kind: "gauge",
        labels: &[],
        meaning: "Open circuit breakers: calls to these portals fail at once, except for probes.",
    },
    Metric {
        name: "openlines_silent_requests_total",
        kind: "counter",
        labels: &[],
        meaning: "Requests to portals without a response after four times the usual time, and \
                  at least a second. Their conversations are held, at most for \
                  `dispatch.longest_answer_seconds`.",
    },
    Metric {
        name: "openlines_tenant_blocks_total",
        kind: "counter",
        labels: &[],
        meaning: "Tenants whose calls a portal began to block, with OVERLOAD_LIMIT or \
                  authorization_error.",
    },
    Metric {
        name: "openlines_operating_remaining_seconds",
        kind: "histogram",
        labels: &["bitrix24_method"],
        meaning: "Operating time that a method had left, by each response of a portal that \
                  reports it.",
    },
    Metric {
        name: "openlines_ledger_total",
        kind: "counter",
        labels: &["result"],
        meaning: "Calls with a `request_id`, by the state of the ledger. `first`: no entry; \
                  `replayed`: a response; `unknown`: an unknown outcome; `reused`: a different \
                  request; `running`: an attempt that went on beyond the deadline; \
                  `unavailable`: the ledger did not respond. `waited` also counts those that \
                  waited for another attempt.",
    },
    Metric {
        name: "openlines_ledger_unwritten_outcomes",
        kind: "gauge",
        labels: &[],
        meaning: "Outcomes of calls with a `request_id` that are in memory and not in the store \
                  yet. At 65,536, or 64 MiB of answers, such calls are rejected.",
    },
    Metric {
        name: "openlines_living_replicas",
        kind: "gauge",
        labels: &[],
        meaning: "Replicas that share the portals' rate limits through PostgreSQL, including \
                  this one; 0 with SQLite.",
    },
    Metric {
        name: "openlines_sharing_isolated",
        kind: "gauge",
        labels: &[],
        meaning: "1 while this replica uses a safe share of the rate limits because the database \
                  does not respond.",
    },
    Metric {
        name: "openlines_log_lost_lines_total",
        kind: "counter",
        labels: &[],
        meaning: "Log lines that were lost because standard error was not read in time, and \
                  `log.buffer_bytes` of them waited.",
    },
    Metric {
        name: "openlines_open_connections",
        kind: "gauge",
        labels: &["state"],
        meaning: "Open connections to the gRPC server, by whether a call with an accepted \
                  credential was made: `authenticated` and `unauthenticated`. \
                  `server.connections.maximum` limits the sum.",
    },
    Metric {
        name: "openlines_connections_ended_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Ended connections. `closed`: by the client, or broken; `refused`: all places \
                  were taken; `handshake`: TLS or the begin of HTTP/2 failed or was late; \
                  `unauthenticated`: no credential in time, or too many calls without one; `evicted`: gave its place to a newer \
                  one, having shown no credential; `age`; `lifetime`: still open after the \
                  longest call; `unread`: responses were not read; `reset_flood`: too many calls \
                  were cancelled; `stop`: the service stopped.",
    },
    Metric {
        name: "openlines_unread_bytes",
        kind: "gauge",
        labels: &[],
        meaning: "Size of the responses that clients have not read. Beyond \
                  `server.connections.maximum_unread_bytes` the connection with most of it is \
                  closed.",
    },
    Metric {
        name: "openlines_tls_certificate_expiry_timestamp_seconds",
        kind: "gauge",
        labels: &["certificate"],
        meaning: "When the certificate in use expires, in seconds since 1970: `server`, and the \
                  first of `server.tls.client_ca_file` as `client_ca`. Only with TLS.",
    },
    Metric {
        name: "openlines_dependency_works",
        kind: "gauge",
        labels: &["dependency"],
        meaning: "1 while a dependency works, 0 while it fails. `/ready` has the same with causes.",
    },
];
