//! A response while it comes.

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, HeaderValue, LOCATION};
use http::response::Parts;

use super::retry_after;

/// A whole response.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) http_status: u16,
    pub(super) location: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Bytes,
}

/// Why a connection brought no whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ended.
    Lost,
    /// The server said that it did not process the request.
    Unprocessed,
    /// The response is larger than allowed.
    Oversized {
        http_status: u16,
        limit_bytes: usize,
    },
}

/// The body of a response, as far as it has come, without its compression.
pub(super) struct Reception {
    http_status: u16,
    body: Body,
    /// Whether nothing has come.
    is_empty: bool,
    maximum_bytes: usize,
}

enum Body {
    /// Nearly every response comes in one piece.
    One(Bytes),
    Many(Vec<u8>),
    Zipped(Box<MultiGzDecoder<Bounded>>),
}

/// What is unpacked, up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    maximum_bytes: usize,
    is_exceeded: bool,
}

impl Reception {
    pub(super) fn of(head: &Parts, maximum_bytes: usize) -> Self {
        let encoding = head
            .headers
            .get(CONTENT_ENCODING)
            .map(HeaderValue::as_bytes);
        let is = |name: &[u8]| encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(name));
        // RFC 9110, 8.4.1.
        let body = if is(b"gzip") || is(b"x-gzip") {
            Body::Zipped(Box::new(MultiGzDecoder::new(Bounded {
                bytes: Vec::new(),
                maximum_bytes,
                is_exceeded: false,
            })))
        } else {
            Body::One(Bytes::new())
        };
        Self {
            http_status: head.status.as_u16(),
            body,
            is_empty: true,
            maximum_bytes,
        }
    }

    /// Adds a part of the body, as it came.
    ///
    /// # Errors
    ///
    /// [`Broken::Oversized`]; [`Broken::Lost`] if it is not what its head says.
    pub(super) fn add(&mut self, part: Bytes) -> Result<(), Broken> {
        self.is_empty &= part.is_empty();
        let length = match &mut self.body {
            Body::One(first) if first.is_empty() => {
                *first = part;
                first.len()
            }
            Body::One(first) => {
                let both = [&first[..], &part[..]].concat();
                let length = both.len();
                self.body = Body::Many(both);
                length
            }
            Body::Many(bytes) => {
                bytes.extend_from_slice(&part);
                bytes.len()
            }
            Body::Zipped(decoder) => {
                let unpacked = decoder.write_all(&part);
                let is_exceeded = decoder.get_ref().is_exceeded;
                return match unpacked {
                    Err(_) if is_exceeded => Err(self.oversized()),
                    unpacked => unpacked.map_err(|_| Broken::Lost),
                };
            }
        };
        if length > self.maximum_bytes {
            return Err(self.oversized());
        }
        Ok(())
    }

    /// The whole response.
    ///
    /// # Errors
    ///
    /// As [`Self::add`].
    pub(super) fn complete(mut self, head: &Parts) -> Result<Received, Broken> {
        let body = match self.body {
            Body::One(bytes) => bytes,
            Body::Many(bytes) => bytes.into(),
            Body::Zipped(_) if self.is_empty => Bytes::new(),
            Body::Zipped(ref mut decoder) => match decoder.try_finish() {
                Ok(()) => std::mem::take(&mut decoder.get_mut().bytes).into(),
                Err(_) if decoder.get_ref().is_exceeded => return Err(self.oversized()),
                Err(_) => return Err(Broken::Lost),
            },
        };
        let location = head.headers.get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        Ok(Received {
            http_status: self.http_status,
            location: location.map(str::to_owned),
            retry_after: retry_after::read(&head.headers),
            body,
        })
    }

    fn oversized(&self) -> Broken {
        Broken::Oversized {
            http_status: self.http_status,
            limit_bytes: self.maximum_bytes,
        }
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.maximum_bytes {
            self.is_exceeded = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
