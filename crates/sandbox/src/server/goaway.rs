//! A proxy that ends an HTTP/2 connection after so many requests, as nginx does: it names the last
//! request that it passes on, and drops what the client has sent after it.
//!
//! It stands between client and server and knows frames only. Source: RFC 9113, sections 4.1 and
//! 6.8.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf,
};
use tokio::sync::Notify;

use crate::sync::lock;

/// What a client sends before its first frame.
const PREFACE: usize = 24;
/// Length, type, flags and stream of a frame.
const HEAD: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;

/// How long the client may read what was sent before the connection is gone.
const LINGER: Duration = Duration::from_secs(1);

/// Passes frames on until the last request has its response.
pub(super) async fn relay<S>(client: S, server: DuplexStream, requests: u32) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite,
{
    let streams = Streams::new(requests);
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (from_server, to_server) = tokio::io::split(server);
    tokio::select! {
        ended = inbound(&streams, &mut from_client, to_server) => ended?,
        ended = outbound(&streams, from_server, &mut to_client) => ended?,
    }
    to_client.shutdown().await?;
    // Closing a socket with unread data would take the frame from the client that says why.
    let mut rest = tokio::io::sink();
    let drained = tokio::io::copy(&mut from_client, &mut rest);
    let _ = tokio::time::timeout(LINGER, drained).await;
    Ok(())
}

/// The requests of a connection.
struct Streams {
    state: Mutex<State>,
    has_last: Notify,
}

struct State {
    left: u32,
    newest: u32,
    open: HashSet<u32>,
}

impl Streams {
    fn new(requests: u32) -> Self {
        Self {
            state: Mutex::new(State {
                left: requests,
                newest: 0,
                open: HashSet::new(),
            }),
            has_last: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Whether a frame of the client is passed on.
    fn passes(&self, frame: &Frame) -> bool {
        let mut state = self.lock();
        let is_new = frame.kind == HEADERS && frame.stream > state.newest;
        if is_new && state.left > 0 {
            state.left -= 1;
            state.newest = frame.stream;
            state.open.insert(frame.stream);
            if state.left == 0 {
                self.has_last.notify_one();
            }
        }
        if frame.kind == RST_STREAM {
            state.open.remove(&frame.stream);
        }
        frame.stream <= state.newest
    }

    /// The server has sent a frame.
    fn sent(&self, frame: &Frame) {
        let is_last = matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0;
        if is_last || frame.kind == RST_STREAM {
            self.lock().open.remove(&frame.stream);
        }
    }

    /// The last request, once it is there.
    fn last(&self) -> Option<u32> {
        let state = self.lock();
        (state.left == 0).then_some(state.newest)
    }

    fn has_ended(&self) -> bool {
        let state = self.lock();
        state.left == 0 && state.open.is_empty()
    }
}

async fn inbound<R: AsyncRead>(
    streams: &Streams,
    from: &mut ReadHalf<R>,
    to: WriteHalf<DuplexStream>,
) -> io::Result<()> {
    let (mut to, mut buffer) = (to, BytesMut::new());
    while buffer.len() < PREFACE {
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
    to.write_all(&buffer.split_to(PREFACE)).await?;
    loop {
        while let Some(frame) = Frame::take(&mut buffer) {
            if streams.passes(&frame) {
                to.write_all(&frame.bytes).await?;
            }
        }
        if from.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

async fn outbound<W: AsyncWrite>(
    streams: &Streams,
    from: ReadHalf<DuplexStream>,
    to: &mut WriteHalf<W>,
) -> io::Result<()> {
    let (mut from, mut buffer) = (from, BytesMut::new());
    let mut is_told = false;
    loop {
        while let Some(frame) = Frame::take(&mut buffer) {
            streams.sent(&frame);
            to.write_all(&frame.bytes).await?;
        }
        if let Some(last) = streams.last()
            && !is_told
        {
            to.write_all(&goaway(last)).await?;
            is_told = true;
        }
        to.flush().await?;
        if is_told && streams.has_ended() {
            return Ok(());
        }
        tokio::select! {
            read = from.read_buf(&mut buffer) => {
                if read? == 0 {
                    return Ok(());
                }
            }
            () = streams.has_last.notified() => {}
        }
    }
}

/// A frame that says that this was the last request.
fn goaway(last: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 8, GOAWAY, 0, 0, 0, 0, 0];
    frame.extend_from_slice(&last.to_be_bytes());
    // No error.
    frame.extend_from_slice(&[0; 4]);
    frame
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    bytes: Bytes,
}

impl Frame {
    /// Takes the first frame out of the buffer, if it is whole.
    fn take(buffer: &mut BytesMut) -> Option<Self> {
        let mut head = buffer.get(..HEAD)?;
        let length = head.get_uint(3);
        let (kind, flags) = (head.get_u8(), head.get_u8());
        // The first bit is reserved.
        let stream = head.get_u32() & 0x7fff_ffff;
        let length = HEAD + usize::try_from(length).ok()?;
        (buffer.len() >= length).then(|| Self {
            kind,
            flags,
            stream,
            bytes: buffer.split_to(length).freeze(),
        })
    }
}
