//! Headers that a collector asks for, a key above all: they are a secret of the service.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

/// Headers that one of the protocols sets itself. A second one would break the transmission, or
/// send it somewhere else.
const OWN: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];

/// Headers of each transmission to the collector. Their `Debug` shows none of them.
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

/// A text has no headers in it that can be sent. Worded to follow the place; never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidHeaders {
    #[error("has no header")]
    Empty,
    #[error("has no `=` in entry {0}")]
    NoEqualsSign(usize),
    #[error("has a name in entry {0} that no header can have")]
    Name(usize),
    #[error("has a header in entry {0} that OTLP sets itself")]
    Own(usize),
    #[error("has a header twice, in entry {0} again")]
    Twice(usize),
    #[error(
        "has a `%` in entry {0} that is not followed by two hexadecimal digits; write %25 for it"
    )]
    Percent(usize),
    #[error(
        "has a value in entry {0} that is empty, begins or ends with a space, or has a character \
         that a header cannot have"
    )]
    Value(usize),
}

impl Headers {
    /// From entries like `name=value`, separated by commas or ends of lines, with values that are
    /// percent-encoded: the form of `OTEL_EXPORTER_OTLP_HEADERS`.
    ///
    /// # Errors
    ///
    /// Gives the number of the first invalid entry.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHeaders> {
        let entries = text
            .split([',', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let mut headers = HeaderMap::new();
        for (number, entry) in (1..).zip(entries) {
            let (name, value) = entry
                .split_once('=')
                .ok_or(InvalidHeaders::NoEqualsSign(number))?;
            let name = HeaderName::try_from(name.trim());
            let name = name.map_err(|_| InvalidHeaders::Name(number))?;
            if is_own(&name) {
                return Err(InvalidHeaders::Own(number));
            }
            let value = decoded(value.trim()).ok_or(InvalidHeaders::Percent(number))?;
            let mut value = sendable(&value).ok_or(InvalidHeaders::Value(number))?;
            // Neither shown by `Debug` nor kept by the compression of HTTP/2.
            value.set_sensitive(true);
            if headers.insert(name, value).is_some() {
                return Err(InvalidHeaders::Twice(number));
            }
        }
        if headers.is_empty() {
            return Err(InvalidHeaders::Empty);
        }
        Ok(Self(headers))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a request takes them.
    pub(super) fn to_map(&self) -> HeaderMap {
        self.0.clone()
    }
}

/// Names of gRPC itself, and those of binary metadata, whose values have another form.
fn is_own(name: &HeaderName) -> bool {
    let name = name.as_str();
    OWN.contains(&name) || name.starts_with("grpc-") || name.ends_with("-bin")
}

/// `None` for an incomplete escape: what is meant is open then.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut escapes = value.split('%').skip(1);
    let is_complete = escapes.all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    is_complete.then(|| percent_decode_str(value).collect())
}

/// Visible ASCII and spaces inside, as gRPC has it.
fn sendable(value: &[u8]) -> Option<HeaderValue> {
    let is_visible = value.iter().all(|byte| (b' '..=b'~').contains(byte));
    if !is_visible || value.is_empty() || value != value.trim_ascii() {
        return None;
    }
    HeaderValue::from_bytes(value).ok()
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Headers")
            .field("headers", &self.0.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_the_variable_of_opentelemetry_has_them() {
        let text = "Api-Key=abc%2Cd=e%25, authorization = Basic dTpw ,\nx-scope-orgid=tenant%201\n";
        let headers = Headers::parse(text).unwrap().to_map();
        assert_eq!(headers.len(), 3);
        assert_eq!(headers["api-key"], "abc,d=e%");
        assert_eq!(headers["authorization"], "Basic dTpw");
        assert_eq!(headers["x-scope-orgid"], "tenant 1");
        assert!(headers.values().all(HeaderValue::is_sensitive));
    }

    #[test]
    fn what_cannot_be_sent_is_refused_by_its_number_and_not_quoted() {
        for (text, expected) in [
            ("", InvalidHeaders::Empty),
            (" ,\n", InvalidHeaders::Empty),
            ("a=1,s3cr3tcanary", InvalidHeaders::NoEqualsSign(2)),
            ("s3cr3t canary=1", InvalidHeaders::Name(1)),
            ("=s3cr3tcanary", InvalidHeaders::Name(1)),
            ("authorization: s3cr3tcanary=", InvalidHeaders::Name(1)),
            ("Content-Type=s3cr3tcanary", InvalidHeaders::Own(1)),
            ("grpc-timeout=s3cr3tcanary", InvalidHeaders::Own(1)),
            ("key-bin=s3cr3tcanary", InvalidHeaders::Own(1)),
            ("key=1,KEY=s3cr3tcanary", InvalidHeaders::Twice(2)),
            ("key=s3cr3tcanary%", InvalidHeaders::Percent(1)),
            ("key=s3cr3tcanary%4", InvalidHeaders::Percent(1)),
            ("key=%x3s3cr3tcanary", InvalidHeaders::Percent(1)),
            ("key=", InvalidHeaders::Value(1)),
            ("key=%20s3cr3tcanary", InvalidHeaders::Value(1)),
            ("key=s3cr3tcanary%0Ax", InvalidHeaders::Value(1)),
            ("key=s3cr3tcanary%C3%A4", InvalidHeaders::Value(1)),
            ("key=s3cr3tcanaryä", InvalidHeaders::Value(1)),
        ] {
            let error = Headers::parse(text).unwrap_err();
            assert_eq!(error, expected, "{text}");
            let said = format!("{error} {error:?}");
            assert!(!said.contains("s3cr3t"), "{said}");
        }
    }

    #[test]
    fn debug_output_shows_neither_name_nor_value() {
        let headers = Headers::parse("s3cr3tname=s3cr3tvalue").unwrap();
        let shown = format!("{headers:?}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}
