//! The first bytes of a connection.
//!
//! They are read here, before the HTTP/2 library gets the connection: it would wait for them for
//! ever, and a peer that has sent nothing would hold its buffers.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How requests of HTTP/1.1 begin.
const HTTP1_METHODS: [&[u8]; 7] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
];

/// For clients of HTTP/1.1, which would show HTTP/2's bytes as an answer.
const NOT_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 45\r\n\r\n\
    This port speaks gRPC, which is HTTP/2 only.\n";

/// Reads the preface to its end.
///
/// # Errors
///
/// The peer has sent something else, or nothing.
pub(super) async fn read(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    let mut read = 0;
    let mut rest = [0; PREFACE.len()];
    while let Some(expected) = PREFACE.get(read..).filter(|expected| !expected.is_empty()) {
        // Never more than the preface: the rest is the library's.
        let Some(buffer) = rest.get_mut(..expected.len()) else {
            break;
        };
        let count = stream.read(buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let arrived = buffer.get(..count).unwrap_or_default();
        if Some(arrived) != expected.get(..count) {
            if HTTP1_METHODS
                .iter()
                .any(|method| arrived.starts_with(method))
            {
                stream.write_all(NOT_HTTP2).await?;
            }
            stream.shutdown().await?;
            // Closed with unread bytes, a connection is reset, and its peer loses what was said.
            while stream.read(&mut rest).await? > 0 {}
            return Err(io::ErrorKind::InvalidData.into());
        }
        read += count;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read_of(bytes: &[u8]) -> (io::Result<()>, Vec<u8>, Vec<u8>) {
        let (mut client, mut server) = tokio::io::duplex(4096);
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        let read = read(&mut server).await;
        let mut left = Vec::new();
        server.read_to_end(&mut left).await.unwrap();
        drop(server);
        let mut said = Vec::new();
        client.read_to_end(&mut said).await.unwrap();
        (read, left, said)
    }

    #[tokio::test]
    async fn what_follows_the_preface_is_left_for_the_library() {
        let (read, left, said) = read_of(&[PREFACE, &b"frames"[..]].concat()).await;
        read.unwrap();
        assert_eq!((&*left, &*said), (&b"frames"[..], &b""[..]));
    }

    #[tokio::test]
    async fn a_client_of_http_1_learns_that_it_is_wrong_here() {
        let (read, _, said) = read_of(b"GET / HTTP/1.1\r\nhost: service\r\n\r\n").await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::InvalidData);
        let said = String::from_utf8(said).unwrap();
        let (head, body) = said.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 505 "), "{head}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{head}"
        );
    }

    #[tokio::test]
    async fn half_a_preface_is_none() {
        let (read, _, said) = read_of(&PREFACE[..23]).await;
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert_eq!(said, b"");
    }
}
