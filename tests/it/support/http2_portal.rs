//! A portal behind TLS and HTTP/2 that ends connections and requests as a test says, frame by
//! frame: no library ends a connection before a request that it has read.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::server::TlsStream;

use super::frames::{
    self, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM, SETTINGS, Wire,
    frame,
};

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const INTERNAL_ERROR: u32 = 2;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

const ACK: u8 = 1;

const MAX_CONCURRENT_STREAMS: u16 = 3;

/// `:status: 200`, the eighth field of the static table (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;

/// What the portal does with a request that it has read to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reaction {
    Answer,
    /// Answers, and says with `GOAWAY` that this was the last one.
    AnswerAsTheLast,
    /// Leaves it, for `GoAwayBelow` to answer it.
    Keep,
    /// Sends `RST_STREAM` with this code.
    Reset(u32),
    /// Begins an answer, and then sends `RST_STREAM` with this code.
    ResetInAnswer(u32),
    /// Sends `GOAWAY` with this code and the last stream before this one, and answers those that
    /// were kept.
    GoAwayBelow(u32),
    /// Sends `GOAWAY` with this code, naming this stream, and closes.
    GoAwayAndClose(u32),
    /// Sends `GOAWAY` as a graceful end begins, naming the highest stream there is, and closes.
    GoAwayLaterAndClose,
    Close,
}

/// The portal. It ends with the test.
pub(crate) struct Http2Portal {
    pub(crate) address: SocketAddr,
    pub(crate) certificate_pem: String,
    folder: TempDir,
    book: Arc<Book>,
}

struct Book {
    maximum_streams: u32,
    document: &'static str,
    script: Mutex<VecDeque<Reaction>>,
    bodies: Mutex<Vec<String>>,
    connections: Mutex<usize>,
}

impl Http2Portal {
    /// Reacts to each request as the script says, and answers those after it with the document.
    pub(crate) async fn start(document: &'static str, script: &[Reaction]) -> Self {
        Self::start_for(u32::MAX, document, script).await
    }

    /// As [`Self::start`], but it takes at most so many requests at once on a connection, and
    /// refuses those beyond.
    pub(crate) async fn start_for(
        maximum_streams: u32,
        document: &'static str,
        script: &[Reaction],
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let certificate_pem = made.cert.pem();
        let key = made.signing_key.serialize_pem();
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(certificate_pem.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let book = Arc::new(Book {
            maximum_streams,
            document,
            script: Mutex::new(script.iter().copied().collect()),
            bodies: Mutex::default(),
            connections: Mutex::default(),
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("certificate.pem"), &certificate_pem).unwrap();
        tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            book.clone(),
        ));
        Self {
            address,
            certificate_pem,
            folder,
            book,
        }
    }

    /// The certificate that it shows, in PEM.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// The bodies of all requests that came.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.book.bodies.lock().unwrap().clone()
    }

    /// How many connections were opened.
    pub(crate) fn connections(&self) -> usize {
        *self.book.connections.lock().unwrap()
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor, book: Arc<Book>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (tls, book) = (tls.clone(), book.clone());
        tokio::spawn(async move {
            if let Ok(stream) = tls.accept(stream).await {
                *book.connections.lock().unwrap() += 1;
                // None once the client has closed it.
                let _ = serve(Wire { stream }, &book).await;
            }
        });
    }
}

async fn serve(mut wire: Wire<TlsStream<TcpStream>>, book: &Book) -> Option<()> {
    wire.skip(PREFACE.len()).await?;
    let maximum = book.maximum_streams.to_be_bytes();
    let settings = [&MAX_CONCURRENT_STREAMS.to_be_bytes()[..], &maximum].concat();
    wire.send(&frame(SETTINGS, 0, 0, &settings)).await.ok()?;
    let mut open = HashSet::new();
    let (mut last, mut kept, mut body) = (0, Vec::new(), Vec::new());
    loop {
        let received = wire.next().await?;
        let stream = received.stream;
        match received.kind {
            SETTINGS if received.flags & ACK == 0 => {
                wire.send(&frame(SETTINGS, ACK, 0, &[])).await.ok()?;
            }
            HEADERS => {
                open.insert(stream);
                if open.len() > usize::try_from(book.maximum_streams).unwrap() {
                    open.remove(&stream);
                    wire.send(&reset(stream, REFUSED_STREAM)).await.ok()?;
                }
            }
            DATA if !open.contains(&stream) => continue,
            DATA => body.extend(received.payload),
            _ => {}
        }
        // Each request comes whole before the next one: they are small.
        if !matches!(received.kind, HEADERS | DATA) || received.flags & END_STREAM == 0 {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut body)).unwrap();
        book.bodies.lock().unwrap().push(text);
        let reaction = book.script.lock().unwrap().pop_front();
        let (bytes, is_last) = match reaction.unwrap_or(Reaction::Answer) {
            Reaction::Answer => (answer(stream, book.document), false),
            Reaction::AnswerAsTheLast => {
                let bytes = [go_away(stream, NO_ERROR), answer(stream, book.document)];
                (bytes.concat(), false)
            }
            Reaction::Keep => {
                kept.push(stream);
                (Vec::new(), false)
            }
            Reaction::Reset(code) => (reset(stream, code), false),
            Reaction::ResetInAnswer(code) => ([head(stream), reset(stream, code)].concat(), false),
            Reaction::GoAwayBelow(code) => {
                let answers = kept.drain(..).flat_map(|kept| answer(kept, book.document));
                let bytes = go_away(last, code).into_iter().chain(answers);
                (bytes.collect(), false)
            }
            Reaction::GoAwayAndClose(code) => (go_away(stream, code), true),
            Reaction::GoAwayLaterAndClose => (go_away(i32::MAX.cast_unsigned(), NO_ERROR), true),
            Reaction::Close => (Vec::new(), true),
        };
        wire.send(&bytes).await.ok()?;
        open.retain(|open| kept.contains(open) || *open > stream);
        if is_last {
            return wire.shut_down().await;
        }
        last = stream;
    }
}

fn head(stream: u32) -> Vec<u8> {
    let fields = [
        vec![STATUS_200],
        frames::field("content-type", "application/json"),
    ];
    frame(HEADERS, END_HEADERS, stream, &fields.concat())
}

fn answer(stream: u32, document: &str) -> Vec<u8> {
    let data = frame(DATA, END_STREAM, stream, document.as_bytes());
    [head(stream), data].concat()
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn go_away(last: u32, code: u32) -> Vec<u8> {
    let payload = [last.to_be_bytes(), code.to_be_bytes()].concat();
    frame(GOAWAY, 0, 0, &payload)
}
