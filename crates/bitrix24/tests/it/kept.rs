//! Connections without TLS, as the sandbox has them, are kept for the next request.

use std::time::Duration;

use bitrix24::{
    Client, Credential, Deadlines, Method, Parameters, Policy, PortalAddress, SendGuard,
    TransportOptions,
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n{\"result\":1}";

/// What a portal sees of its connections.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Opened,
    Request,
    Ended,
}

struct Scene {
    client: Client,
    portal: PortalAddress,
    seen: mpsc::UnboundedReceiver<Seen>,
}

impl Scene {
    async fn start(options: TransportOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, seen) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tell.send(Seen::Opened).unwrap();
                tokio::spawn(serve(stream, tell.clone()));
            }
        });
        let policy = Policy {
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        Self {
            client: Client::new(options).unwrap(),
            portal: PortalAddress::parse(&format!("http://{address}"), &policy).unwrap(),
            seen,
        }
    }

    async fn call(&self) {
        let credential = Credential::Webhook {
            user_id: 1,
            secret: "s3cr3tcanary0webhook".into(),
        };
        let (parameters, guard) = (Parameters::of(&json!({})).unwrap(), SendGuard::unwatched());
        let deadlines = Deadlines::until(Instant::now() + Duration::from_secs(20));
        let (portal, method) = (&self.portal, Method::ReadScopes);
        let answer = self
            .client
            .call(portal, &credential, method, &parameters, deadlines, &guard)
            .await;
        assert_eq!(answer.unwrap().result, json!(1));
    }

    async fn sees(&mut self, expected: &[Seen]) {
        for expected in expected {
            assert_eq!(self.seen.recv().await.as_ref(), Some(expected));
        }
    }
}

/// Answers each request, which ends with the braces of its body.
async fn serve(mut stream: TcpStream, tell: mpsc::UnboundedSender<Seen>) {
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut chunk).await.unwrap_or(0);
        if length == 0 {
            let _ = tell.send(Seen::Ended);
            return;
        }
        received.extend_from_slice(&chunk[..length]);
        if received.ends_with(b"{}") {
            received.clear();
            tell.send(Seen::Request).unwrap();
            stream.write_all(ANSWER).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_next_request_uses_the_same_connection() {
    let mut scene = Scene::start(TransportOptions::default()).await;
    scene.call().await;
    scene.call().await;
    scene
        .sees(&[Seen::Opened, Seen::Request, Seen::Request])
        .await;
}

#[tokio::test]
async fn requests_at_once_have_a_connection_each_and_leave_them_to_others() {
    let mut scene = Scene::start(TransportOptions::default()).await;
    tokio::join!(scene.call(), scene.call());
    tokio::join!(scene.call(), scene.call());
    let mut opened = 0;
    let mut requests = 0;
    while requests < 4 {
        match scene.seen.recv().await.unwrap() {
            Seen::Opened => opened += 1,
            Seen::Request => requests += 1,
            Seen::Ended => panic!("a connection ended"),
        }
    }
    assert_eq!(opened, 2);
}

#[tokio::test]
async fn a_connection_without_requests_is_ended() {
    let mut scene = Scene::start(TransportOptions {
        idle_connection: Duration::from_millis(50),
        ..TransportOptions::default()
    })
    .await;
    for _ in 0..2 {
        scene.call().await;
        scene
            .sees(&[Seen::Opened, Seen::Request, Seen::Ended])
            .await;
    }
}

#[tokio::test]
async fn while_too_many_are_open_none_is_kept() {
    let mut scene = Scene::start(TransportOptions {
        kept_connections: 0,
        ..TransportOptions::default()
    })
    .await;
    for _ in 0..2 {
        scene.call().await;
        scene
            .sees(&[Seen::Opened, Seen::Request, Seen::Ended])
            .await;
    }
}

#[tokio::test]
async fn connections_end_with_their_client() {
    let mut scene = Scene::start(TransportOptions::default()).await;
    scene.call().await;
    scene.sees(&[Seen::Opened, Seen::Request]).await;
    scene.client = Client::new(TransportOptions::default()).unwrap();
    scene.sees(&[Seen::Ended]).await;
    scene.call().await;
    scene.sees(&[Seen::Opened, Seen::Request]).await;
}
