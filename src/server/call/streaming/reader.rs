//! Reads the items of a stream, each when there is a place and memory for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::{Instant, sleep, timeout_at};

use super::messages::Messages;
use crate::call::Progress;
use crate::error::{Error, Interruption};
use crate::server::response::out_of_places;
use crate::server::shares::Place;

/// How often a stream asks whether a place has become free that other calls held: at first, and
/// after a while.
const ASK: Duration = Duration::from_millis(10);
const LONGEST_ASK: Duration = Duration::from_millis(160);

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
    /// How long the rest of an item may take when a part of it is there.
    longest: Duration,
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
    /// The rest of an item comes within `longest`.
    pub(super) fn new(body: B, place: Arc<Place>, maximum: usize, longest: Duration) -> Self {
        Self {
            body,
            messages: Messages::new(maximum),
            arrived: None,
            place,
            is_lent: Arc::default(),
            longest,
        }
    }

    /// Waits for the next item, for a place and for memory: as long as is needed if the stream has
    /// items in progress, which give back theirs. Nothing is lost if it is dropped.
    ///
    /// # Errors
    ///
    /// There is no memory for it, it is no message, or its rest does not come.
    pub(super) async fn next(&mut self, has_items: bool) -> Result<Read, Error> {
        let begun = Instant::now();
        let mut ask = ASK;
        loop {
            if let Some(bytes) = self.messages.next()? {
                match self.hold(bytes) {
                    Some(held) => return Ok(Read::Item(self.messages.take(bytes), held)),
                    None => wait(&mut ask).await,
                }
                continue;
            }
            if let Some((data, since)) = &mut self.arrived {
                if has_items {
                    *since = Instant::now();
                }
                match self.place.hold(data.len()) {
                    Ok(()) => {
                        self.messages.add(data);
                        self.arrived = None;
                    }
                    Err(exhausted) if since.elapsed() >= PATIENCE => {
                        return Err(out_of_places(exhausted));
                    }
                    Err(_) => wait(&mut ask).await,
                }
                continue;
            }
            let body = &mut self.body;
            let frame = poll_fn(|task| Pin::new(&mut *body).poll_frame(task));
            let frame = if self.messages.is_empty() {
                frame.await
            } else {
                let in_time = timeout_at(begun + self.longest, frame).await;
                in_time
                    .map_err(|_| Error::interrupted(Interruption::TimedOut, Progress::NotStarted))?
            };
            match frame {
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

/// Waits, each time longer.
async fn wait(ask: &mut Duration) {
    sleep(*ask).await;
    *ask = (*ask * 2).min(LONGEST_ASK);
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

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::{Context, Poll};

    use http::HeaderMap;

    use super::*;
    use crate::server::shares::{Maximum, Shares};

    const LONGEST: Duration = Duration::from_secs(60);

    /// Brings these pieces, and then nothing more.
    struct Stalled(VecDeque<&'static [u8]>);

    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.0.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece))))),
                None => Poll::Pending,
            }
        }
    }

    /// A reader, and another place of its caller, which holds so much.
    fn beside(held: usize, pieces: &[&'static [u8]]) -> (Reader<Stalled>, Arc<Place>) {
        let shares = Shares::new(Maximum {
            calls: 10,
            bytes: 1_000,
            request_bytes: 300,
            share: 50,
        });
        let admit = || shares.admit(shares.of("shop"), &HeaderMap::new()).unwrap();
        let (place, other) = (admit(), admit());
        other.hold(held).unwrap();
        let body = Stalled(pieces.iter().copied().collect());
        (Reader::new(body, place, 300, LONGEST), other)
    }

    fn reader(pieces: &[&'static [u8]]) -> Reader<Stalled> {
        beside(0, pieces).0
    }

    #[tokio::test(start_paused = true)]
    async fn an_item_whose_rest_does_not_come_ends_the_stream() {
        let mut reader = reader(&[&[0, 0, 0, 0, 1, 7], &[0, 0, 0, 0, 9, 1]]);
        assert!(matches!(reader.next(false).await, Ok(Read::Item(_, _))));
        let begun = Instant::now();
        assert!(reader.next(false).await.is_err());
        assert_eq!(begun.elapsed(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_be_silent_between_its_items() {
        let mut reader = reader(&[&[0, 0, 0, 0, 1, 7]]);
        assert!(matches!(reader.next(false).await, Ok(Read::Item(_, _))));
        let silent = tokio::time::timeout(LONGEST * 60, reader.next(false)).await;
        assert!(silent.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_items_does_not_wait_for_memory_for_ever() {
        let (mut reader, _other) = beside(490, &[&[0; 300]]);
        let waiting = tokio::time::timeout(PATIENCE * 10, reader.next(true)).await;
        assert!(waiting.is_err(), "its items may give back memory");
        assert!(reader.next(false).await.is_err());
    }
}
