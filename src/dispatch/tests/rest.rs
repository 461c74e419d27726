//! Portals that nobody calls.

use std::sync::Arc;

use super::bench::answered;
use super::*;
use crate::dispatch::drivers::Drivers;
use crate::tenant::sample;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn portals_that_nobody_calls_any_more_are_forgotten_after_a_while_without_another_call() {
    const PORTALS: usize = 200;
    let mut bench = Bench::start().await;
    let looked_after = tokio::spawn(Drivers::look_after(Arc::downgrade(&bench.drivers())));
    for number in 0..PORTALS {
        let portal = format!("p{number}.bitrix24.com");
        let tenant = sample::at(&format!("t{number}"), &portal);
        let call = bench.call_of(tenant, "chat", "once", 30 * SECOND);
        bench.request().await.go_through();
        answered(call).await;
    }
    // Until then a portal may count what these calls have used.
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(bench.overview(0).known, PORTALS);
    tokio::time::sleep(7 * MINUTE).await;
    assert_eq!(bench.overview(0).known, 0);
    looked_after.abort();
}

#[tokio::test]
async fn a_portal_is_not_forgotten_between_its_look_up_and_the_call() {
    let bench = Bench::start().await;
    let (drivers, portal) = (bench.drivers(), Bench::portal("one"));
    let goes_on = Arc::new(());
    let watched = Arc::downgrade(&goes_on);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.unwrap();
            while watched.strong_count() > 0 {
                runtime.block_on(drivers.sweep());
            }
        });
        // Dropped also if the test fails.
        let _goes_on = goes_on;
        let mut forgotten = 0;
        while forgotten < 100 {
            let driver = drivers.of(&portal, None);
            for _ in 0..100 {
                let known = drivers.known(&portal).expect("a call has it");
                assert!(Arc::ptr_eq(&driver, &known), "there are two");
            }
            drop(driver);
            std::thread::yield_now();
            forgotten += usize::from(drivers.known(&portal).is_none());
        }
    });
}
