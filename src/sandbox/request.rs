//! Reads an HTTP request as a call of a REST method.

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, Method, Uri};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::auth::Credential;
use super::brackets;

/// A call of a REST method, as far as the address and the encoding go.
#[derive(Debug)]
pub(super) struct RestRequest {
    /// Method in lower case, without `.json`.
    pub(super) method: String,
    pub(super) credential: Credential,
    /// Query and body together, without `auth`. A parameter of the body replaces that of the query.
    pub(super) parameters: Map<String, Value>,
}

impl RestRequest {
    /// Reads the request. `None` if the path is not that of a method.
    pub(super) fn read(
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Self> {
        let path = uri.path().strip_prefix("/rest/")?.trim_end_matches('/');
        let segments: Vec<&str> = path.split('/').collect();
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
        if name.is_empty() {
            return None;
        }
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix(".json").unwrap_or(&name).to_owned();

        let mut parameters = brackets::decode(uri.query().unwrap_or_default());
        if method == Method::POST {
            parameters.extend(read_body(headers, body));
        }
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
        })
    }
}

/// The parameters of a body. As in PHP, what cannot be read is no parameter rather than an error.
fn read_body(headers: &HeaderMap, body: &[u8]) -> Map<String, Value> {
    let content_type = header(headers, &CONTENT_TYPE)
        .unwrap_or_default()
        .to_ascii_lowercase();
    match content_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => match serde_json::from_slice(body) {
            Ok(Value::Object(parameters)) => parameters,
            _ => Map::new(),
        },
        "application/x-www-form-urlencoded" => brackets::decode(&String::from_utf8_lossy(body)),
        _ => Map::new(),
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
    use crate::sandbox::record::AuthKind;

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
        RestRequest::read(&method, &uri.parse().unwrap(), &headers, body.as_bytes())
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
