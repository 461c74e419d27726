//! A request over a connection of HTTP/2, which many share.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::time::Instant;

use super::reception::{Broken, Received, Reception};
use crate::send_guard::SendGuard;

/// A connection that can take requests, as far as is known.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    opened: Instant,
    /// When the last request ended, in milliseconds after it was opened.
    used_ms: AtomicU64,
}

impl Http2 {
    pub(super) fn new(sender: SendRequest<Bytes>) -> Self {
        Self {
            sender,
            opened: Instant::now(),
            used_ms: AtomicU64::new(0),
        }
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        self.opened + Duration::from_millis(self.used_ms.load(Ordering::Relaxed))
    }
}

/// The use of a connection by one request.
pub(super) struct InUse(pub(super) Arc<Http2>);

impl Drop for InUse {
    fn drop(&mut self) {
        let used_ms = self.0.opened.elapsed().as_millis();
        let used_ms = u64::try_from(used_ms).unwrap_or(u64::MAX);
        self.0.used_ms.fetch_max(used_ms, Ordering::Relaxed);
    }
}

impl InUse {
    /// Sends a request and reads the whole response, at most so many bytes.
    ///
    /// # Errors
    ///
    /// [`Broken`]. If `guard` says that the request was not sent, it never will be.
    pub(super) async fn exchange(
        &self,
        request: Request<()>,
        body: Bytes,
        guard: &SendGuard,
        maximum_bytes: usize,
    ) -> Result<Received, Broken> {
        let mut sender = self.0.sender.clone();
        poll_fn(|context| sender.poll_ready(context))
            .await
            .map_err(|_| Broken::Lost)?;
        // The head waits to be written. Without its body no portal executes a request.
        let sent = sender.send_request(request, false);
        let (response, mut stream) = sent.map_err(|_| Broken::Lost)?;
        // The server says how many it takes at once. Beyond that the head waits in the library, and
        // the request has not been sent.
        poll_fn(|context| sender.poll_ready(context))
            .await
            .map_err(|_| Broken::Lost)?;
        drop(sender);
        // What is dropped before its end, the library cancels, once it was opened.
        if !guard.send() {
            return Err(Broken::Lost);
        }
        // If the stream has ended meanwhile, its response says why.
        let _ = stream.send_data(body, true);
        let (head, mut body) = response.await.map_err(broken)?.into_parts();
        let mut reception = Reception::of(&head, maximum_bytes);
        while let Some(bytes) = body.data().await {
            let bytes = bytes.map_err(|_| Broken::Lost)?;
            let _ = body.flow_control().release_capacity(bytes.len());
            reception.add(bytes)?;
        }
        reception.complete(&head)
    }
}

/// Whether the server said that it did not process the request. The library gives a received
/// `GOAWAY` to those requests only whose streams are above the last one that the server names
/// (RFC 9113, 6.8).
///
/// `REFUSED_STREAM` should say the same (8.7), and does not: HAProxy sends it too when the portal
/// took the request and closed its connection without a response.
#[expect(
    clippy::needless_pass_by_value,
    reason = "as the caller's `map_err` has it"
)]
fn broken(error: h2::Error) -> Broken {
    if error.is_remote() && error.is_go_away() {
        Broken::Unprocessed
    } else {
        Broken::Lost
    }
}
