//! When a request is sent, and how long its response is awaited.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bitrix24::{
    Answer, CallError, Deadlines, Method, NotSent, Obstacle, Parameters, SendGuard, Unanswered,
};
use sandbox::{Fault, FaultKind, Moment};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{Counter, PATIENCE, application, crm, sandbox, within};

/// A deadline for responses that never come. With a connection a request is sent sooner, also on a
/// busy machine.
const SOON: Duration = Duration::from_secs(2);

/// A guard, and how often its hook has run.
fn watched() -> (SendGuard, Arc<AtomicUsize>) {
    let count = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&count);
    let guard = SendGuard::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        true
    });
    (guard, count)
}

async fn call(
    counter: &Counter,
    deadlines: Deadlines,
    guard: &SendGuard,
) -> Result<Answer, CallError> {
    let parameters = Parameters::of(&crm("Hello")).unwrap();
    counter
        .client
        .call(
            &counter.portal,
            &application(),
            Method::AddCrmMessage,
            &parameters,
            deadlines,
            guard,
        )
        .await
}

#[tokio::test]
async fn a_request_is_sent_once() {
    let sandbox = sandbox().await;
    let (guard, count) = watched();
    let counter = Counter::at(sandbox.address());
    call(&counter, within(PATIENCE), &guard).await.unwrap();
    assert!(guard.was_sent());
    assert_eq!(count.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_sent_in_time_is_awaited_past_its_send_deadline() {
    let sandbox = sandbox().await;
    let counter = Counter::at(sandbox.address());
    // Opens the connection, so that the next request is sent soon even on a busy machine.
    call(&counter, within(PATIENCE), &SendGuard::unwatched())
        .await
        .unwrap();
    let slow = FaultKind::Slow(Moment::After, Duration::from_millis(1500));
    sandbox.inject(Fault::once(slow));
    let now = Instant::now();
    let deadlines = Deadlines {
        send_by: now + Duration::from_secs(1),
        answer_by: now + PATIENCE,
    };
    call(&counter, deadlines, &SendGuard::unwatched())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_response_that_does_not_come_in_time_leaves_the_outcome_unknown() {
    let sandbox = sandbox().await;
    let counter = Counter::at(sandbox.address());
    call(&counter, within(PATIENCE), &SendGuard::unwatched())
        .await
        .unwrap();
    sandbox.inject(Fault::once(FaultKind::Silence(Moment::After)));
    let (guard, _) = watched();
    let answer = call(&counter, within(SOON), &guard).await;
    assert_eq!(answer, Err(Unanswered::DeadlinePassed.into()));
    assert!(guard.was_sent());
}

#[tokio::test]
async fn a_request_that_is_too_late_is_not_sent() {
    let sandbox = sandbox().await;
    let (guard, count) = watched();
    let now = Instant::now();
    let deadlines = Deadlines {
        send_by: now,
        answer_by: now + PATIENCE,
    };
    let counter = Counter::at(sandbox.address());
    let answer = call(&counter, deadlines, &guard).await;
    assert_eq!(answer, Err(NotSent::DeadlinePassed.into()));
    assert!(!guard.was_sent());
    assert_eq!(count.load(Ordering::SeqCst), 0);
    assert!(sandbox.record().entries.is_empty());
}

#[tokio::test]
async fn a_request_to_a_closed_port_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let counter = Counter::at(listener.local_addr().unwrap());
    drop(listener);
    let (guard, _) = watched();
    let answer = call(&counter, within(PATIENCE), &guard).await;
    assert_eq!(answer, Err(NotSent::Unreachable(Obstacle::Refused).into()));
    assert!(!guard.was_sent());
}

/// Dropped at any stage, a request was sent or never reaches the portal.
#[tokio::test]
async fn a_dropped_call_was_sent_or_never_is() {
    let sandbox = sandbox().await;
    let counter = Counter::at(sandbox.address());
    let (mut sent, mut cancelled) = (0, 0);
    for polls in 0..40 {
        sandbox.clear_record();
        let (guard, _) = watched();
        {
            let mut calling = pin!(call(&counter, within(PATIENCE), &guard));
            for _ in 0..polls {
                let polled = poll_fn(|context| Poll::Ready(calling.as_mut().poll(context)));
                if polled.await.is_ready() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        let was_sent = guard.was_sent();
        // A request in flight arrives meanwhile.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(guard.was_sent(), was_sent);
        assert!(
            sandbox.record().executed() <= usize::from(was_sent),
            "{polls}"
        );
        if was_sent {
            sent += 1;
        } else {
            cancelled += 1;
        }
    }
    assert!(
        sent > 0 && cancelled > 0,
        "{sent} sent and {cancelled} cancelled"
    );
}
