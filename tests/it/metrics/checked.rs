//! The page of metrics as `promtool` reads it, and what every process has.

use std::io::Write;
use std::process::{Command, Stdio};

use bitrix24_openlines::testing::metrics::all_metrics;

use super::{get, world_with_admin_port};
use crate::support::requests::crm_message;
use crate::support::tell;

/// Of Debian's package `prometheus`.
const PROMTOOL: &str = "promtool";

#[tokio::test]
async fn promtool_has_nothing_to_say() {
    let (world, admin) = world_with_admin_port().await;
    let mut client = world.client().await;
    let sent = client.send_crm_message(world.request(crm_message("Hello")));
    sent.await.unwrap();
    let (_, text) = get(&admin, "/metrics").await;
    let started = Command::new(PROMTOOL)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        assert!(std::env::var_os("CI").is_none(), "{PROMTOOL} is missing");
        tell("promtool is missing, so it checked no metrics");
        return;
    };
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[tokio::test]
async fn every_metric_says_what_it_means() {
    let (_world, admin) = world_with_admin_port().await;
    let (_, text) = get(&admin, "/metrics").await;
    let meaning = |name: &str| {
        let start = format!("# HELP {name} ");
        text.lines().find_map(|line| line.strip_prefix(&start))
    };
    let served = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    for name in served {
        let metric = all_metrics().find(|metric| metric.name == name);
        let expected = metric.unwrap().meaning.replace('`', "");
        assert_eq!(meaning(name), Some(&*expected), "{name}");
    }
}

#[tokio::test]
async fn the_process_and_its_build_are_measured() {
    let (_world, admin) = world_with_admin_port().await;
    let (_, text) = get(&admin, "/metrics").await;
    let value = |name: &str| -> f64 {
        let start = format!("{name} ");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(&start));
        value.unwrap_or_else(|| panic!("{name}")).parse().unwrap()
    };
    // What the kernel says of this process meanwhile is about the same.
    assert!(value("process_cpu_seconds_total") > 0.0);
    assert!(value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert!(value("process_threads") >= 2.0);
    let open = value("process_open_fds");
    assert!(open >= 3.0 && open < value("process_max_fds"), "{open}");
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age = now - value("process_start_time_seconds");
    // The kernel counts from the start of the machine, which it knows to the second.
    assert!((-2.0..86_400.0).contains(&age), "{age}");

    let built = format!("version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"));
    let info = text
        .lines()
        .find(|line| line.starts_with("openlines_build_info{"));
    let info = format!("{}\n", info.unwrap());
    assert!(
        info.ends_with(&built) && info.contains("rust_version=\"1."),
        "{info}"
    );
    assert_eq!(value("openlines_ready").to_bits(), 1f64.to_bits());
}
