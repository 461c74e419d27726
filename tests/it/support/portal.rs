//! A portal that answers what the test says and keeps every request as it came over the socket.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Captured {
    pub(crate) fn request_line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The portal. It answers each request with the same document.
pub(crate) struct ScriptedPortal {
    pub(crate) address: SocketAddr,
    captured: Arc<Mutex<Vec<Captured>>>,
}

impl ScriptedPortal {
    pub(crate) async fn answering(document: &str) -> Self {
        Self::with_status(200, "", document).await
    }

    /// Answers with this status, with more header lines that each end in `\r\n`.
    pub(crate) async fn with_status(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let captured = Arc::<Mutex<Vec<Captured>>>::default();
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        let answer = [head.as_bytes(), body].concat();
        let book = Arc::clone(&captured);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(request) = read(&mut stream).await {
                    book.lock().unwrap().push(request);
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
        Self { address, captured }
    }

    /// The one request that came.
    pub(crate) fn only_request(&self) -> Captured {
        let captured = self.captured.lock().unwrap();
        assert_eq!(captured.len(), 1, "{captured:?}");
        captured[0].clone()
    }

    /// Whether nothing came.
    pub(crate) fn is_untouched(&self) -> bool {
        self.captured.lock().unwrap().is_empty()
    }

    /// Forgets what came.
    pub(crate) fn forget(&self) {
        self.captured.lock().unwrap().clear();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Captured> {
    let mut received = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.ok()?;
        if length == 0 {
            return None;
        }
        received.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&received).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let request = Captured {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let length: usize = request.header("content-length")?.parse().ok()?;
        if request.body.len() >= length {
            return Some(request);
        }
    }
}
