//! HAProxy refuses a stream (`REFUSED_STREAM`) whose request the portal has taken: it asks the
//! client to send it again. So such a refusal proves nothing.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use store::sealing::Key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::front::{Front, Protocol};
use crate::support::conversations::crm_message;
use crate::support::deployment::Deployment;
use crate::support::{Fate, tenants};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                      content-length: 26\r\n\r\n{\"result\": 1, \"time\": {}}\n";

/// A portal that takes every request, answers the first one of all, and closes after the others.
struct Portal {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

impl Portal {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&count)));
            }
        });
        Self { address, taken }
    }
}

async fn serve(mut stream: TcpStream, taken: Arc<AtomicUsize>) -> Option<()> {
    loop {
        read_request(&mut stream).await?;
        if taken.fetch_add(1, Ordering::Relaxed) > 0 {
            return None;
        }
        stream.write_all(ANSWER.as_bytes()).await.ok()?;
    }
}

/// Reads to the end of the body, which is JSON and ends with a brace at the end of what comes.
async fn read_request(stream: &mut TcpStream) -> Option<()> {
    let (mut received, mut chunk) = (Vec::new(), [0; 4096]);
    while !received.ends_with(b"}") {
        let length = stream.read(&mut chunk).await.ok().filter(|n| *n > 0)?;
        received.extend_from_slice(&chunk[..length]);
    }
    Some(())
}

#[tokio::test]
async fn a_stream_that_haproxy_refuses_may_have_been_processed_and_is_not_sent_again() {
    let options = super::haproxy(Protocol::Http2);
    if !options.software.is_installed() {
        return;
    }
    let portal = Portal::start().await;
    let front = Front::start(options, &[portal.address]).await;
    let store = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", store.path().join("openlines.db").display());
    let tenants = tenants(front.address).replace("http://", "https://");
    let deployment = Deployment::write(&url, &Key::generate().unwrap(), &tenants, "");
    let trusted = front.certificate();
    let trusted = [("SSL_CERT_FILE", trusted.to_str().unwrap())];
    let mut service = deployment.start_in(&trusted).await;
    for (number, expected) in [(0, Fate::Ok), (1, Fate::Unknown)] {
        let request = deployment.request(crm_message(number, "hello"));
        let told = service.client.send_crm_message(request).await;
        assert_eq!(Fate::of(&told), expected, "{told:?}");
    }
    assert_eq!(portal.taken.load(Ordering::Relaxed), 2);
}
