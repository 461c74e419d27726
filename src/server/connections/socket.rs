//! The socket of a connection, as the HTTP/2 library sees it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::link::Link;
use super::preface::PREFACE;

/// How much is read at once of a peer without an accepted credential, in bytes. The head of a call
/// with an API key takes about 300; one of a client that has sent the same before takes 15.
const OF_A_STRANGER: usize = 128;

/// Gives the preface again, which has been read; notes when the peer takes nothing, and does not
/// read on then. Of a stranger it reads little at a time: a few bytes may stand for a request with
/// 16 KiB of headers, and the library reads all that there is before it hands out the first
/// request.
pub(super) struct Socket<T> {
    stream: TokioIo<T>,
    link: Arc<Link>,
    preface: &'static [u8],
    /// Whether something was read since the task of the connection had its last turn.
    has_read: bool,
    /// Whoever is to be woken when the peer takes something again.
    paused: Option<Waker>,
}

impl<T> Socket<T> {
    pub(super) fn new(stream: T, link: Arc<Link>) -> Self {
        Self {
            stream: TokioIo::new(stream),
            link,
            preface: PREFACE,
            has_read: false,
            paused: None,
        }
    }

    fn note(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.link.note_blocked(),
            Poll::Ready(_) if self.link.is_blocked() => {
                self.link.note_unblocked();
                if let Some(paused) = self.paused.take() {
                    paused.wake();
                }
            }
            Poll::Ready(_) => {}
        }
        written
    }
}

impl<T: AsyncRead + Unpin> Read for Socket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.preface.is_empty() {
            let (now, later) = self
                .preface
                .split_at(self.preface.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.preface = later;
            return Poll::Ready(Ok(()));
        }
        if self.link.is_congested() {
            self.paused = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.link.peer.is_authenticated() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        if self.has_read {
            self.has_read = false;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.link.is_ahead(context) {
            return Poll::Pending;
        }
        let mut few = [0; OF_A_STRANGER];
        let (few, _) = few.split_at_mut(OF_A_STRANGER.min(buffer.remaining()));
        let mut few = ReadBuf::new(few);
        ready!(Pin::new(&mut self.stream).poll_read(context, few.unfilled()))?;
        buffer.put_slice(few.filled());
        self.has_read = true;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> Write for Socket<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
