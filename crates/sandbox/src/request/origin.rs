//! The address under which a request reached the simulator, so that responses name reachable ones.

use http::header::HOST;

use super::http_request::HttpRequest;

/// Scheme and host of an address.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) scheme: &'static str,
    /// Host name with its port, if one was given.
    pub(crate) host: String,
}

impl Origin {
    /// The origin that the request was sent to.
    pub(crate) fn of(http: &HttpRequest) -> Self {
        let host = http.header(&HOST).or_else(|| http.uri.host());
        Self {
            scheme: http.scheme(),
            host: host.unwrap_or("localhost").to_owned(),
        }
    }

    /// The same scheme and port on another host.
    pub(crate) fn with_name(&self, name: &str) -> Self {
        let port = self.host.rsplit_once(':').filter(|(_, port)| {
            !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
        });
        Self {
            host: port.map_or_else(|| name.to_owned(), |(_, port)| format!("{name}:{port}")),
            ..self.clone()
        }
    }

    /// The address of the methods there.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}://{}/rest/", self.scheme, self.host)
    }
}
