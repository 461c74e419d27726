//! What is seen of many portals.

use super::*;

#[tokio::test]
async fn of_many_portals_the_busiest_are_seen() {
    const PORTALS: usize = 10_000;
    let mut bench = Bench::start().await;
    bench.know_portals(PORTALS);
    let calling = bench.call("chat", "held", 30 * SECOND);
    let request = bench.request().await;
    assert!(request.depart());
    let seen = bench.overview(3);
    assert_eq!(seen.known, PORTALS + 1);
    let hosts: Vec<&str> = seen.busiest.iter().map(|(host, _)| &**host).collect();
    // Of those that are alike the names decide.
    let expected = ["acme.bitrix24.com", "p0.bitrix24.com", "p1.bitrix24.com"];
    assert_eq!(hosts, expected);
    let in_flight = seen.busiest.iter().map(|(_, view)| view.in_flight);
    assert_eq!(in_flight.collect::<Vec<_>>(), [1, 0, 0]);
    request.answer();
    assert_eq!(calling.await.unwrap().0, Told::Answered);
    assert!(bench.overview(0).busiest.is_empty());
}
