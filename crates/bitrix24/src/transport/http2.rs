//! A request over a connection of HTTP/2, which many share.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::reception::{Broken, Received, Reception};
use super::tally::Tallied;
use crate::send_guard::SendGuard;

/// A connection that can take requests, as far as is known.
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    opened: Instant,
    /// When the last request ended, in milliseconds after it was opened.
    used_ms: AtomicU64,
    /// How many requests it has. The server says how many it takes at once.
    taken: AtomicUsize,
    /// Wakes who waits for one of those places.
    room: Notify,
    tallied: Tallied,
}

impl Http2 {
    pub(super) fn new(sender: SendRequest<Bytes>, tallied: Tallied) -> Self {
        Self {
            sender,
            opened: Instant::now(),
            used_ms: AtomicU64::new(0),
            taken: AtomicUsize::new(0),
            room: Notify::new(),
            tallied,
        }
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        self.opened + Duration::from_millis(self.used_ms.load(Ordering::Relaxed))
    }
}

impl Http2 {
    /// Makes all that wait for a place look again.
    pub(super) fn look_again(&self) {
        self.room.notify_waiters();
    }

    /// A place among the requests that the server takes at once, as soon as there is one.
    async fn place(&self) -> Result<Place<'_>, Broken> {
        let mut sender = self.sender.clone();
        loop {
            let mut woken = pin!(self.room.notified());
            woken.as_mut().enable();
            poll_fn(|context| sender.poll_ready(context))
                .await
                .map_err(|_| Broken::Lost)?;
            let maximum = sender.current_max_send_streams();
            let more = |taken| (taken < maximum).then_some(taken + 1);
            let (set, fetch) = (Ordering::AcqRel, Ordering::Acquire);
            if let Ok(before) = self.taken.fetch_update(set, fetch, more) {
                if before == 0 {
                    self.tallied.shared_in_use(true);
                }
                return Ok(Place(self));
            }
            woken.await;
        }
    }
}

/// A place of a request among those of its connection.
struct Place<'a>(&'a Http2);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if self.0.taken.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.tallied.shared_in_use(false);
        }
        self.0.room.notify_one();
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
        let _place = self.0.place().await?;
        let mut sender = self.0.sender.clone();
        // The head waits to be written. Without its body no portal executes a request.
        let sent = sender.send_request(request, false);
        let (response, mut stream) = sent.map_err(|_| Broken::Lost)?;
        // The library counts those too that were cancelled a moment ago.
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
