//! The admin port of a service, as Prometheus sees it.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Below the ports that the kernel gives to whoever asks for any, so that no other socket of the
/// tests can take them.
const FIRST_PORT: u16 = 12_000;

/// A free address on loopback that settings can name. No two tests get the same.
pub(crate) fn free_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Another run of the tests may be under way: it begins elsewhere.
    let begin = u16::try_from(std::process::id() % 20_000).unwrap();
    loop {
        let number = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], FIRST_PORT + number));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

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
