//! The messages of a stream, out of the pieces in which they arrive.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::Error;
use crate::server::unary::PREFIX;

/// The largest message whose memory is used again, in bytes.
const KEPT: usize = 16 * 1024;

/// What has arrived of a stream and is not an item yet.
#[derive(Debug)]
pub(super) struct Messages {
    arrived: BytesMut,
    maximum: usize,
}

impl Messages {
    /// Messages of at most so many bytes.
    pub(super) fn new(maximum: usize) -> Self {
        Self {
            arrived: BytesMut::new(),
            maximum,
        }
    }

    pub(super) fn add(&mut self, data: &[u8]) {
        self.arrived.extend_from_slice(data);
    }

    /// The bytes of the next message with its prefix, if all of it has arrived.
    ///
    /// # Errors
    ///
    /// It is compressed, or too large.
    pub(super) fn next(&self) -> Result<Option<usize>, Error> {
        let Some((prefix, rest)) = self.arrived.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let [compressed, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if compressed != 0 {
            return Err(Error::not_decodable());
        }
        if length > self.maximum {
            return Err(Error::too_large(self.maximum));
        }
        Ok((rest.len() >= length).then_some(PREFIX + length))
    }

    /// Takes out the next message, which has so many bytes with its prefix.
    pub(super) fn take(&mut self, bytes: usize) -> Bytes {
        let mut message = self
            .arrived
            .split_to(bytes.min(self.arrived.len()))
            .freeze();
        message.advance(PREFIX.min(message.len()));
        if bytes > KEPT {
            // What is left would keep the memory of all.
            self.arrived = BytesMut::from(self.arrived.as_ref());
        }
        message
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.arrived.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<Bytes>, Error> {
        let mut messages = Messages::new(100);
        let mut found = Vec::new();
        for piece in pieces {
            messages.add(piece);
            while let Some(bytes) = messages.next()? {
                found.push(messages.take(bytes));
            }
        }
        assert_eq!(messages.is_empty(), pieces.concat().len() % 7 == 0);
        Ok(found)
    }

    #[test]
    fn messages_are_found_however_they_are_cut_into_pieces() {
        let two = [0, 0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0, 2, b'c', b'd'];
        for first in 0..=two.len() {
            for second in first..=two.len() {
                let pieces = [&two[..first], &two[first..second], &two[second..]];
                assert_eq!(all(&pieces).unwrap(), ["ab", "cd"], "{first} {second}");
            }
        }
    }

    #[test]
    fn a_large_message_leaves_no_memory_behind() {
        let mut messages = Messages::new(1 << 20);
        messages.add(&[0, 0, 0x10, 0, 0]);
        messages.add(&vec![7; 1 << 20]);
        messages.add(&[0, 0]);
        let bytes = messages.next().unwrap().unwrap();
        assert_eq!(messages.take(bytes).len(), 1 << 20);
        assert_eq!(messages.arrived.as_ref(), [0, 0]);
        assert!(messages.arrived.capacity() < KEPT);
    }

    #[test]
    fn what_is_cut_off_stays_and_is_no_message() {
        assert!(all(&[&[0, 0, 0, 0, 9, 1]]).unwrap().is_empty());
    }

    #[test]
    fn the_prefix_alone_refuses_a_message_that_is_too_large_or_compressed() {
        assert!(all(&[&[0, 0, 0, 0, 101]]).is_err());
        assert!(all(&[&[1, 0, 0, 0, 1, b'a']]).is_err());
    }
}
