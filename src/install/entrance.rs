//! Rejects requests that are not events, and queues events.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};

use super::PATH;
use super::event_result::{EventResult, Kind};
use super::form::Form;
use super::notice::Notice;
use super::source::Source;
use super::work::{QueueFull, Work};
use crate::tenant::Application;

/// Largest body, in bytes. Events have fewer than 2,000.
const BODY_BYTES: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// Responds to a request. The response reveals only whether the request is well-formed.
pub(super) async fn answer<B>(
    request: Request<B>,
    peer: IpAddr,
    work: &Arc<Work>,
) -> Response<Empty<Bytes>>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let source = Source::of(peer, request.headers(), &work.endpoint.trusted_proxies);
    let status = match read(request, work).await {
        Ok((application, notice)) => {
            let kind = notice.kind();
            match Arc::clone(work).accept(application, notice, source).await {
                Ok(()) => StatusCode::OK,
                Err(QueueFull) => {
                    let result = EventResult::Busy;
                    work.count(kind, result);
                    if let Some(without_line) = work.lines.next(result.as_str()) {
                        tracing::warn!(without_line, "too many installation events; lost an event");
                    }
                    StatusCode::SERVICE_UNAVAILABLE
                }
            }
        }
        Err(status) => {
            let result = EventResult::Malformed;
            work.count(Kind::Other, result);
            if let Some(without_line) = work.lines.next(result.as_str()) {
                let status = status.as_u16();
                tracing::info!(status, without_line, "a request is not an event");
            }
            status
        }
    };
    let mut response = Response::new(Empty::new());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let post = HeaderValue::from_static("POST");
        response.headers_mut().insert(ALLOW, post);
    }
    response
}

/// Reads the event. The error is the status of the response.
async fn read<B>(request: Request<B>, work: &Work) -> Result<(Application, Notice), StatusCode>
where
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
{
    let (head, body) = request.into_parts();
    let name = head.uri.path().strip_prefix(PATH);
    let application = name
        .and_then(|name| work.application(name))
        .ok_or(StatusCode::NOT_FOUND)?;
    if head.method != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content_type = head.headers.get(CONTENT_TYPE);
    if !content_type.is_some_and(is_form) {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let limit = u64::try_from(BODY_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let body = std::pin::pin!(Limited::new(body, BODY_BYTES));
    let body = body.collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            StatusCode::PAYLOAD_TOO_LARGE
        } else {
            StatusCode::BAD_REQUEST
        }
    })?;
    let form = Form::read(&body.to_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
    let notice = Notice::read(&form).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok((application.clone(), notice))
}

/// Whether the content type is that of a form, with any parameters.
fn is_form(value: &HeaderValue) -> bool {
    value.to_str().is_ok_and(|value| {
        let media_type = value.split(';').next().unwrap_or_default();
        media_type.trim().eq_ignore_ascii_case(FORM)
    })
}
