//! The ends of HTTP/2 requests and connections: a request that the server says it did not process
//! was not executed, and every other one without an answer may have been.

use std::sync::Arc;
use std::time::Duration;

use bitrix24::{
    Answer, Authorities, CallError, Client, Credential, Deadlines, Method, NotSent, Parameters,
    Policy, PortalAddress, SendGuard, TransportOptions, Unanswered,
};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::http2_portal::{
    CANCEL, ENHANCE_YOUR_CALM, Http2Portal, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, Reaction,
};

/// A client and its portal.
struct Scene {
    client: Client,
    portal: Http2Portal,
    address: PortalAddress,
}

impl Scene {
    async fn start(script: &[Reaction]) -> Self {
        Self::start_for(u32::MAX, script).await
    }

    /// With a portal that takes at most so many requests at once.
    async fn start_for(maximum_streams: u32, script: &[Reaction]) -> Self {
        Self::keeping(usize::MAX, maximum_streams, script).await
    }

    /// With a client that keeps no connection while more than so many are open.
    async fn keeping(kept: usize, maximum_streams: u32, script: &[Reaction]) -> Self {
        let document = r#"{"result": [], "time": {}}"#;
        let portal = Http2Portal::start_for(maximum_streams, document, script).await;
        let authorities = Authorities::from_pem(&portal.certificate_pem).unwrap();
        let client = Client::new(TransportOptions {
            authorities,
            kept_connections: kept,
            ..TransportOptions::default()
        });
        let policy = Policy {
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        let address = format!("https://{}", portal.address);
        Self {
            client: client.unwrap(),
            address: PortalAddress::parse(&address, &policy).unwrap(),
            portal,
        }
    }

    async fn call(&self) -> Result<Answer, CallError> {
        let guard = SendGuard::unwatched();
        self.call_within(Duration::from_secs(20), &guard).await
    }

    async fn call_within(&self, limit: Duration, guard: &SendGuard) -> Result<Answer, CallError> {
        let credential = Credential::Webhook {
            user_id: 1,
            secret: "s3cr3tcanary0webhook".into(),
        };
        let parameters = Parameters::of(&json!({"text": "hello"})).unwrap();
        let deadlines = Deadlines::until(Instant::now() + limit);
        let (method, portal) = (Method::ReadScopes, &self.address);
        self.client
            .call(portal, &credential, method, &parameters, deadlines, guard)
            .await
    }
}

#[tokio::test]
async fn only_the_servers_own_word_proves_that_a_request_was_not_processed() {
    let unprocessed = CallError::from(NotSent::Unprocessed);
    let lost = CallError::from(Unanswered::ConnectionLost);
    for (reaction, expected) in [
        (Reaction::GoAwayBelow(NO_ERROR), &unprocessed),
        (Reaction::GoAwayBelow(ENHANCE_YOUR_CALM), &unprocessed),
        // HAProxy refuses streams that the portal has taken.
        (Reaction::Reset(REFUSED_STREAM), &lost),
        (Reaction::Reset(CANCEL), &lost),
        (Reaction::Reset(NO_ERROR), &lost),
        (Reaction::Reset(INTERNAL_ERROR), &lost),
        (Reaction::ResetInAnswer(CANCEL), &lost),
        (Reaction::ResetInAnswer(REFUSED_STREAM), &lost),
        (Reaction::GoAwayAndClose(NO_ERROR), &lost),
        (Reaction::GoAwayAndClose(INTERNAL_ERROR), &lost),
        (Reaction::GoAwayAndClose(ENHANCE_YOUR_CALM), &lost),
        (Reaction::GoAwayLaterAndClose, &lost),
        (Reaction::Close, &lost),
    ] {
        let scene = Scene::start(&[reaction]).await;
        assert_eq!(scene.call().await.as_ref(), Err(expected), "{reaction:?}");
        // The client library sends nothing again by itself.
        assert_eq!(scene.portal.bodies().len(), 1, "{reaction:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_after_a_request_answers_it_and_fails_the_next_one_only() {
    let script = [
        Reaction::Answer,
        Reaction::Keep,
        Reaction::GoAwayBelow(NO_ERROR),
    ];
    let scene = Scene::start(&script).await;
    // From here on there is one connection for all.
    scene.call().await.unwrap();
    let (first, second) = tokio::join!(scene.call(), scene.call());
    let ends = [first, second];
    let answered = ends.iter().filter(|end| end.is_ok()).count();
    let unprocessed = Err(NotSent::Unprocessed.into());
    let refused = ends.iter().filter(|end| **end == unprocessed).count();
    assert_eq!((answered, refused), (1, 1), "{ends:?}");
    assert_eq!(scene.portal.connections(), 1);
}

/// Fifty calls at once, in a task each.
async fn burst(scene: &Arc<Scene>) {
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let scene = Arc::clone(scene);
        calls.spawn(async move { scene.call().await });
    }
    for answer in calls.join_all().await {
        answer.unwrap();
    }
}

#[tokio::test]
async fn a_burst_waits_for_one_connection_and_shares_it() {
    let scene = Arc::new(Scene::start(&[]).await);
    burst(&scene).await;
    assert_eq!(scene.portal.connections(), 1);
}

#[tokio::test]
async fn calls_that_meet_the_end_of_a_connection_share_the_next_one() {
    let scene = Arc::new(Scene::start(&[Reaction::AnswerAsTheLast]).await);
    scene.call().await.unwrap();
    burst(&scene).await;
    assert_eq!(scene.portal.connections(), 2);
}

#[tokio::test]
async fn a_call_that_waits_for_the_connection_of_another_outlives_it() {
    let scene = Scene::start(&[]).await;
    let mut first = Box::pin(scene.call());
    // It has begun to connect.
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(scene.call());
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    second.await.unwrap();
    assert_eq!(scene.portal.connections(), 1);
}

#[tokio::test]
async fn a_connection_is_kept_only_while_few_are_open() {
    for (kept, connections) in [(1, 1), (0, 3)] {
        let scene = Scene::keeping(kept, u32::MAX, &[]).await;
        for _ in 0..3 {
            scene.call().await.unwrap();
        }
        assert_eq!(scene.portal.connections(), connections);
    }
}

#[tokio::test]
async fn each_runtime_has_connections_of_its_own() {
    let scene = Arc::new(Scene::start(&[]).await);
    scene.call().await.unwrap();
    let other = Arc::clone(&scene);
    let elsewhere = tokio::task::spawn_blocking(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(async {
            other.call().await.unwrap();
            other.call().await.unwrap();
        });
    });
    elsewhere.await.unwrap();
    scene.call().await.unwrap();
    assert_eq!(scene.portal.connections(), 2);
}

#[tokio::test]
async fn the_answer_of_the_last_request_of_a_connection_counts() {
    let scene = Scene::start(&[Reaction::AnswerAsTheLast]).await;
    scene.call().await.unwrap();
    scene.call().await.unwrap();
    assert_eq!(scene.portal.connections(), 2);
}

#[tokio::test]
async fn a_request_beyond_those_that_the_server_takes_at_once_is_not_sent() {
    let scene = Scene::start_for(1, &[Reaction::Answer, Reaction::Keep]).await;
    // From here on the limit is known.
    scene.call().await.unwrap();
    let mut hanging = Box::pin(scene.call());
    while scene.portal.bodies().len() < 2 {
        assert!(futures_util::poll!(&mut hanging).is_pending());
        tokio::task::yield_now().await;
    }
    let guard = SendGuard::unwatched();
    let second = scene.call_within(Duration::from_millis(300), &guard).await;
    assert_eq!(second, Err(NotSent::DeadlinePassed.into()));
    assert!(!guard.was_sent());
    assert_eq!(scene.portal.bodies().len(), 2);
}

#[tokio::test]
async fn a_burst_on_a_new_connection_keeps_to_the_limit_of_the_server() {
    let scene = Arc::new(Scene::start_for(10, &[]).await);
    burst(&scene).await;
    assert_eq!(scene.portal.connections(), 1);
}

#[tokio::test]
async fn of_a_burst_only_those_are_sent_that_the_server_takes_at_once() {
    let script = [&[Reaction::Answer][..], &[Reaction::Keep; 10]].concat();
    let scene = Scene::start_for(10, &script).await;
    scene.call().await.unwrap();
    let guards: Vec<_> = (0..50).map(|_| SendGuard::unwatched()).collect();
    let (first, others) = guards.split_at(10);
    let (long, short) = (Duration::from_secs(20), Duration::from_millis(300));
    let hanging = first.iter().map(|guard| scene.call_within(long, guard));
    let waiting = others.iter().map(|guard| scene.call_within(short, guard));
    tokio::select! {
        biased;
        ends = futures_util::future::join_all(hanging) => panic!("{ends:?}"),
        ends = futures_util::future::join_all(waiting) => {
            let late = Err(NotSent::DeadlinePassed.into());
            assert!(ends.iter().all(|end| *end == late), "{ends:?}");
        }
    }
    assert!(first.iter().all(SendGuard::was_sent));
    assert!(!others.iter().any(SendGuard::was_sent));
}
