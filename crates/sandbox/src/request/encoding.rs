//! Parameters in a query or a body.

use http::Method;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::http_request::HttpRequest;
use super::{brackets, multipart};

/// How a body encodes parameters.
#[derive(Debug)]
pub(crate) enum Encoding {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data` with this boundary.
    Multipart(String),
    /// Another type, or a method without a body.
    None,
}

impl Encoding {
    pub(crate) fn of(http: &HttpRequest) -> Self {
        let content_type = http.header(&CONTENT_TYPE).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match media.to_ascii_lowercase().as_str() {
            _ if http.method != Method::POST => Self::None,
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            "multipart/form-data" => {
                multipart::boundary(content_type).map_or(Self::None, Self::Multipart)
            }
            _ => Self::None,
        }
    }
}

/// The parameters of query and body. Those of the body win. As in PHP, an unreadable body is not an
/// error and has no parameters.
pub(crate) fn parameters(http: &HttpRequest, encoding: &Encoding) -> Map<String, Value> {
    let mut parameters = brackets::decode(http.uri.query().unwrap_or_default());
    match encoding {
        Encoding::Json => {
            if let Ok(Value::Object(body)) = serde_json::from_slice(&http.body) {
                parameters.extend(body);
            }
        }
        Encoding::Form => parameters.extend(brackets::nest(brackets::pairs(&http.body))),
        Encoding::Multipart(boundary) => {
            parameters.extend(brackets::nest(multipart::fields(&http.body, boundary)));
        }
        Encoding::None => {}
    }
    parameters
}
