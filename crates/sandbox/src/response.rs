//! What the simulator sends back.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};

use crate::error::{OAuthError, WireError};

/// Content type of every regular response.
const JSON: &str = "application/json; charset=utf-8";
pub(crate) const HTML: &str = "text/html; charset=utf-8";

/// What happens on the connection.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(HttpResponse),
    /// The connection is closed without a response.
    Close,
    /// The connection is reset without a response.
    Reset,
    /// Nothing is sent until the client disconnects.
    Silence,
}

/// A response before it is encoded.
#[derive(Clone, Debug)]
pub(crate) struct JsonResponse {
    pub(crate) status: u16,
    pub(crate) document: Value,
    /// The code in `error`, if the response is an error.
    pub(crate) error: Option<String>,
}

impl JsonResponse {
    pub(crate) fn ok(document: Value) -> Self {
        Self {
            status: 200,
            document,
            error: None,
        }
    }

    /// A refused call: neither `result` nor `time`.
    pub(crate) fn refusal(error: WireError) -> Self {
        Self {
            status: error.status,
            document: json!({"error": error.code, "error_description": error.description}),
            error: Some(error.code),
        }
    }

    /// A refused token request. Not every error has a text.
    pub(crate) fn oauth_error(error: OAuthError) -> Self {
        let document = match error.description {
            Some(text) => json!({"error": error.code, "error_description": text}),
            None => json!({"error": error.code}),
        };
        Self {
            status: error.status,
            document,
            error: Some(error.code.to_owned()),
        }
    }
}

/// A response as it is sent.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) location: Option<String>,
    /// Further headers. They replace others of the same name.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
    /// How many bytes of the body are sent before the connection closes. `None`: all.
    pub(crate) sent: Option<usize>,
    /// The code in `error`, for the record.
    pub(crate) error: Option<String>,
}

impl HttpResponse {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            location: None,
            headers: Vec::new(),
            body: body.into(),
            sent: None,
            error: None,
        }
    }

    pub(crate) fn json(response: &JsonResponse) -> Self {
        Self {
            error: response.error.clone(),
            ..Self::new(response.status, JSON, response.document.to_string())
        }
    }

    pub(crate) fn redirect(location: String) -> Self {
        Self {
            location: Some(location),
            ..Self::new(302, HTML, Bytes::new())
        }
    }

    /// A page of the web server in front of the portal.
    pub(crate) fn page(status: u16) -> Self {
        let title = http::StatusCode::from_u16(status)
            .map_or_else(|_| status.to_string(), |status| status.to_string());
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::new(status, HTML, page)
    }
}
