//! The metrics of the process and of its service as a whole.

use super::{Metric, of};

pub(super) const OF_PROCESS: &[Metric] = &[
    of(
        "gauge",
        "openlines_ready",
        &[],
        "1 while `/ready` answers 200, otherwise 0.",
    ),
    of(
        "gauge",
        "openlines_drain_started_timestamp_seconds",
        &[],
        "When the service stopped taking calls, in seconds since 1970. Only while calls \
                  in progress are given time to end, at most `server.drain_seconds`.",
    ),
    of(
        "counter",
        "openlines_terminated_calls_total",
        &[],
        "Calls that were still in progress when the drain time was over, or after a \
                  second stop signal. Each was answered with what was known of it.",
    ),
    of(
        "counter",
        "openlines_connector_messages_total",
        &["result"],
        "Messages of SendConnectorMessages that Bitrix24 judged one by one: \
                  `delivered`; `refused`; `unknown`, without a result of their own. Such a call \
                  is OK whatever the results. Replayed responses do not count again.",
    ),
    of(
        "gauge",
        "openlines_portal_connections",
        &["state"],
        "Open connections to portals and authorization servers: `in_use` by a request, \
                  or `idle`.",
    ),
    of(
        "counter",
        "openlines_traces_lost_total",
        &[],
        "Spans that the collector did not get: it was away, refused them, or was too \
                  slow.",
    ),
    of(
        "counter",
        "openlines_metrics_lost_total",
        &[],
        "Transmissions of metrics that the collector did not get: it was away, refused them, \
                  all or in part, or was too slow. The next one has newer values. 0 without \
                  `telemetry.otlp_metrics`.",
    ),
    of(
        "gauge",
        "openlines_build_info",
        &["revision", "rust_version", "version"],
        "1. The labels say what was built: version, commit and compiler; `revision` is \
                  `unknown` if the build did not ask for it.",
    ),
    of(
        "counter",
        "process_cpu_seconds_total",
        &[],
        "Processor time of the process, in user space and in the kernel.",
    ),
    of(
        "gauge",
        "process_resident_memory_bytes",
        &[],
        "Memory of the process that is not swapped out.",
    ),
    of(
        "gauge",
        "process_virtual_memory_bytes",
        &[],
        "Address space of the process.",
    ),
    of(
        "gauge",
        "process_open_fds",
        &[],
        "Open file descriptors: files and connections.",
    ),
    of(
        "gauge",
        "process_max_fds",
        &[],
        "Most file descriptors that the process may open.",
    ),
    of(
        "gauge",
        "process_start_time_seconds",
        &[],
        "When the process was started, in seconds since 1970.",
    ),
    of("gauge", "process_threads", &[], "Threads of the process."),
];
