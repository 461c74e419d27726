//! What all requests to a portal or an authorization server have in common, prepared as far as it
//! costs no memory for each of them.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT,
};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use rustls::pki_types::ServerName;

use super::Content;
use super::watched_body::WatchedBody;
use crate::origin::Origin;
use crate::send_guard::SendGuard;

const AGENT: &str = concat!("bitrix24-openlines/", env!("CARGO_PKG_VERSION"));

/// HTTP/1.1 connections carry one request. A server may end an idle connection at any moment,
/// without saying whether it still processed a request that was on its way: the outcome would be
/// unknown. HTTP/2 says it ([`NotSent::Unprocessed`](crate::NotSent)).
const ONE_REQUEST: HeaderValue = HeaderValue::from_static("close");

/// A portal or an authorization server.
pub(super) struct Target {
    is_tls: bool,
    scheme: Scheme,
    authority: Authority,
    /// With TLS.
    server_name: Option<ServerName<'static>>,
    /// The header `host` of HTTP/1.1.
    host: HeaderValue,
}

/// The headers of all requests. Each target would take a kilobyte for its own.
static HEADERS: LazyLock<HeaderMap> = LazyLock::new(|| {
    HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        (USER_AGENT, HeaderValue::from_static(AGENT)),
    ])
});

/// The path of a request. May hold a webhook's secret, so it has no `Debug` form.
#[derive(Clone)]
pub(crate) struct Path(Bytes);

impl From<Vec<u8>> for Path {
    fn from(path: Vec<u8>) -> Self {
        Self(path.into())
    }
}

impl From<&'static str> for Path {
    fn from(path: &'static str) -> Self {
        Self(path.as_bytes().into())
    }
}

impl Path {
    #[cfg(feature = "simulation")]
    pub(super) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    fn to_uri(&self) -> Result<PathAndQuery, http::Error> {
        Ok(PathAndQuery::from_maybe_shared(self.0.clone())?)
    }
}

impl Target {
    /// # Errors
    ///
    /// The authority is none. Addresses of portals are checked before.
    pub(super) fn new(origin: Origin<'_>) -> Result<Self, http::Error> {
        let authority = Authority::try_from(origin.authority)?;
        let server_name = origin
            .is_tls
            .then(|| ServerName::try_from(origin.host().to_owned()).ok())
            .flatten();
        let host = HeaderValue::try_from(origin.authority)?;
        Ok(Self {
            is_tls: origin.is_tls,
            scheme: if origin.is_tls {
                Scheme::HTTPS
            } else {
                Scheme::HTTP
            },
            authority,
            server_name,
            host,
        })
    }

    pub(super) fn origin(&self) -> Origin<'_> {
        Origin {
            is_tls: self.is_tls,
            authority: self.authority.as_str(),
        }
    }

    /// What is dialled.
    pub(super) fn address(&self) -> Uri {
        self.uri(PathAndQuery::from_static("/"))
    }

    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// Whom the certificate has to be for; `None` without TLS.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        self.server_name.clone()
    }

    fn uri(&self, path: PathAndQuery) -> Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(path);
        // All three parts are there, so this does not fail.
        Uri::from_parts(parts).unwrap_or_default()
    }

    /// The head of a request over HTTP/2.
    pub(super) fn http2_request(
        &self,
        path: &Path,
        content: &Content<'_>,
    ) -> Result<Request<()>, http::Error> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri(path.to_uri()?);
        let headers = request.headers_mut();
        *headers = HEADERS.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(content.body.len()));
        Ok(request)
    }

    /// A request over HTTP/1.1, which notices when its body is taken.
    pub(super) fn http1_request(
        &self,
        path: &Path,
        content: &Content<'_>,
        guard: &SendGuard,
    ) -> Result<Request<WatchedBody>, http::Error> {
        let body = WatchedBody::new(content.body.clone(), guard.clone());
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = Uri::from(path.to_uri()?);
        let headers = request.headers_mut();
        *headers = HEADERS.clone();
        headers.insert(HOST, self.host.clone());
        if self.is_tls {
            headers.insert(CONNECTION, ONE_REQUEST);
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.media_type));
        Ok(request)
    }
}
