//! Responses on the wire, whole or cut.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use tracing::warn;

use crate::response::HttpResponse;

/// The connection ends without a response or in the middle of one.
#[derive(Debug, thiserror::Error)]
#[error("a fault cuts the connection")]
pub(crate) struct Cut;

pub(crate) type Body = UnsyncBoxBody<Bytes, Cut>;

pub(crate) fn write(response: HttpResponse) -> Response<Body> {
    let length = response.body.len();
    let body = match response.sent {
        None => Full::new(response.body)
            .map_err(|never: Infallible| match never {})
            .boxed_unsync(),
        Some(sent) => cut_after(response.body.slice(..sent.min(length))),
    };
    let mut written = Response::new(body);
    *written.status_mut() =
        StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (CONTENT_TYPE, Some(response.content_type)),
        (LOCATION, response.location),
        (CONTENT_LENGTH, Some(length.to_string())),
    ];
    for (name, value) in headers {
        match value.map(HeaderValue::try_from) {
            Some(Ok(value)) => {
                written.headers_mut().insert(name, value);
            }
            // Without the value: the location of a redirect may contain a webhook's secret.
            Some(Err(error)) => warn!(%name, %error, "invalid header omitted"),
            None => {}
        }
    }
    for (name, value) in response.headers {
        written.headers_mut().insert(name, value);
    }
    written
}

/// A body that breaks the connection after these bytes.
fn cut_after(bytes: Bytes) -> Body {
    let start = stream::once(async { Ok(Frame::data(bytes)) });
    let end = stream::once(async {
        // Lets the connection send what was written so far.
        tokio::task::yield_now().await;
        Err(Cut)
    });
    StreamBody::new(start.chain(end)).boxed_unsync()
}
