//! A stream of calls: reads items while they may be in progress, runs each as the call that it is,
//! and writes their answers (docs/adr/0066).
//!
//! It runs as a task of its own, because the body of a response is asked for more only while its
//! client reads: the deadlines of items pass also when it does not.

mod item;
mod messages;
mod reader;

use std::collections::{HashSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use http::Response;
use http::request::Parts;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Span;

use self::item::{Answered, OfStream};
use self::reader::{Held, Read, Reader};
use super::CallService;
use crate::auth::Presented;
use crate::call::{Arrival, CallContext, Progress};
use crate::error::{Error, Interruption};
use crate::server::call_id::CALL_ID;
use crate::server::ending::Ending;
use crate::server::reply::{self, Piece, Reply};
use crate::server::shares::Place;
use crate::server::unary::Unary;
use crate::telemetry::Linked;

/// Answers that wait for the HTTP/2 library to take them. The rest waits among the items in
/// progress, so that nothing more is read of a client that does not read.
const ANSWERS: usize = 16;

/// A stream that may run.
pub(super) struct Opened<O> {
    pub(super) service: CallService<O>,
    /// With the credential, which every item shows again.
    pub(super) head: Parts,
    pub(super) context: CallContext,
    pub(super) ending: Ending,
    pub(super) span: Span,
}

/// A stream in progress.
struct Stream<O> {
    service: CallService<O>,
    head: Parts,
    context: CallContext,
    /// Its span, if it is traced: the spans of its items are linked to it.
    traced: Option<Linked>,
    /// Those of the items in progress.
    keys: HashSet<Arc<str>>,
    items: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Answers that are to be written. Until then their items hold what they hold.
    answers: VecDeque<Answered>,
    /// Why no more is read: the client has closed its side, or the stream has failed.
    over: Option<Result<(), Error>>,
}

/// The client has cancelled the stream.
struct Cancelled;

impl<O: Unary> Opened<O> {
    /// Begins the stream, whose request has this body and whose items begin with this place.
    pub(super) fn begin<B>(self, body: B, place: Arc<Place>) -> Response<Reply>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    {
        let Self {
            service,
            head,
            context,
            ending,
            span,
        } = self;
        // Later calls of the connection do not wait for a message that may never come.
        if let Some(arrival) = context.arrival() {
            arrival.note_read();
        }
        let (pieces, receiver) = mpsc::channel(ANSWERS);
        let mut response = reply::stream(receiver);
        if let Ok(call_id) = http::HeaderValue::from_str(context.call_id()) {
            response.headers_mut().insert(CALL_ID, call_id);
        }
        let longest = service.gate.streams.default_timeout;
        let reader = Reader::new(body, place, service.gate.maximum_request_bytes, longest);
        let stream = Stream {
            service,
            head,
            context,
            traced: Linked::of(&span),
            keys: HashSet::new(),
            items: FuturesUnordered::new(),
            answers: VecDeque::new(),
            over: None,
        };
        // Dropping the response ends it. Not in its span, which would be around all items, those
        // that are not traced included.
        tokio::spawn(stream.run(reader, pieces, ending));
        response
    }
}

impl<O: Unary> Stream<O> {
    async fn run<B>(mut self, reader: Reader<B>, pieces: mpsc::Sender<Piece>, ending: Ending)
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Ok(end) = self.answer_all(reader, &pieces).await else {
            // Dropped, items and stream record that they were cancelled.
            return;
        };
        let (code, end) = match end {
            Ok(()) => ("OK", Ok(())),
            Err(error) => {
                let identity = self.context.identity();
                let failure = error.into_failure(&identity);
                failure.note(&self.context);
                (failure.code_name(), Err(failure.into_status(&identity)))
            }
        };
        if pieces.send(Piece::End(end)).await.is_ok() {
            ending.end(code);
        }
    }

    /// Answers all items that are read, and says how the stream ends.
    async fn answer_all<B>(
        &mut self,
        mut reader: Reader<B>,
        pieces: &mpsc::Sender<Piece>,
    ) -> Result<Result<(), Error>, Cancelled>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let draining = self.service.gate.draining.child_token();
        let mut late = pin!(sleep_until(self.context.deadline()));
        let idle_time = self.service.gate.streams.idle;
        let mut idle = pin!(sleep(idle_time));
        loop {
            let in_progress = self.items.len() + self.answers.len();
            if in_progress == 0
                && let Some(over) = self.over.take()
            {
                return Ok(over);
            }
            let is_over = self.over.is_some();
            let may_read = !is_over && in_progress < self.service.gate.streams.maximum_items;
            tokio::select! {
                biased;
                () = pieces.closed() => return Err(Cancelled),
                Some(answered) = self.items.next(), if !self.items.is_empty() => {
                    self.keys.remove(&answered.key);
                    self.answers.push_back(answered);
                }
                Ok(room) = pieces.reserve(), if !self.answers.is_empty() => {
                    if let Some(answer) = self.answers.pop_front() {
                        room.send(Piece::Message(answer.frame));
                    }
                    if in_progress == 1 {
                        // That was the last one.
                        idle.as_mut().reset(Instant::now() + idle_time);
                    }
                }
                () = draining.cancelled(), if !is_over => {
                    self.over = Some(Err(Error::ShuttingDown));
                }
                () = &mut late, if !is_over => {
                    let why = Interruption::TimedOut;
                    self.over = Some(Err(Error::interrupted(why, Progress::NotStarted)));
                }
                read = reader.next(in_progress > 0), if may_read => match read {
                    Ok(Read::Item(message, held)) => {
                        if let Err(error) = self.begin(message, held) {
                            self.over = Some(Err(error));
                        }
                    }
                    Ok(Read::End) => self.over = Some(Ok(())),
                    Ok(Read::Broken) => return Err(Cancelled),
                    Err(error) => self.over = Some(Err(error)),
                },
                () = &mut idle, if in_progress == 0 => {
                    self.over = Some(Err(Error::StreamIdle));
                }
            }
        }
    }

    /// Begins an item.
    ///
    /// # Errors
    ///
    /// The stream cannot go on.
    fn begin(&mut self, message: Bytes, held: Held) -> Result<(), Error> {
        let service = &self.service;
        // A stream may outlast the credential that it was opened with.
        let presented = Presented {
            headers: &self.head.headers,
            peer: service.peer.certificate(),
        };
        let credential = service.peer.credential();
        let caller = service.gate.callers.recognize(&presented, credential)?;
        let operations = &service.backend.operations;
        let item = operations.item(message).ok_or_else(Error::not_decodable)?;
        let begun = Instant::now();
        let is_unique = !self.keys.contains(&*item.key);
        let (timeout, violations) = item::check(&item, service.gate.streams, is_unique);
        // The earlier of two deadlines holds.
        let deadline = (begun + timeout).min(self.context.deadline());
        let arrival = self.context.arrival().map(Arrival::of_item);
        let stream = OfStream {
            path: self.head.uri.path(),
            context: &self.context,
            traced: self.traced.as_ref(),
        };
        let item = service.item(item, caller, (begun, deadline), arrival, stream);
        let held = (held, service.peer.item());
        if violations.is_empty() {
            self.keys.insert(Arc::clone(item.key()));
            self.items.push(Box::pin(item.answer(held)));
        } else {
            let refused = item.refuse(Error::InvalidRequest(violations), held);
            self.answers.push_back(refused);
        }
        Ok(())
    }
}
