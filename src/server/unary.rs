//! The calls of the service that sends, from the bytes of a request to those of its response: no
//! router, no stream and no box in between (docs/adr/0052). All other calls take the routes of the
//! gRPC library.

use std::future::poll_fn;
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use http_body::{Body, Frame};
use prost::Message;
use tonic::Status;

use super::memory::BodyEvent;
use super::response::{note, out_of_places};
use super::shares::Place;
use crate::auth::Caller;
use crate::call::CallContext;
use crate::error::Error;

/// The prefix of a message: whether it is compressed, and its length (gRPC over HTTP/2,
/// "Length-Prefixed-Message").
pub(super) const PREFIX: usize = 5;

/// A service whose calls have one message each way, and with a stream of such calls.
pub(crate) trait Unary: Send + Sync + 'static {
    /// One of its methods.
    type Method: Copy + Send + 'static;

    /// A call of one of them, as an item of a stream has it.
    type Call: Send + 'static;

    /// The method behind a path.
    fn method(&self, path: &str) -> Option<Self::Method>;

    /// Whether this is the path of the stream.
    fn is_stream(&self, path: &str) -> bool;

    /// Answers a call: gets the message, and returns the [frame](framed) of the response.
    ///
    /// # Errors
    ///
    /// The status of a call that fails.
    fn answer(
        &self,
        method: Self::Method,
        message: Bytes,
        caller: Caller,
        context: &CallContext,
    ) -> impl Future<Output = Result<Bytes, Status>> + Send;

    /// Reads an item of the stream. `None` if it cannot be decoded.
    fn item(&self, message: Bytes) -> Option<Item<Self::Call>>;

    /// The path of the method of a call.
    fn path(call: &Self::Call) -> String;

    /// Answers the call of an item, and returns the [frame](framed) with its answer.
    ///
    /// # Errors
    ///
    /// The status of a call that fails.
    fn answer_item(
        &self,
        key: &str,
        call: Self::Call,
        caller: Caller,
        context: &CallContext,
    ) -> impl Future<Output = Result<Bytes, Status>> + Send;

    /// The [frame](framed) that says that the item with this key has failed.
    fn item_failed(key: &str, status: &Status) -> Bytes;
}

/// An item of a stream.
#[derive(Debug)]
pub(crate) struct Item<C> {
    /// By which its client knows the answer.
    pub(crate) key: String,
    /// How long it may take, if it says so.
    pub(crate) timeout: Option<prost_types::Duration>,
    /// `None`: it has none.
    pub(crate) call: Option<C>,
}

/// A message as it is sent.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut frame = BytesMut::with_capacity(PREFIX + length);
    frame.extend_from_slice(&[0]);
    // A response is never that large: a portal's response has a limit.
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    // The buffer grows as needed, so it always has room.
    let _ = message.encode(&mut frame);
    frame.freeze()
}

/// Reads the message of a request to the end of the request. Its bytes count from their arrival.
///
/// # Errors
///
/// It has none, one that is cut off or compressed, or one of more than `maximum` bytes; or there is
/// no memory for it.
pub(super) async fn read<B>(
    mut body: B,
    place: &Place,
    context: &CallContext,
    maximum: usize,
) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut arrived = Arrived::default();
    let mut is_starved = false;
    while !body.is_end_stream() {
        let frame = poll_fn(|task| {
            let polled = Pin::new(&mut body).poll_frame(task);
            if polled.is_pending() != is_starved {
                is_starved = polled.is_pending();
                let event = if is_starved {
                    BodyEvent::Starved
                } else {
                    BodyEvent::Fed
                };
                note(context, event);
            }
            polled
        });
        let Some(frame) = frame.await else {
            break;
        };
        // Broken off by its peer.
        let frame = frame.map_err(|_| Error::not_decodable())?;
        if let Ok(data) = Frame::into_data(frame) {
            if let Err(exhausted) = place.hold(data.len()) {
                note(context, BodyEvent::Cut(exhausted));
                return Err(out_of_places(exhausted));
            }
            arrived.add(data, maximum)?;
        }
    }
    arrived.message().ok_or_else(Error::not_decodable)
}

/// What has arrived of a request.
#[derive(Debug, Default)]
struct Arrived {
    /// Not copied if it is all in one piece.
    first: Bytes,
    all: BytesMut,
    /// The length of the message with its prefix, when that is known.
    length: Option<usize>,
}

impl Arrived {
    fn add(&mut self, data: Bytes, maximum: usize) -> Result<(), Error> {
        if self.is_complete() {
            // A second message, which a unary call does not have.
            return Ok(());
        }
        if self.first.is_empty() {
            self.first = data;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&data);
        }
        if self.length.is_none()
            && let Some((prefix, _)) = self.bytes().split_first_chunk::<PREFIX>()
        {
            let [compressed, length @ ..] = *prefix;
            let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
            if compressed != 0 {
                return Err(Error::not_decodable());
            }
            if length > maximum {
                return Err(Error::too_large(maximum));
            }
            self.length = Some(PREFIX.saturating_add(length));
        }
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        if self.all.is_empty() {
            &self.first
        } else {
            &self.all
        }
    }

    fn is_complete(&self) -> bool {
        self.length
            .is_some_and(|length| self.bytes().len() >= length)
    }

    /// The message without its prefix, if it has arrived.
    fn message(self) -> Option<Bytes> {
        let length = self.length.filter(|_| self.is_complete())?;
        let mut message = if self.all.is_empty() {
            self.first
        } else {
            self.all.freeze()
        };
        message.truncate(length);
        message.advance(PREFIX);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAXIMUM: usize = 100;

    fn arrived(pieces: &[&[u8]]) -> Result<Option<Bytes>, Error> {
        let mut arrived = Arrived::default();
        for piece in pieces {
            arrived.add(Bytes::copy_from_slice(piece), MAXIMUM)?;
        }
        Ok(arrived.message())
    }

    #[test]
    fn a_message_is_read_however_it_is_cut_into_pieces() {
        let frame = [0, 0, 0, 0, 3, b'a', b'b', b'c'];
        for first in 0..=frame.len() {
            for second in first..=frame.len() {
                let pieces = [&frame[..first], &frame[first..second], &frame[second..]];
                let message = arrived(&pieces).unwrap().unwrap();
                assert_eq!(message, "abc", "{first} {second}");
            }
        }
        assert_eq!(arrived(&[&[0, 0, 0, 0, 0]]).unwrap().unwrap(), "");
    }

    #[test]
    fn what_follows_the_message_is_not_read() {
        let second = [&[0, 0, 0, 0, 1, b'a', 0, 0][..], &[1; 1000]];
        assert_eq!(arrived(&second).unwrap().unwrap(), "a");
    }

    #[test]
    fn a_message_that_is_cut_off_is_none() {
        for cut in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 2, b'a']] {
            assert!(arrived(&[cut]).unwrap().is_none(), "{cut:?}");
        }
    }

    #[test]
    fn the_prefix_alone_refuses_a_message_that_is_too_large_or_compressed() {
        assert!(arrived(&[&[0, 0, 0, 0, 101]]).is_err());
        assert!(arrived(&[&[0, 0, 0, 0, 100]]).unwrap().is_none());
        assert!(arrived(&[&[1, 0, 0, 0, 1, b'a']]).is_err());
    }

    #[test]
    fn a_message_has_its_length_in_front() {
        let message = prost_types::Duration {
            seconds: 5,
            nanos: 0,
        };
        assert_eq!(framed(&message).as_ref(), [0, 0, 0, 0, 2, 8, 5]);
    }
}
