//! Reads an HTTP request as a call of a REST method.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, Method, Uri};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::auth::Credential;
use super::{brackets, multipart};

/// How a body holds parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
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
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let content_type = header(headers, &CONTENT_TYPE).unwrap_or_default();
        let media = content_type.split(';').next().unwrap_or_default().trim();
        match media.to_ascii_lowercase().as_str() {
            _ if method != Method::POST => Self::None,
            "application/json" => Self::Json,
            "application/x-www-form-urlencoded" => Self::Form,
            "multipart/form-data" => {
                multipart::boundary(content_type).map_or(Self::None, Self::Multipart)
            }
            _ => Self::None,
        }
    }

    /// The parameters of a body. As in PHP, what cannot be read is no parameter rather than an error.
    pub(super) fn parameters(&self, body: &[u8]) -> Map<String, Value> {
        match self {
            Self::Json => match serde_json::from_slice(body) {
                Ok(Value::Object(parameters)) => parameters,
                _ => Map::new(),
            },
            Self::Form => brackets::nest(brackets::pairs(body)),
            Self::Multipart(boundary) => {
                brackets::nest(multipart::fields(body, boundary).into_iter())
            }
            Self::None => Map::new(),
        }
    }
}

/// A call of a REST method, as far as the address and the encoding go.
pub(super) struct RestRequest {
    /// Method in lower case, without `.json`.
    pub(super) method: String,
    pub(super) credential: Credential,
    /// Query and body together, without `auth`. A parameter of the body replaces that of the query.
    pub(super) parameters: Map<String, Value>,
    /// The query as it was sent, with `auth`: a secret, so never shown.
    pub(super) query: String,
    pub(super) encoding: Encoding,
    /// The body as it was sent.
    pub(super) body: Bytes,
}

impl RestRequest {
    /// Reads the request. `None` if the path is not that of a method.
    pub(super) fn read(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Option<Self> {
        // Slashes are merged, as by the web server of a portal: one SDK writes `/rest//method`.
        let path = uri.path().strip_prefix("/rest/")?;
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (webhook, name) = match segments.as_slice() {
            [name] => (None, *name),
            [user, secret, name] => {
                let secret = SecretString::from((*secret).to_owned());
                (
                    Some(Credential::Webhook {
                        user_id: user.parse().ok()?,
                        secret,
                    }),
                    *name,
                )
            }
            _ => return None,
        };
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix(".json").unwrap_or(&name).to_owned();

        let query = uri.query().unwrap_or_default();
        let mut parameters = brackets::decode(query);
        let encoding = Encoding::of(method, headers);
        parameters.extend(encoding.parameters(body));
        let token = match parameters.remove("auth") {
            Some(Value::String(token)) if !token.is_empty() => Some(token),
            _ => bearer(headers),
        };
        let credential = webhook
            .or_else(|| token.map(|token| Credential::Token(SecretString::from(token))))
            .or_else(|| session(headers).map(|id| Credential::Session(SecretString::from(id))))
            .unwrap_or(Credential::None);
        Some(Self {
            method: name,
            credential,
            parameters,
            query: query.to_owned(),
            encoding,
            body: body.clone(),
        })
    }
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = header(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn session(headers: &HeaderMap) -> Option<String> {
    let cookies = header(headers, &COOKIE)?.split(';');
    let mut ids = cookies.filter_map(|cookie| cookie.trim().strip_prefix("PHPSESSID="));
    ids.next().map(str::to_owned)
}

fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;
    use serde_json::json;

    use super::*;
    use crate::record::AuthKind;

    fn read(
        method: Method,
        uri: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> Option<RestRequest> {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let body = Bytes::from(body.to_owned());
        RestRequest::read(&method, &uri.parse().unwrap(), &headers, &body)
    }

    #[test]
    fn the_two_forms_of_address_are_read() {
        let webhook = read(Method::POST, "/rest/1/secret/Im.Test.json", &[], "").unwrap();
        assert_eq!(
            (webhook.method.as_str(), webhook.credential.kind()),
            ("im.test", AuthKind::Webhook)
        );
        let application = read(Method::GET, "/rest/im.test?auth=t&A[b]=1", &[], "").unwrap();
        assert_eq!(application.credential.kind(), AuthKind::Application);
        assert_eq!(
            Value::Object(application.parameters),
            json!({"A": {"b": "1"}})
        );
        for other in [
            "/",
            "/rest/",
            "/rest/x/secret/m",
            "/rest/1/2/3/4",
            "/rest/1/m",
        ] {
            assert!(read(Method::GET, other, &[], "").is_none(), "{other}");
        }
    }

    #[test]
    fn the_token_comes_from_body_query_or_header_in_this_order() {
        let json = ("content-type", "application/json; charset=utf-8");
        let bearer = ("authorization", "Bearer header");
        let token = |request: Option<RestRequest>| {
            let Credential::Token(token) = request.unwrap().credential else {
                panic!("no token")
            };
            token.expose_secret().to_owned()
        };
        let body = r#"{"auth":"body"}"#;
        assert_eq!(
            token(read(
                Method::POST,
                "/rest/m?auth=query",
                &[json, bearer],
                body
            )),
            "body"
        );
        assert_eq!(
            token(read(
                Method::POST,
                "/rest/m?auth=query",
                &[json, bearer],
                "{}"
            )),
            "query"
        );
        assert_eq!(
            token(read(Method::POST, "/rest/m", &[json, bearer], "{}")),
            "header"
        );
    }

    #[test]
    fn a_body_that_cannot_be_read_is_no_parameters() {
        let json = ("content-type", "application/json");
        for body in ["", "{", "[1]", "7"] {
            assert!(
                read(Method::POST, "/rest/m", &[json], body)
                    .unwrap()
                    .parameters
                    .is_empty()
            );
        }
        assert!(
            read(Method::POST, "/rest/m", &[], "A=1")
                .unwrap()
                .parameters
                .is_empty()
        );
    }
}
