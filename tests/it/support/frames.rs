//! A peer that sends HTTP/2 frame by frame, as no library would, and answers nothing by itself.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// `SETTINGS_INITIAL_WINDOW_SIZE` of 0: the peer takes no data.
pub(crate) const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

/// How long a test waits for what the service does at once or within its (short) settings.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection, in plain text unless said otherwise.
pub(crate) struct Wire<T = TcpStream> {
    pub(crate) stream: T,
}

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Wire {
    /// A connection that has sent nothing.
    pub(crate) async fn silent(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream }
    }

    /// A connection that has begun with these settings.
    pub(crate) async fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let mut wire = Self::silent(address).await;
        wire.begin(settings).await.unwrap();
        wire
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Wire<T> {
    /// Begins to speak HTTP/2 with these settings.
    pub(crate) async fn begin(&mut self, settings: &[u8]) -> std::io::Result<()> {
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        self.send(&begin).await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Reads so many bytes; none if the connection has ended.
    pub(crate) async fn skip(&mut self, bytes: usize) -> Option<()> {
        let mut skipped = vec![0; bytes];
        self.stream.read_exact(&mut skipped).await.ok()?;
        Some(())
    }

    /// Sends nothing more, and reads until the other side closes too.
    pub(crate) async fn shut_down(&mut self) -> Option<()> {
        self.stream.shutdown().await.ok()?;
        self.closed().await;
        Some(())
    }

    /// The next frame; none if the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let read = async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let [a, b, c, kind, flags, d, e, f, g] = head;
            let mut payload = vec![0; usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap()];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([d, e, f, g]);
            Some(Frame {
                kind,
                flags,
                stream,
                payload,
            })
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("the other side sends nothing, and does not close"))
    }

    /// Reads until a frame of this kind for this stream; none if the connection has ended.
    pub(crate) async fn until(&mut self, kind: u8, stream: u32) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if (frame.kind, frame.stream) == (kind, stream) {
                return Some(frame);
            }
        }
    }

    /// Reads until the service closes the connection.
    pub(crate) async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![a, b, c, kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The headers of a gRPC call, without compression.
pub(crate) fn call(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "service"),
        (":path", path),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let fields = head.iter().chain(more);
    fields
        .flat_map(|(name, value)| field(name, value))
        .collect()
}

/// A literal field that is not indexed (RFC 7541, section 6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        field.extend(length(text.len()));
        field.extend(text.as_bytes());
    }
    field
}

/// An integer with a prefix of seven bits (RFC 7541, section 5.1).
fn length(mut length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![u8::try_from(length).unwrap()];
    }
    let mut bytes = vec![127];
    length -= 127;
    while length >= 128 {
        bytes.push(u8::try_from(length % 128 + 128).unwrap());
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes
}
