//! Reads a request as a call of a REST method.

use http::header::{AUTHORIZATION, COOKIE};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::commands;
use super::credential::Credential;
use super::encoding::{self, Encoding};
use super::http_request::HttpRequest;

/// The method that runs several commands.
pub(crate) const BATCH: &str = "batch";

/// A call of a REST method. The method may not exist.
pub(crate) struct RestRequest {
    /// In lower case, without `.json`.
    pub(crate) method: String,
    pub(crate) credential: Credential,
    /// Those of query and body, without `auth`.
    pub(crate) parameters: Map<String, Value>,
    /// Key and text of the commands of a batch, in order.
    pub(crate) commands: Vec<(String, String)>,
}

impl RestRequest {
    /// `None` if the path is not that of a method. `bearer`: whether the header `Authorization`
    /// counts.
    pub(crate) fn read(http: &HttpRequest, bearer: bool) -> Option<Self> {
        // One SDK writes `/rest//method`; the web server of a portal merges slashes.
        let path = http.uri.path().strip_prefix("/rest/")?;
        let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (webhook, name) = match segments.as_slice() {
            [name] => (None, *name),
            [user, secret, name] => {
                let user_id = user.parse().ok()?;
                let secret = SecretString::from(*secret);
                (Some(Credential::Webhook { user_id, secret }), *name)
            }
            _ => return None,
        };
        let name = name.to_ascii_lowercase();
        let method = name.strip_suffix(".json").unwrap_or(&name).to_owned();

        let encoding = Encoding::of(http);
        let mut parameters = encoding::parameters(http, &encoding);
        let token = match parameters.remove("auth") {
            Some(Value::String(token)) if !token.is_empty() => Some(token),
            _ => bearer.then(|| bearer_token(http)).flatten(),
        };
        let credential = webhook
            .or_else(|| token.map(|token| Credential::Token(token.into())))
            .or_else(|| session(http).map(|id| Credential::Session(id.into())))
            .unwrap_or(Credential::None);
        let commands = if method == BATCH {
            commands::read(http, &encoding)
        } else {
            Vec::new()
        };
        Some(Self {
            method,
            credential,
            parameters,
            commands,
        })
    }
}

fn bearer_token(http: &HttpRequest) -> Option<String> {
    let (scheme, token) = http.header(&AUTHORIZATION)?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

fn session(http: &HttpRequest) -> Option<&str> {
    let mut cookies = http.header(&COOKIE)?.split(';');
    cookies.find_map(|cookie| cookie.trim().strip_prefix("PHPSESSID="))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, Method};
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
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let http = HttpRequest {
            method,
            uri: uri.parse().unwrap(),
            headers: headers.collect(),
            body: Bytes::from(body.to_owned()),
            listener: ([127, 0, 0, 1], 80).into(),
            peer: None,
            secure: false,
        };
        RestRequest::read(&http, true)
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
