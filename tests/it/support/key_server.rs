//! An issuer's key server: the address where a set of keys is fetched.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls};

/// A server on loopback. It ends with the test.
#[derive(Clone)]
pub(crate) struct KeyServer {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Served>>,
}

struct Served {
    status: StatusCode,
    body: String,
    /// The `authorization` header of each fetch.
    fetches: Vec<Option<String>>,
}

impl KeyServer {
    pub(crate) async fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(Served {
            status: StatusCode::OK,
            body: body.to_owned(),
            fetches: Vec::new(),
        }));
        let router = Router::new()
            .route("/jwks", get(answer))
            .with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, state }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub(crate) fn serve(&self, status: u16, body: &str) {
        let mut state = self.state.lock().unwrap();
        state.status = StatusCode::from_u16(status).unwrap();
        body.clone_into(&mut state.body);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.state.lock().unwrap().fetches.len()
    }

    /// The `authorization` header of the last fetch.
    pub(crate) fn last_authorization(&self) -> Option<String> {
        self.state.lock().unwrap().fetches.last().cloned().flatten()
    }
}

async fn answer(
    State(state): State<Arc<Mutex<Served>>>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let mut state = state.lock().unwrap();
    let shown = headers.get("authorization");
    let shown = shown.map(|value| value.to_str().unwrap().to_owned());
    state.fetches.push(shown);
    (state.status, state.body.clone())
}

/// A key server with TLS, which ends with the test. Returns its address.
pub(crate) async fn encrypted(
    body: String,
    certificate: &rcgen::CertifiedKey<rcgen::KeyPair>,
) -> SocketAddr {
    let chain = vec![certificate.cert.der().clone()];
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A client that does not trust the certificate leaves here.
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address
}
