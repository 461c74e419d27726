//! The admin port as Prometheus and the kubelet see it, and docs/metrics.md.

mod alerts;
mod checked;
mod results;
mod status;

use std::fmt::Write;
use std::path::Path;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::metrics::all_metrics;
use sandbox::{Fault, FaultKind, demo};

use crate::support::admin::free_address;
use crate::support::requests::crm_message;
use crate::support::{REFRESHABLE, World, refreshable};

/// What a portal without limits, a server without TLS, callers without tokens and a service that
/// does not stop do not measure.
const NOT_MEASURED_YET: [&str; 5] = [
    "openlines_bucket_fill_ratio",
    "openlines_tls_certificate_expiry_timestamp_seconds",
    "openlines_key_set_loads_total",
    "openlines_key_set_loaded_timestamp_seconds",
    "openlines_drain_started_timestamp_seconds",
];

#[test]
fn the_page_of_metrics_says_what_the_code_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let mut table = "| metric | kind | labels | meaning |\n|---|---|---|---|\n".to_owned();
    for metric in all_metrics() {
        let labels: Vec<String> = metric
            .labels
            .iter()
            .map(|label| format!("`{label}`"))
            .collect();
        let labels = if labels.is_empty() {
            "–".to_owned()
        } else {
            labels.join(", ")
        };
        writeln!(
            table,
            "| `{}` | {} | {labels} | {} |",
            metric.name, metric.kind, metric.meaning
        )
        .unwrap();
    }
    let head = include_str!("metrics/head.md");
    expect_test::expect_file![page].assert_eq(&format!("{head}\n{table}"));
}

#[tokio::test]
async fn every_metric_of_the_page_is_served_with_its_labels_and_no_other() {
    let (world, admin) = world_with_admin_port().await;
    let mut client = world.client().await;
    client
        .send_crm_message(world.request(crm_message("Hello")))
        .await
        .unwrap();
    world.sandbox.inject(Fault::once(FaultKind::Scripted {
        status: 400,
        content_type: "application/json".to_owned(),
        body: r#"{"error":"SOMETHING_NEW"}"#.to_owned(),
        executed: false,
    }));
    client
        .send_crm_message(world.request(crm_message("Hello")))
        .await
        .unwrap_err();

    world.sandbox.expire_token(demo::ACCESS_TOKEN);
    let refreshed = api::SendCrmMessageRequest {
        tenant_id: REFRESHABLE.to_owned(),
        ..crm_message("Hello")
    };
    client
        .send_crm_message(world.request(refreshed))
        .await
        .unwrap();

    let (status, text) = get(&admin, "/metrics").await;
    assert_eq!(status, 200);
    let served = all_metrics().filter(|metric| !NOT_MEASURED_YET.contains(&metric.name));
    for metric in served {
        let kind = format!("# TYPE {} {}\n", metric.name, metric.kind);
        assert!(text.contains(&kind), "{kind} is not in\n{text}");
        for line in text.lines().filter(|line| line.starts_with(metric.name)) {
            assert_eq!(labels_of(line), metric.labels.to_vec(), "{line}");
        }
    }
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    assert_eq!(
        names.len(),
        all_metrics().count() - NOT_MEASURED_YET.len(),
        "the page does not list all of {names:?}"
    );
    let unknown =
        "openlines_undocumented_codes_total{bitrix24_method=\"imopenlines.crm.message.add\"} 1";
    assert!(text.contains(unknown), "{text}");
    for limit in [
        "calls_in_progress\"} 20000\n",
        "waiting_calls\"} 20000\n",
        "waiting_bytes\"} 268435456\n",
    ] {
        let line = format!("openlines_limit{{limit=\"{limit}");
        assert!(text.contains(&line), "{text}");
    }
}

#[tokio::test]
async fn calls_are_counted_by_method_code_and_reason() {
    let (world, admin) = world_with_admin_port().await;
    let mut client = world.client().await;
    let mut wrong = crm_message("Hello");
    wrong.text.clear();
    for _ in 0..3 {
        client
            .send_crm_message(world.request(wrong.clone()))
            .await
            .unwrap_err();
    }
    let (_, text) = get(&admin, "/metrics").await;
    let counted = "openlines_calls_total{error_source=\"caller\",outcome=\"not_executed\",reason=\"ERROR_REASON_INVALID_REQUEST\",\
                   rpc_method=\"openlines.v1.OpenLinesService/SendCrmMessage\",\
                   rpc_response_status_code=\"INVALID_ARGUMENT\"} 3";
    assert!(text.contains(counted), "{text}");
    // What was never sent has no share of ours in a portal's time.
    assert!(
        !text.contains("openlines_own_duration_seconds_count"),
        "{text}"
    );
}

#[tokio::test]
async fn the_process_is_live_and_ready() {
    let (_world, admin) = world_with_admin_port().await;
    assert_eq!(get(&admin, "/live").await, (200, "live\n".to_owned()));
    let (status, text) = get(&admin, "/ready").await;
    assert_eq!(status, 200);
    assert!(text.starts_with("ready\nservice: serving\n"), "{text}");
    assert_eq!(get(&admin, "/elsewhere").await.0, 404);
}

#[tokio::test]
async fn a_stopping_process_is_live_and_not_ready() {
    let (mut world, admin) = world_with_admin_port().await;
    assert_eq!(get(&admin, "/ready").await.0, 200);
    world.service.stop();
    // It turns at once; until then, ask again.
    while get(&admin, "/ready").await.0 == 200 {
        tokio::task::yield_now().await;
    }
    assert_eq!(get(&admin, "/ready").await.0, 503);
    assert_eq!(get(&admin, "/live").await.0, 200);
}

/// A world whose service waits a while before it stops, so that its admin port can be looked at.
async fn world_with_admin_port() -> (World, String) {
    let free = free_address();
    let admin = free.to_string();
    let settings = [
        ("ADMIN_LISTEN", admin.as_str()),
        ("SERVER_SHUTDOWN_DELAY_SECONDS", "30"),
    ];
    let world = World::with_tenants(&settings, &refreshable(REFRESHABLE)).await;
    // A served call proves that the service has started.
    let _connected = world.client().await;
    while get(&admin, "/ready").await.0 != 200 {
        tokio::task::yield_now().await;
    }
    (world, admin)
}

async fn get(admin: &str, path: &str) -> (u16, String) {
    let answer = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(format!("http://{admin}{path}"))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The labels of a sample, without the bound of a histogram's bucket, in the order in which they
/// are served.
fn labels_of(sample: &str) -> Vec<&str> {
    let Some((_, rest)) = sample.split_once('{') else {
        return Vec::new();
    };
    let (labels, _) = rest.rsplit_once('}').unwrap();
    let names = labels
        .split(',')
        .filter_map(|label| label.split_once("=\""))
        .map(|(name, _)| name);
    names.filter(|name| *name != "le").collect()
}
