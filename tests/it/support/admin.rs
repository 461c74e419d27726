//! The admin port of a service, as Prometheus sees it.

use std::net::SocketAddr;

use tokio::net::TcpListener;

/// An address on loopback that was free a moment ago, so that settings can name it.
pub(crate) async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// The page of metrics.
pub(crate) async fn metrics(admin: SocketAddr) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{admin}/metrics")).send();
    answer.await.unwrap().text().await.unwrap()
}

/// A sample of the page, 0 if there is none: `name{label="value"}`.
pub(crate) async fn sample(admin: SocketAddr, sample: &str) -> u64 {
    let page = metrics(admin).await;
    let start = format!("{sample} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&start));
    value.map_or(0, |value| value.parse().unwrap())
}
