//! A request over a connection of HTTP/1.1, without a task beside it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::Request;
use http_body::Body as _;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::reception::{Broken, Received, Reception};
use super::tally::Tallied;
use super::watched_body::WatchedBody;

/// What HTTP/1.1 is spoken over.
pub(super) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// A connection. Whoever has it makes it read and write: nobody else has to be woken.
pub(super) struct Http1 {
    sender: SendRequest<WatchedBody>,
    connection: Connection<TokioIo<Box<dyn Socket>>, WatchedBody>,
    has_ended: bool,
    tallied: Tallied,
}

impl Http1 {
    pub(super) async fn over(
        socket: Box<dyn Socket>,
        tallied: Tallied,
    ) -> Result<Box<Self>, hyper::Error> {
        let (sender, connection) = Builder::new().handshake(TokioIo::new(socket)).await?;
        Ok(Box::new(Self {
            sender,
            connection,
            has_ended: false,
            tallied,
        }))
    }

    /// Sends a request and reads the whole response, at most so many bytes.
    ///
    /// # Errors
    ///
    /// [`Broken`]. The connection is of no more use then.
    pub(super) async fn exchange(
        &mut self,
        request: Request<WatchedBody>,
        maximum_bytes: usize,
    ) -> Result<Received, Broken> {
        self.tallied.set_in_use(true);
        let mut response = pin!(self.sender.send_request(request));
        let response = poll_fn(|context| {
            self.drive(context);
            match response.as_mut().poll(context) {
                // Nobody else would wake it.
                Poll::Pending if self.has_ended => Poll::Ready(Err(Broken::Lost)),
                Poll::Pending => Poll::Pending,
                Poll::Ready(head) => Poll::Ready(head.map_err(|_| Broken::Lost)),
            }
        });
        let (head, mut body) = response.await?.into_parts();
        let mut reception = Reception::of(&head, maximum_bytes);
        while !body.is_end_stream() {
            let frame = poll_fn(|context| {
                self.drive(context);
                Pin::new(&mut body).poll_frame(context)
            });
            let Some(frame) = frame.await else { break };
            if let Ok(bytes) = frame.map_err(|_| Broken::Lost)?.into_data() {
                reception.add(bytes)?;
            }
        }
        self.tallied.set_in_use(false);
        reception.complete(&head)
    }

    /// Whether it can take a request: the last one is over, and the server has not closed it.
    pub(super) async fn is_ready(&mut self) -> bool {
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(!self.has_ended && self.sender.is_ready())
        })
        .await
    }

    /// Says goodbye after the last response, as far as that takes no waiting.
    pub(super) async fn close(mut self: Box<Self>) {
        poll_fn(|context| {
            self.drive(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Reads and writes what can be now.
    fn drive(&mut self, context: &mut Context<'_>) {
        // Its failure is that of the request too.
        if !self.has_ended && Pin::new(&mut self.connection).poll(context).is_ready() {
            self.has_ended = true;
        }
    }
}
