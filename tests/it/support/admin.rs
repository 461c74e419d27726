//! The admin port of a service, as Prometheus sees it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) use super::free_address::free_address;

/// The page of metrics.
pub(crate) async fn metrics(admin: SocketAddr) -> String {
    page(admin, "/metrics").await
}

/// A page over plain HTTP.
pub(crate) async fn page(server: SocketAddr, path: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{server}{path}")).send();
    answer.await.unwrap().text().await.unwrap()
}

/// Status and text of `/ready`.
pub(crate) async fn ready(admin: SocketAddr) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{admin}/ready")).send();
    let answer = answer.await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Waits until a sample has this value.
pub(crate) async fn until_sample(admin: SocketAddr, name: &str, expected: u64) {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        let value = sample(admin, name).await;
        if value == expected {
            return;
        }
        assert!(Instant::now() < limit, "{name} is {value}, not {expected}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until so many calls are being worked on.
pub(crate) async fn until_in_progress(admin: SocketAddr, calls: u64) {
    until_sample(admin, "openlines_calls_in_progress", calls).await;
}

/// Waits until so many interactive calls are queued.
pub(crate) async fn until_queued(admin: SocketAddr, calls: u64) {
    let name = "openlines_waiting_calls{priority=\"interactive\"}";
    until_sample(admin, name, calls).await;
}

/// A sample of the page, 0 if there is none: `name{label="value"}`.
pub(crate) async fn sample(admin: SocketAddr, sample: &str) -> u64 {
    let page = metrics(admin).await;
    let start = format!("{sample} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&start));
    value.map_or(0, |value| value.parse().unwrap())
}
