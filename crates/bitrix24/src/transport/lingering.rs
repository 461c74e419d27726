//! A socket that is read to its end after it can no longer be written.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A socket whose other end may close it at any moment, and says before what it processed.
///
/// A write that meets the close fails, but what had arrived before can still be read: a `GOAWAY`,
/// or a response. The HTTP libraries give a connection up at the first failed write. So here writes
/// succeed, without effect, once the other end is gone, and the end of what it sent ends the
/// connection.
#[derive(Debug)]
pub(super) struct Lingering {
    stream: TcpStream,
    is_gone: bool,
}

impl Lingering {
    pub(super) fn new(stream: TcpStream) -> Self {
        let is_gone = false;
        Self { stream, is_gone }
    }

    /// What a write brings. Other failures than that of the connection are the caller's.
    fn written<T>(&mut self, written: io::Result<T>, without_effect: T) -> Poll<io::Result<T>> {
        use io::ErrorKind as Kind;
        Poll::Ready(match written {
            Err(error)
                if matches!(
                    error.kind(),
                    Kind::BrokenPipe
                        | Kind::ConnectionReset
                        | Kind::ConnectionAborted
                        | Kind::NotConnected
                        | Kind::TimedOut
                ) =>
            {
                self.is_gone = true;
                Ok(without_effect)
            }
            other => other,
        })
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_gone {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes));
        self.written(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum();
        if self.is_gone {
            return Poll::Ready(Ok(length));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, parts));
        self.written(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_gone {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.written(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_gone {
            return Poll::Ready(Ok(()));
        }
        let shut_down = ready!(Pin::new(&mut self.stream).poll_shutdown(context));
        self.written(shut_down, ())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_came_before_the_other_end_closed_is_read_after_a_write_has_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut near, mut far) = (Lingering::new(stream.unwrap()), accepted.unwrap().0);
        far.write_all(b"goodbye").await.unwrap();
        drop(far);
        // The first write is answered with a reset, and the next one fails.
        while !near.is_gone {
            near.write_all(b"hello").await.unwrap();
            tokio::task::yield_now().await;
        }
        near.flush().await.unwrap();
        near.write_all(b"hello").await.unwrap();
        let mut read = Vec::new();
        let _ = near.read_to_end(&mut read).await;
        assert_eq!(read, b"goodbye");
    }
}
