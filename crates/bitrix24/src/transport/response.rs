//! A response without the secrets of its request.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::Value;

use crate::call_error::Unanswered;
use crate::echo::{Echoes, Sent};
use crate::loose;

/// A whole HTTP response. Its content is read through methods that cut out the secrets that the
/// request sent.
pub(crate) struct HttpResponse<'a> {
    pub(crate) http_status: u16,
    location: Option<String>,
    retry_after: Option<Duration>,
    body: Bytes,
    sent: Sent<'a>,
}

/// Why a body is not a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoDocument {
    Empty,
    CutOff,
    NotJson,
}

impl NoDocument {
    /// As the outcome of a request.
    pub(crate) fn unanswered(self, http_status: u16) -> Unanswered {
        match self {
            Self::Empty => Unanswered::Empty { http_status },
            Self::CutOff => Unanswered::CutOff { http_status },
            Self::NotJson => Unanswered::NotJson { http_status },
        }
    }
}

impl<'a> HttpResponse<'a> {
    pub(crate) fn new(
        http_status: u16,
        location: Option<String>,
        body: impl Into<Bytes>,
        sent: Sent<'a>,
    ) -> Self {
        Self {
            http_status,
            location,
            retry_after: None,
            body: body.into(),
            sent,
        }
    }

    /// The same response with the wait that its header `Retry-After` asks for.
    pub(crate) fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..self
        }
    }

    /// How long the server asks to wait, with the statuses for which that is defined: 429 and 503.
    ///
    /// Source: RFC 6585, section 4; RFC 9110, section 15.6.4.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let is_defined = matches!(self.http_status, 429 | 503);
        self.retry_after.filter(|_| is_defined)
    }

    /// Whether the body is the page of Bitrix24's cloud for a portal that does not exist. It comes
    /// with 403 too.
    pub(crate) fn is_page_of_no_portal(&self) -> bool {
        memchr::memmem::find(&self.body, b"portal404").is_some()
    }

    /// The address of a redirect, if it is one and does not repeat a secret.
    pub(crate) fn location(&self) -> Option<&str> {
        let location = self.location.as_deref()?;
        let is_redirect = matches!(self.http_status, 301 | 302 | 303 | 307 | 308);
        is_redirect.then_some(location)
    }

    /// The body as it came, with what it repeats.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The secrets of the request.
    pub(crate) fn sent(&self) -> Sent<'a> {
        self.sent
    }

    /// What finds the secrets of the request.
    pub(crate) fn echoes(&self) -> Echoes {
        self.sent.echoes()
    }

    /// The body as JSON, whatever the content type: portals get it wrong.
    pub(crate) fn document(&self) -> Result<Document, NoDocument> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Err(NoDocument::Empty);
        }
        let value = match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) if error.is_eof() => return Err(NoDocument::CutOff),
            Err(_) => among_junk(&self.body)?,
        };
        Ok(Document {
            value,
            echoes: self.echoes(),
        })
    }
}

/// How many places where an object could begin are tried.
const BEGINNINGS: usize = 16;

/// Within how many characters a page says that it is one.
const START_OF_PAGE: usize = 200;

/// The one object of an answer among other text: behind a byte order mark or a notice of PHP, or
/// with letters of another encoding than UTF-8, which are replaced.
fn among_junk(body: &[u8]) -> Result<Value, NoDocument> {
    let text = String::from_utf8_lossy(body);
    let start: String = text.chars().take(START_OF_PAGE).collect();
    let start = start.to_ascii_lowercase();
    // A page may hold objects that are no answer.
    if start.contains("<html") || start.contains("<!doctype") {
        return Err(NoDocument::NotJson);
    }
    let mut is_cut_off = false;
    let beginnings = text.match_indices('{').map(|(at, _)| at);
    for rest in beginnings.take(BEGINNINGS).filter_map(|at| text.get(at..)) {
        let mut objects = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let object = match objects.next() {
            Some(Ok(object)) => object,
            Some(Err(error)) => {
                is_cut_off |= error.is_eof();
                continue;
            }
            None => continue,
        };
        if object.get("result").is_some() || object.get("error").is_some() {
            let is_alone = rest
                .get(objects.byte_offset()..)
                .is_some_and(|behind| !behind.contains(['{', '}']));
            return if is_alone {
                Ok(object)
            } else {
                Err(NoDocument::NotJson)
            };
        }
    }
    Err(if is_cut_off {
        NoDocument::CutOff
    } else {
        NoDocument::NotJson
    })
}

impl fmt::Debug for HttpResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("http_status", &self.http_status)
            .finish_non_exhaustive()
    }
}

/// A JSON document that may repeat secrets of its request.
pub(crate) struct Document {
    value: Value,
    echoes: Echoes,
}

impl Document {
    /// The document without the secrets.
    pub(crate) fn into_clean(self) -> Value {
        let Self { mut value, echoes } = self;
        echoes.cut_from(&mut value);
        value
    }

    /// A field without the secrets, unless it is missing or `null`.
    pub(crate) fn field(&self, key: &str) -> Option<Value> {
        let mut field = self
            .value
            .get(key)
            .filter(|field| !field.is_null())?
            .clone();
        self.echoes.cut_from(&mut field);
        Some(field)
    }

    /// A text that is a new secret, as received: it may be the one that was sent.
    pub(crate) fn secret(&self, key: &str) -> Option<SecretString> {
        let secret = self.value.get(key).and_then(loose::text);
        secret
            .filter(|secret| !secret.is_empty())
            .map(SecretString::from)
    }

    /// The document without these secrets either.
    pub(crate) fn into_clean_of<'a>(
        self,
        secrets: impl IntoIterator<Item = &'a SecretString>,
    ) -> Value {
        let mut value = self.into_clean();
        Echoes::of(secrets).cut_from(&mut value);
        value
    }
}
