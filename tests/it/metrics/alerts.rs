//! The counters that the alerts of the chart look at. A series that begins with more than 0 has no
//! rate: what made it begin alerts nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bitrix24_openlines::testing::metrics::all_metrics;
use sandbox::{Fault, FaultKind, Gate, Moment};

use crate::support::admin::{free_address, metrics, until_in_progress};
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{World, conversations, until};

/// Histograms cannot be there before the first measurement. Their alerts look at what lasts for ten
/// minutes, so they lose nothing but the first look.
const NOT_BEFORE: [&str; 3] = [
    "openlines_bucket_fill_ratio_bucket",
    "openlines_bucket_fill_ratio_count",
    "openlines_wait_duration_seconds_bucket",
];

/// The methods that send.
const SENDING: [&str; 4] = [
    "SendConnectorMessages",
    "SendCrmMessage",
    "SendNetworkMessage",
    "StreamingSendMessages",
];

/// How calls may end by which an alert counts: status, reason, outcome, source. A failure without a
/// reason would be a bug, and is not there before.
const ENDS: [(&str, &str, &str, &str); 8] = [
    // What the shares of failures are shares of.
    ("OK", "", "", ""),
    (
        "UNKNOWN",
        "ERROR_REASON_OUTCOME_UNKNOWN",
        "unknown",
        "portal",
    ),
    (
        "DEADLINE_EXCEEDED",
        "ERROR_REASON_OUTCOME_UNKNOWN",
        "unknown",
        "portal",
    ),
    ("CANCELLED", "", "unknown", "caller"),
    ("INTERNAL", "ERROR_REASON_INTERNAL", "unknown", "facade"),
    (
        "INTERNAL",
        "ERROR_REASON_INTERNAL",
        "not_executed",
        "facade",
    ),
    (
        "UNKNOWN",
        "ERROR_REASON_ANSWER_NOT_UNDERSTOOD",
        "executed",
        "facade",
    ),
    (
        "UNAVAILABLE",
        "ERROR_REASON_SHUTTING_DOWN",
        "not_executed",
        "facade",
    ),
];

type Labels = BTreeMap<String, String>;

/// A series of the page of metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Series {
    name: String,
    labels: Labels,
}

/// What an alert takes a rate or an increase of.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Selector {
    name: String,
    /// Label, operator, value.
    matchers: Vec<(String, String, String)>,
}

impl Selector {
    /// The selectors that must each have a series: one for each alternative of a regular
    /// expression.
    fn alternatives(&self) -> Vec<Self> {
        let mut all = vec![Vec::new()];
        for (label, operator, value) in &self.matchers {
            let (operator, values) = match &**operator {
                "=~" => ("=", value.split('|').collect()),
                "=" | "!=" => (&**operator, vec![&**value]),
                other => panic!("{other} in {self:?}"),
            };
            all = all
                .iter()
                .flat_map(|before| {
                    values.iter().map(move |value| {
                        let one = (label.clone(), operator.to_owned(), (*value).to_owned());
                        before.iter().cloned().chain([one]).collect()
                    })
                })
                .collect();
        }
        let name = &self.name;
        all.into_iter()
            .map(|matchers| Self {
                name: name.clone(),
                matchers,
            })
            .collect()
    }

    fn selects(&self, series: &Series) -> bool {
        series.name == self.name
            && self.matchers.iter().all(|(label, operator, value)| {
                let has = series.labels.get(label).map_or("", String::as_str);
                (has == value) == (operator == "=")
            })
    }
}

/// Everything that the alerts of the chart take a rate or an increase of.
fn watched() -> BTreeSet<Selector> {
    let file = "helm/bitrix24-openlines/alerts/openlines.yaml";
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let alerts = std::fs::read_to_string(alerts).unwrap();
    let taken = ["rate(", "increase("].map(|function| alerts.split(function).skip(1));
    taken.into_iter().flatten().map(selector).collect()
}

/// The selector at the beginning of a text: `name{label="value"}[5m]`.
fn selector(text: &str) -> Selector {
    let (selector, _) = text.split_once('[').unwrap();
    let (name, matchers) = selector.split_once('{').unwrap_or((selector, ""));
    let matchers = matchers.trim_end_matches('}').split(',');
    let matchers = matchers
        .filter(|matcher| !matcher.is_empty())
        .map(|matcher| {
            let (label, rest) = matcher.split_at(matcher.find(['=', '!']).unwrap());
            let (operator, value) = rest.split_at(rest.find('"').unwrap());
            (
                label.to_owned(),
                operator.to_owned(),
                value.trim_matches('"').to_owned(),
            )
        });
    Selector {
        name: name.to_owned(),
        matchers: matchers.collect(),
    }
}

/// The series of a page of metrics, with their values. No label of ours has a comma in its value.
fn series(page: &str) -> BTreeMap<Series, String> {
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    let read = |sample: &str| {
        let (series, value) = sample.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.trim_end_matches('}').split(',');
        let labels = labels.filter_map(|label| label.split_once('='));
        let labels =
            labels.map(|(label, value)| (label.to_owned(), value.trim_matches('"').to_owned()));
        let series = Series {
            name: name.to_owned(),
            labels: labels.collect(),
        };
        (series, value.to_owned())
    };
    samples.map(read).collect()
}

fn value_of<'a>(page: &'a BTreeMap<Series, String>, series: &Series) -> Option<&'a str> {
    page.get(series).map(String::as_str)
}

/// How calls of a method may end, as a series.
fn calls(method: &str, (code, reason, outcome, source): (&str, &str, &str, &str)) -> Series {
    let method = format!("openlines.v1.OpenLinesService/{method}");
    let labels = [
        ("rpc_method", &*method),
        ("rpc_response_status_code", code),
        ("reason", reason),
        ("outcome", outcome),
        ("error_source", source),
    ];
    Series {
        name: "openlines_calls_total".to_owned(),
        labels: labels
            .map(|(label, value)| (label.to_owned(), value.to_owned()))
            .into(),
    }
}

/// Whether an alert counts calls that end so.
fn is_watched(series: &Series) -> bool {
    let has = |label: &str, value| series.labels.get(label).is_some_and(|has| has == value);
    series.name == "openlines_calls_total"
        && (has("outcome", "unknown") || has("error_source", "facade"))
}

/// The series of a process that was not called yet.
async fn fresh() -> BTreeMap<Series, String> {
    let admin = free_address();
    let settings = format!(
        "server: {{listen: '127.0.0.1:0'}}\nadmin: {{listen: '{admin}'}}\n\
         auth: {{mode: dangerous_none}}\n"
    );
    let files = Files::write(&settings, "tenants: []\n");
    let settings = files.settings();
    let process = Process::start(openlines(&[
        "serve",
        "--config",
        settings.to_str().unwrap(),
    ]));
    process.address().await;
    series(&metrics(admin).await)
}

#[tokio::test]
async fn every_counter_that_an_alert_looks_at_is_there_from_the_start() {
    let served = fresh().await;
    let watched = watched();
    assert!(watched.len() > 15, "{watched:?}");
    let mut not_before = BTreeSet::new();
    for selector in watched.iter().flat_map(Selector::alternatives) {
        let name = &*selector.name;
        if NOT_BEFORE.contains(&name) {
            not_before.insert(name.to_owned());
            let is_histogram =
                |kind: &str, known: &str| kind == "histogram" && name.starts_with(known);
            let mut metrics = all_metrics();
            assert!(
                metrics.any(|metric| is_histogram(metric.kind, metric.name)),
                "{name}"
            );
            continue;
        }
        let mut found = served.iter().filter(|(series, _)| selector.selects(series));
        let (_, value) = found.next().unwrap_or_else(|| panic!("{selector:?}"));
        assert_eq!(value, "0", "{selector:?}");
        assert!(found.all(|(_, value)| value == "0"), "{selector:?}");
    }
    assert_eq!(not_before, NOT_BEFORE.map(str::to_owned).into());
}

#[tokio::test]
async fn calls_of_every_end_that_an_alert_counts_are_there_from_the_start() {
    let served = fresh().await;
    for method in SENDING {
        for end in ENDS {
            let series = calls(method, end);
            assert_eq!(value_of(&served, &series), Some("0"), "{method} {end:?}");
        }
    }
    // What only reads leaves no doubt of what it did, but can fail.
    let reads = |outcome| calls("GetSendStatus", ("INTERNAL", ENDS[4].1, outcome, "facade"));
    assert_eq!(value_of(&served, &reads("not_executed")), Some("0"));
    assert_eq!(value_of(&served, &reads("unknown")), None);
}

#[tokio::test]
async fn events_of_installations_that_may_be_lost_are_there_from_the_start() {
    let served = fresh().await;
    for (event, result) in [
        ("install", "busy"),
        ("install", "gave_up"),
        ("uninstall", "busy"),
        ("uninstall", "gave_up"),
        // It is known to be of no interest only after it has got a place.
        ("other", "busy"),
    ] {
        let labels = [("event", event), ("result", result)];
        let series = Series {
            name: "openlines_installations_total".to_owned(),
            labels: labels
                .map(|(label, value)| (label.to_owned(), value.to_owned()))
                .into(),
        };
        assert_eq!(value_of(&served, &series), Some("0"), "{event} {result}");
    }
}

#[tokio::test]
async fn no_fault_makes_a_series_of_an_alert_that_was_not_there_at_0() {
    let admin = free_address();
    let settings = [
        ("ADMIN_LISTEN", &*admin.to_string()),
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "2"),
    ];
    let world = World::with_settings(&settings).await;
    let mut client = world.client().await;
    // It has started when it answers.
    let sent = client.send_crm_message(world.request(crm_message("first")));
    sent.await.unwrap();
    let before = series(&metrics(admin).await);

    let answer = |status, body: &str, executed| FaultKind::Scripted {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        executed,
    };
    let faults = [
        FaultKind::Reset(Moment::After),
        FaultKind::Silence(Moment::After),
        answer(500, "{\"error\":\"INTERNAL_SERVER_ERROR\"}", true),
        answer(200, "{\"result\":true}", true),
        answer(400, "{\"error\":\"ERROR_BATCH_LENGTH_EXCEEDED\"}", false),
    ];
    // A conversation for each, because some stay held.
    conversations::add(&world.sandbox, 10);
    for (number, fault) in (0..).zip(faults) {
        world.sandbox.inject(Fault::once(fault));
        let message = conversations::crm_message(number, "Hello");
        let sent = client.send_crm_message(world.request(message));
        sent.await.unwrap_err();
        // The circuit breaker stays closed.
        let sent = client.send_crm_message(world.request(crm_message("Hello again")));
        sent.await.unwrap();
    }
    // A caller that gives up while the portal has its call.
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let record = world.sandbox.record().entries.len();
    let request = world.request(conversations::crm_message(9, "given up"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        world.sandbox.record().entries.len() > record
    })
    .await;
    call.abort();
    until_in_progress(admin, 0).await;
    gate.open();

    let after = series(&metrics(admin).await);
    let counted = after
        .iter()
        .filter(|(series, value)| is_watched(series) && *value != "0");
    let counted: BTreeMap<&Series, &String> = counted.collect();
    for series in counted.keys() {
        assert_eq!(value_of(&before, series), Some("0"), "{series:?}");
    }
    assert_eq!(counted.len(), 5, "{counted:?}");
    let calls = counted.values().map(|calls| calls.parse::<u64>().unwrap());
    assert_eq!(calls.sum::<u64>(), 6, "{counted:?}");
}
