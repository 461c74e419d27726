//! Under which address a request reached the simulator, so that answers can name addresses that work.

use http::Uri;
use http::header::HOST;

use super::world::Arrived;

/// Scheme and host of an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) scheme: &'static str,
    /// Host name with its port, if one was given.
    pub(super) host: String,
}

impl Origin {
    /// The origin that the request was sent to.
    pub(super) fn of(arrived: &Arrived) -> Self {
        let header = arrived.headers.get(HOST);
        let header = header.and_then(|host| host.to_str().ok());
        let host = header.or_else(|| Uri::host(&arrived.uri));
        Self {
            scheme: if arrived.secure { "https" } else { "http" },
            host: host.unwrap_or("localhost").to_owned(),
        }
    }

    /// The same scheme and port on another host.
    pub(super) fn with_name(&self, name: &str) -> Self {
        let port = self.host.rsplit_once(':').filter(|(_, port)| {
            !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit())
        });
        Self {
            host: port.map_or_else(|| name.to_owned(), |(_, port)| format!("{name}:{port}")),
            ..self.clone()
        }
    }

    /// The address of the methods there.
    pub(super) fn endpoint(&self) -> String {
        format!("{}://{}/rest/", self.scheme, self.host)
    }
}
