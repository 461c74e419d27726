//! Reads the items of a stream, each when there is a place and memory for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, sleep};

use super::messages::Messages;
use crate::error::Error;
use crate::server::response::out_of_places;
use crate::server::shares::Place;

/// How often a stream asks whether a place has become free that other calls held.
const ASK: Duration = Duration::from_millis(10);

/// How long a stream waits for memory for the rest of an item. Streams that each hold half of an
/// item could wait for each other for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request of a stream.
#[derive(Debug)]
pub(super) struct Reader<B> {
    body: B,
    messages: Messages,
    /// Has arrived, and there was no memory for it yet.
    arrived: Option<(Bytes, Instant)>,
    place: Arc<Place>,
    /// Whether an item in progress has the place of the stream itself. So one item finds a place
    /// whatever others hold.
    is_lent: Arc<AtomicBool>,
}

/// What a stream has brought.
pub(super) enum Read {
    /// The message of an item, and what it holds.
    Item(Bytes, Held),
    /// The client has closed its side.
    End,
    /// The client has cancelled the stream, or its connection is gone.
    Broken,
}

/// The place and the memory of an item, until it is dropped.
#[derive(Debug)]
pub(super) enum Held {
    Own {
        _place: Place,
    },
    /// That of the stream.
    Lent {
        place: Arc<Place>,
        bytes: usize,
        is_lent: Arc<AtomicBool>,
    },
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// The request of a stream that has this place, with messages of at most so many bytes.
    pub(super) fn new(body: B, place: Arc<Place>, maximum: usize) -> Self {
        Self {
            body,
            messages: Messages::new(maximum),
            arrived: None,
            place,
            is_lent: Arc::default(),
        }
    }

    /// Waits for the next item, for a place and for memory. Nothing is lost if it is dropped.
    ///
    /// # Errors
    ///
    /// There is no memory for it, or it is no message.
    pub(super) async fn next(&mut self) -> Result<Read, Error> {
        loop {
            if let Some(bytes) = self.messages.next()? {
                match self.hold(bytes) {
                    Some(held) => return Ok(Read::Item(self.messages.take(bytes), held)),
                    None => sleep(ASK).await,
                }
                continue;
            }
            if let Some((data, since)) = &self.arrived {
                match self.place.hold(data.len()) {
                    Ok(()) => {
                        self.messages.add(data);
                        self.arrived = None;
                    }
                    Err(exhausted) if since.elapsed() >= PATIENCE => {
                        return Err(out_of_places(exhausted));
                    }
                    Err(_) => sleep(ASK).await,
                }
                continue;
            }
            let body = &mut self.body;
            match poll_fn(|task| Pin::new(&mut *body).poll_frame(task)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = Frame::into_data(frame) {
                        self.arrived = Some((data, Instant::now()));
                    }
                }
                Some(Err(_)) => return Ok(Read::Broken),
                // A cancelled stream ends without its end.
                None if !self.body.is_end_stream() => return Ok(Read::Broken),
                None if self.messages.is_empty() => return Ok(Read::End),
                None => return Err(Error::not_decodable()),
            }
        }
    }

    fn hold(&self, bytes: usize) -> Option<Held> {
        if !self.is_lent.swap(true, Ordering::AcqRel) {
            return Some(Held::Lent {
                place: Arc::clone(&self.place),
                bytes,
                is_lent: Arc::clone(&self.is_lent),
            });
        }
        let place = self.place.split(bytes).ok()?;
        Some(Held::Own { _place: place })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::Lent {
            place,
            bytes,
            is_lent,
        } = self
        {
            place.release(*bytes);
            is_lent.store(false, Ordering::Release);
        }
    }
}
