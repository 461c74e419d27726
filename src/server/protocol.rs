//! What a request must be to be a call (gRPC over HTTP/2, "Requests"; gRPC compression).

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tonic::body::Body;

/// The header with the encoding of the messages of a request.
const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The header with the encodings that a server accepts.
pub(super) const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
/// Not compressed.
pub(super) const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// A request is not a call of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotACall {
    Method,
    ContentType,
}

impl NotACall {
    /// Its word in metrics and in the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Method => "http_method",
            Self::ContentType => "content_type",
        }
    }

    pub(super) fn response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        match self {
            Self::Method => {
                *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
                let post = HeaderValue::from_static("POST");
                response.headers_mut().insert(header::ALLOW, post);
            }
            Self::ContentType => *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE,
        }
        response
    }
}

/// Whether a request is a call: a POST of messages in protobuf.
pub(super) fn check<B>(request: &Request<B>) -> Result<(), NotACall> {
    if request.method() != Method::POST {
        return Err(NotACall::Method);
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|value| is_grpc(value.as_bytes()));
    is_grpc.then_some(()).ok_or(NotACall::ContentType)
}

/// Whether a content type is `application/grpc` or `application/grpc+proto`, with parameters or
/// without.
fn is_grpc(content_type: &[u8]) -> bool {
    let media_type = content_type.split(|byte| *byte == b';').next();
    let media_type = media_type.unwrap_or_default().trim_ascii();
    [&b"application/grpc"[..], b"application/grpc+proto"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// Whether the messages of a request are compressed, in whatever way.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(ENCODING).iter();
    encodings.any(|encoding| encoding != IDENTITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_protobuf_over_grpc_is_a_call() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC", true),
            ("application/grpc; charset=utf-8", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }
}
