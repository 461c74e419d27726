//! Where the instructions of a call go.

use super::profile::Profile;

/// Parts of the way, by what the names of their functions contain. A part counts with all that it
/// calls, so that parts overlap.
const PARTS: [(&str, &[&str]); 17] = [
    (
        "connections of callers (HTTP/2)",
        &["hyper::proto::h2::server", "h2::server::"],
    ),
    (
        "the layer around a call",
        &["bitrix24_openlines::server::call::"],
    ),
    (
        "the end of a call: line, metrics, span",
        &["server::ending::"],
    ),
    (
        "log lines",
        &[
            "tracing_subscriber::fmt",
            "telemetry::lines",
            "telemetry::call_line",
        ],
    ),
    (
        "spans",
        &[
            "tracing::span::",
            "tracing_opentelemetry",
            "opentelemetry_sdk::trace",
            "telemetry::trace",
        ],
    ),
    ("metrics", &["bitrix24_openlines::metrics"]),
    ("who calls", &["bitrix24_openlines::auth::"]),
    (
        "the tenant and its token",
        &["bitrix24_openlines::tenant::"],
    ),
    (
        "the dispatcher, from the operation on",
        &["dispatch::Dispatcher"],
    ),
    (
        "the queue and its driver",
        &["dispatch::driver::", "pacing::"],
    ),
    ("the request in flight", &["dispatch::request::"]),
    (
        "the client of portals",
        &[
            "bitrix24::client::",
            "bitrix24::transport",
            "bitrix24::batch::",
        ],
    ),
    (
        "the HTTP library below it",
        &[
            "reqwest::",
            "hyper::client::",
            "hyper_util::client::",
            "hyper::proto::h1",
        ],
    ),
    ("the ledger", &["dispatch::ledger", "store::ledger"]),
    ("the database", &["sqlx", "sqlite3"]),
    ("JSON", &["serde_json::"]),
    ("SHA-256", &["sha2::"]),
];

/// Functions of C that copy and compare memory, by the begin of their names.
const MEMORY: [&str; 6] = ["memcpy", "memmove", "memset", "memcmp", "__memcpy", "__mem"];

/// How many of the dearest functions are shown.
const DEAREST: usize = 40;

pub(crate) fn print(scene: &str, dump: &str, calls: usize) {
    let profile = Profile::read(dump);
    let per_call = |cost: u64| cost as f64 / calls as f64 / 1e3;
    println!("\n### {scene}\n\nThousand instructions per call.\n");
    println!("| part, with all that it calls | |\n|---|---|");
    for (name, parts) in PARTS {
        println!("| {name} | {:.1} |", per_call(profile.entering(parts)));
    }
    println!("\n| by the library whose code it is | |\n|---|---|");
    for (name, cost) in profile.own_by(library).into_iter().take(DEAREST) {
        println!("| {name} | {:.1} |", per_call(cost));
    }
    println!("\n| by function | |\n|---|---|");
    for (name, cost) in profile.own_by(str::to_owned).into_iter().take(DEAREST) {
        println!("| `{name}` | {:.2} |", per_call(cost));
    }
}

/// The library that a function belongs to. What is dropped or implemented counts with its type.
fn library(function: &str) -> String {
    if MEMORY.iter().any(|name| function.starts_with(name)) {
        return "moving and comparing memory".to_owned();
    }
    if function.starts_with("mi_")
        || function.starts_with("_mi_")
        || function.contains("malloc")
        || function.contains("free")
    {
        return "allocator".to_owned();
    }
    let path = function
        .strip_prefix("core::ptr::drop_in_place<")
        .unwrap_or(function);
    let path = path.trim_start_matches(['<', '&', '*', '(', '[']);
    let path = ["mut ", "dyn ", "const "]
        .into_iter()
        .fold(path, |path, word| path.strip_prefix(word).unwrap_or(path));
    match path.split_once("::") {
        Some((library, _)) => library.to_owned(),
        None if function.starts_with("sqlite3") => "sqlite3".to_owned(),
        None => "other".to_owned(),
    }
}
