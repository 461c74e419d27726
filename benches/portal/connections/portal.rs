//! A portal behind TLS, as a process of its own, that answers at once and counts its connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::certificate;
use crate::process::Process;

/// How long a byte takes to the portal, and back, if it is far.
const DELAY: Duration = Duration::from_millis(10);

/// What Bitrix24 answers, as its documentation prints it.
const ANSWER: &str = r#"{"result":19880117,"time":{"start":1728626400.123,"finish":1728626400.234,"duration":0.111,"processing":0.045,"date_start":"2024-10-11T10:00:00+02:00","date_finish":"2024-10-11T10:00:00+02:00","operating_reset_at":1762349466,"operating":0}}"#;

/// A running portal.
pub(crate) struct SecurePortal {
    pub(crate) near: SocketAddr,
    pub(crate) far: SocketAddr,
    counter: SocketAddr,
    certificate: PathBuf,
    _folder: TempDir,
    _process: Process,
}

impl SecurePortal {
    pub(crate) fn start(has_http2: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = certificate::make(folder.path());
        let protocol = if has_http2 { "h2" } else { "http/1.1" };
        let files = folder.path().to_str().unwrap();
        let process = Process::start_self(&["connections-portal", protocol, files]);
        let addresses = process.addresses();
        Self {
            near: addresses[0],
            far: addresses[1],
            counter: addresses[2],
            certificate,
            _folder: folder,
            _process: process,
        }
    }

    /// What a client is to trust.
    pub(crate) fn certificate(&self) -> &Path {
        &self.certificate
    }

    /// How many connections it has accepted.
    pub(crate) async fn connections(&self) -> f64 {
        let mut counter = TcpStream::connect(self.counter).await.unwrap();
        let mut text = String::new();
        counter.read_to_string(&mut text).await.unwrap();
        text.parse().unwrap()
    }
}

/// Runs the portal until the process is killed.
pub(crate) fn run(protocol: &str, folder: &str) {
    let tls = certificate::acceptor(Path::new(folder), protocol);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let [near, far, counter] = [bind().await, bind().await, bind().await];
        let here = near.local_addr().unwrap();
        println!(
            "{here} {} {}",
            far.local_addr().unwrap(),
            counter.local_addr().unwrap()
        );
        let accepted = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(near, tls, protocol == "h2", Arc::clone(&accepted)));
        tokio::spawn(delay(far, here));
        loop {
            let (mut stream, _) = counter.accept().await.unwrap();
            let text = accepted.load(Ordering::Relaxed).to_string();
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
}

async fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn serve(
    listener: TcpListener,
    tls: TlsAcceptor,
    has_http2: bool,
    accepted: Arc<AtomicUsize>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        accepted.fetch_add(1, Ordering::Relaxed);
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(stream).await else {
                return;
            };
            let stream = TokioIo::new(stream);
            // It ends when the client closes it.
            if has_http2 {
                let server = http2::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(stream, service_fn(answer)).await;
            } else {
                let server = http1::Builder::new();
                let _ = server.serve_connection(stream, service_fn(answer)).await;
            }
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER.as_bytes())));
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert("content-type", json);
    Ok(response)
}

/// Passes on connections to the server, both ways late.
async fn delay(listener: TcpListener, server: SocketAddr) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(server).await.unwrap();
        for stream in [&client, &server] {
            stream.set_nodelay(true).unwrap();
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::spawn(pass_on(from_client, to_server));
        tokio::spawn(pass_on(from_server, to_client));
    }
}

async fn pass_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if sender
            .send((Instant::now() + DELAY, buffer[..length].to_vec()))
            .is_err()
        {
            return;
        }
    }
}
