//! The refusal of a server in front of a portal.

/// A server in front of the portal refused the request: it did not reach the portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a server in front of the portal refused the request, HTTP {http_status}")]
pub struct FrontRefusal {
    http_status: u16,
}

/// Why it refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontCause {
    /// It asks for a login of its own.
    Login,
    /// It does not let this service, or this text, through: a firewall, a list of addresses.
    Forbidden,
    /// A proxy asks for a login.
    ProxyLogin,
    /// The request, its address or its headers are larger than it allows.
    TooLarge,
    /// It refuses for legal reasons.
    Legal,
    /// Another status.
    Other,
}

impl FrontRefusal {
    /// A refusal with this status, 400 to 499.
    pub fn new(http_status: u16) -> Self {
        Self { http_status }
    }

    /// The HTTP status, 400 to 499.
    pub fn http_status(self) -> u16 {
        self.http_status
    }

    /// Why the server refused, as far as its status says it.
    ///
    /// Source: RFC 9110, section 15.5; RFC 6585, section 5; RFC 7725.
    pub fn cause(self) -> FrontCause {
        match self.http_status {
            401 => FrontCause::Login,
            403 => FrontCause::Forbidden,
            407 => FrontCause::ProxyLogin,
            413 | 414 | 431 => FrontCause::TooLarge,
            451 => FrontCause::Legal,
            _ => FrontCause::Other,
        }
    }

    /// Whether the calls of a refused batch may succeed when sent alone: the batch was too large,
    /// or a firewall rejects one text of it.
    pub(crate) fn concerns_the_batch_alone(self) -> bool {
        match self.cause() {
            FrontCause::Forbidden | FrontCause::TooLarge | FrontCause::Other => true,
            FrontCause::Login | FrontCause::ProxyLogin | FrontCause::Legal => false,
        }
    }
}
