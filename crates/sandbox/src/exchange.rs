//! The newest requests and their answers as they travelled, for people to look at.
//!
//! The record is the truth about effects and is kept whole; this is bounded, so that nothing grows
//! while nobody looks: the newest [`KEPT`] requests, of each body the first [`KEPT_BYTES`].

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http::header::CONTENT_TYPE;
use secrecy::SecretString;
use tokio::time::Instant;

use crate::request::{HttpRequest, Request};
use crate::response::Reply;
use crate::sync::lock;

/// How many requests are kept.
const KEPT: usize = 200;

/// How many bytes of a body are kept, and of an address.
const KEPT_BYTES: usize = 16 * 1024;

/// A request and its answer. Contains secrets: [`crate::view`] cuts them.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The sequence number of its entry in the record.
    pub(crate) sequence: u64,
    begun: Instant,
    pub(crate) method: Method,
    pub(crate) target: Kept,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Kept,
    pub(crate) secrets: Vec<SecretString>,
    /// `None` while the request is in progress.
    pub(crate) answer: Option<Answer>,
}

/// What the client got.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) took: Duration,
    pub(crate) ending: Ending,
}

#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Response {
        content_type: String,
        location: Option<Kept>,
        body: Kept,
        /// Whether the connection closes in the middle of the body.
        is_cut: bool,
    },
    Close,
    Reset,
    Silence,
}

/// The beginning of a text or body. Shows in `Debug` only its size, because it may have secrets.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) bytes: Bytes,
    /// How many bytes after it are not kept.
    pub(crate) left_out: usize,
}

impl Kept {
    /// A copy: a part of a connection's buffer would keep the whole buffer.
    fn of(bytes: &[u8]) -> Self {
        let kept = bytes.get(..KEPT_BYTES).unwrap_or(bytes);
        Self {
            bytes: Bytes::copy_from_slice(kept),
            left_out: bytes.len() - kept.len(),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.bytes.len())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    kept: Mutex<VecDeque<Exchange>>,
}

impl Exchanges {
    pub(crate) fn begin(&self, sequence: u64, http: &HttpRequest, request: &Request) {
        let exchange = Exchange {
            sequence,
            begun: Instant::now(),
            method: http.method.clone(),
            target: Kept::of(http.target().as_bytes()),
            content_type: http.header(&CONTENT_TYPE).map(str::to_owned),
            body: Kept::of(&http.body),
            secrets: request.secrets(),
            answer: None,
        };
        let mut kept = lock(&self.kept);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(exchange);
    }

    pub(crate) fn end(&self, sequence: u64, reply: &Reply) {
        let ending = match reply {
            Reply::Response(response) => Ending::Response {
                content_type: response.content_type.clone(),
                location: response.location.as_ref().map(|to| Kept::of(to.as_bytes())),
                body: Kept::of(&response.body),
                is_cut: response.sent.is_some(),
            },
            Reply::Close => Ending::Close,
            Reply::Reset => Ending::Reset,
            Reply::Silence => Ending::Silence,
        };
        let mut kept = lock(&self.kept);
        let mut newest_first = kept.iter_mut().rev();
        if let Some(exchange) = newest_first.find(|exchange| exchange.sequence == sequence) {
            let took = exchange.begun.elapsed();
            exchange.answer = Some(Answer { took, ending });
        }
    }

    /// Those of these sequence numbers that are still kept.
    pub(crate) fn of(&self, sequences: &HashSet<u64>) -> Vec<Exchange> {
        let kept = lock(&self.kept);
        let wanted = kept
            .iter()
            .filter(|exchange| sequences.contains(&exchange.sequence));
        wanted.cloned().collect()
    }

    pub(crate) fn clear(&self) {
        lock(&self.kept).clear();
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::response::HttpResponse;

    fn request(body: &[u8]) -> HttpRequest {
        HttpRequest {
            method: Method::POST,
            uri: "/rest/1/secret/profile".parse().unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body),
            listener: ([127, 0, 0, 1], 80).into(),
            peer: None,
            secure: false,
        }
    }

    #[test]
    fn only_the_newest_and_the_beginning_of_their_bodies_are_kept() {
        let exchanges = Exchanges::default();
        let http = request(&[b'x'; KEPT_BYTES + 7]);
        let all: HashSet<u64> = (0..1_000).collect();
        for sequence in &all {
            exchanges.begin(*sequence, &http, &Request::read(&http, true));
            let response = HttpResponse::new(200, "text/plain", vec![b'y'; 2 * KEPT_BYTES]);
            exchanges.end(*sequence, &Reply::Response(response));
        }
        let kept = exchanges.of(&all);
        assert_eq!(kept.len(), KEPT);
        for exchange in kept {
            assert_eq!(exchange.body.bytes.len(), KEPT_BYTES);
            assert_eq!(exchange.body.left_out, 7);
            let Some(Answer {
                ending: Ending::Response { body, .. },
                ..
            }) = exchange.answer
            else {
                panic!("no answer");
            };
            assert_eq!((body.bytes.len(), body.left_out), (KEPT_BYTES, KEPT_BYTES));
        }
    }

    #[test]
    fn an_end_after_the_exchange_was_dropped_changes_nothing() {
        let exchanges = Exchanges::default();
        exchanges.end(7, &Reply::Close);
        assert!(exchanges.of(&HashSet::from([7])).is_empty());
    }
}
