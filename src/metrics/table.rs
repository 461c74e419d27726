//! The names of all metrics, for docs/metrics.md.

/// A metric, for docs/metrics.md.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name at `/metrics`.
    pub name: &'static str,
    /// What it is to Prometheus.
    pub kind: &'static str,
    /// The labels at `/metrics`, in alphabetical order.
    pub labels: &'static [&'static str],
    /// What it says.
    pub meaning: &'static str,
}

/// Every metric of this service.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "rpc_server_call_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method", "rpc_response_status_code"],
        meaning: "How long calls took, from their arrival to their answer.",
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
        meaning: "Calls by how they ended. `reason` and `outcome` are empty for calls that succeeded.",
    },
    Metric {
        name: "openlines_own_duration_seconds",
        kind: "histogram",
        labels: &["rpc_method"],
        meaning: "Our own share of calls that went to a portal: the whole less the portal's time and the wait for a turn.",
    },
    Metric {
        name: "openlines_calls_in_hand",
        kind: "gauge",
        labels: &[],
        meaning: "Calls that are being worked on. At `server.maximum_concurrent_calls` new ones are refused.",
    },
    Metric {
        name: "http_client_request_duration_seconds",
        kind: "histogram",
        labels: &["bitrix24_method", "error_type", "http_response_status_code"],
        meaning: "How long requests to portals took. `http_response_status_code` is empty without an answer.",
    },
    Metric {
        name: "openlines_undocumented_codes_total",
        kind: "counter",
        labels: &["bitrix24_method"],
        meaning: "Refusals of Bitrix24 with a code that is not documented. The log has the code.",
    },
    Metric {
        name: "openlines_installations_total",
        kind: "counter",
        labels: &["event", "result"],
        meaning: "Events of portals that have installed or removed an application, by what became of them. \
                  docs/installation.md lists the results.",
    },
    Metric {
        name: "openlines_token_refreshes_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Refreshes of access tokens by how they ended. `adopted`: another replica was faster. `recovered`: the second attempt after a lost answer.",
    },
    Metric {
        name: "openlines_token_refresh_duration_seconds",
        kind: "histogram",
        labels: &[],
        meaning: "How long refreshes of access tokens took, the wait for another replica included.",
    },
    Metric {
        name: "openlines_token_answers_lost_total",
        kind: "counter",
        labels: &[],
        meaning: "Answers of an authorization server that were lost, so that a pair of tokens may be lost too.",
    },
    Metric {
        name: "openlines_token_store_failures_total",
        kind: "counter",
        labels: &[],
        meaning: "Failed attempts to store a new pair of tokens. They are repeated; a pair that is not stored when the process ends is lost.",
    },
    Metric {
        name: "openlines_portal_moves_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Redirects of portals to a new address by whether they were followed.",
    },
    Metric {
        name: "openlines_tenant_loads_total",
        kind: "counter",
        labels: &["end"],
        meaning: "Tenants that were looked up in the store because they were not in memory.",
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
        meaning: "Tenants that came from the tenants file and are no longer in it.",
    },
    Metric {
        name: "openlines_directory_followed_timestamp_seconds",
        kind: "gauge",
        labels: &[],
        meaning: "When the changes of other replicas were last taken over, in seconds since 1970.",
    },
    Metric {
        name: "openlines_waiting_calls",
        kind: "gauge",
        labels: &["priority"],
        meaning: "Calls that wait for room in a portal's budget, for their turn in a conversation, or for company in a batch.",
    },
    Metric {
        name: "openlines_waiting_bytes",
        kind: "gauge",
        labels: &[],
        meaning: "Size of the parameters of all waiting calls. At `dispatch.maximum_waiting_bytes` new ones are refused.",
    },
    Metric {
        name: "openlines_limit",
        kind: "gauge",
        labels: &["limit"],
        meaning: "What the settings allow: `calls_in_hand`, `waiting_calls` and `waiting_bytes`, for the metrics of these names.",
    },
    Metric {
        name: "openlines_wait_duration_seconds",
        kind: "histogram",
        labels: &["priority"],
        meaning: "How long calls had waited when they were sent.",
    },
    Metric {
        name: "openlines_refusals_total",
        kind: "counter",
        labels: &["reason"],
        meaning: "Calls that were not sent for want of room or time, by reason: the names of docs/errors.md in lower case.",
    },
    Metric {
        name: "openlines_bucket_fill_ratio",
        kind: "histogram",
        labels: &[],
        meaning: "How full a portal's bucket of requests was when a request was sent, as far as it is known here; 1 is full. Portals \
                  without a limit do not count.",
    },
    Metric {
        name: "openlines_batch_commands",
        kind: "histogram",
        labels: &[],
        meaning: "How many calls a request to a portal carried; 1 travelled singly.",
    },
    Metric {
        name: "openlines_repeats_total",
        kind: "counter",
        labels: &["cause"],
        meaning: "Calls that were put back to be sent again, each certainly not executed, by cause.",
    },
    Metric {
        name: "openlines_breaker_openings_total",
        kind: "counter",
        labels: &[],
        meaning: "Portals that were given up for a while because they had not answered.",
    },
    Metric {
        name: "openlines_open_breakers",
        kind: "gauge",
        labels: &[],
        meaning: "Portals that are given up at the moment: their calls are refused, and they are probed from time to time.",
    },
    Metric {
        name: "openlines_operating_remaining_seconds",
        kind: "histogram",
        labels: &["bitrix24_method"],
        meaning: "Execution time that a method had left, by each answer of a portal that reported it.",
    },
    Metric {
        name: "openlines_ledger_total",
        kind: "counter",
        labels: &["result"],
        meaning: "Calls with a `request_id` by what the ledger knew of it. `first`: nothing; `replayed`: the answer; `unknown`: that nobody \
                  knows; `reused`: another request; `running`: an attempt that went on beyond the deadline; `unavailable`: the ledger did \
                  not answer. `waited` counts in addition those that waited for another attempt.",
    },
    Metric {
        name: "openlines_living_replicas",
        kind: "gauge",
        labels: &[],
        meaning: "Replicas that share the portals' budgets through PostgreSQL, this one included; 0 with SQLite.",
    },
    Metric {
        name: "openlines_sharing_database_away",
        kind: "gauge",
        labels: &[],
        meaning: "1 while this replica keeps to a safe share of the budgets because the database does not answer.",
    },
];
