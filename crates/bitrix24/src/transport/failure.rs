//! Why a request has no whole response, by the errors of the HTTP library.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::resolver::NotResolved;
use crate::address_guard::Forbidden;
use crate::call_error::{NotSent, Obstacle, Unanswered};
use crate::send_guard::SendGuard;

/// A request without a whole response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failed {
    NotSent(NotSent),
    Unanswered(Unanswered),
}

impl From<NotSent> for Failed {
    fn from(not_sent: NotSent) -> Self {
        Self::NotSent(not_sent)
    }
}

impl From<Unanswered> for Failed {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

impl Failed {
    pub(crate) fn into_error<E: From<NotSent> + From<Unanswered>>(self) -> E {
        match self {
            Self::NotSent(not_sent) => not_sent.into(),
            Self::Unanswered(unanswered) => unanswered.into(),
        }
    }
}

/// Classifies an error of the HTTP library by whether the portal can have the request.
pub(super) fn classify(error: &reqwest::Error, guard: &SendGuard, is_proxied: bool) -> Failed {
    if find(error, &|cause| cause.is::<Forbidden>().then_some(())).is_some() {
        NotSent::AddressForbidden.into()
    } else if guard.was_cancelled() {
        NotSent::DeadlinePassed.into()
    } else if guard.cancel() {
        NotSent::Unreachable(obstacle(error, is_proxied)).into()
    } else if is_unprocessed(error) {
        NotSent::Unprocessed.into()
    } else {
        Unanswered::ConnectionLost.into()
    }
}

/// Whether the server said that it did not process the request. The HTTP/2 library gives a
/// received `GOAWAY` to those requests only whose streams are above the last one that the server
/// names (RFC 9113, 6.8).
///
/// `REFUSED_STREAM` should say the same (8.7), and does not: HAProxy sends it too when the portal
/// took the request and closed its connection without a response.
fn is_unprocessed(error: &reqwest::Error) -> bool {
    let unprocessed = find(error, &|cause| {
        let error = cause.downcast_ref::<h2::Error>()?;
        (error.is_remote() && error.is_go_away()).then_some(())
    });
    unprocessed.is_some()
}

fn obstacle(error: &reqwest::Error, is_proxied: bool) -> Obstacle {
    let of_tls = find(error, &|cause| {
        let error = cause.downcast_ref::<rustls::Error>()?;
        Some(if let rustls::Error::InvalidCertificate(error) = error {
            of_certificate(error)
        } else {
            Obstacle::Tls
        })
    });
    let of_name = || {
        find(error, &|cause| {
            cause.is::<NotResolved>().then_some(Obstacle::Name)
        })
    };
    let of_socket = || {
        find(error, &|cause| {
            let kind = cause.downcast_ref::<io::Error>()?.kind();
            (kind == io::ErrorKind::ConnectionRefused).then_some(Obstacle::Refused)
        })
    };
    if let Some(of_tls) = of_tls {
        of_tls
    } else if is_proxied {
        Obstacle::Proxy
    } else if let Some(found) = of_name().or_else(of_socket) {
        found
    } else if error.is_timeout() {
        Obstacle::Timeout
    } else {
        Obstacle::Network
    }
}

fn of_certificate(error: &CertificateError) -> Obstacle {
    use CertificateError as Error;
    if let Error::Other(other) = error {
        let error = other.0.downcast_ref::<webpki::Error>();
        return if error == Some(&webpki::Error::CaUsedAsEndEntity) {
            Obstacle::CaUsedAsEndEntity
        } else {
            Obstacle::Certificate
        };
    }
    let is_expired = matches!(error, Error::Expired | Error::ExpiredContext { .. });
    let is_early = matches!(error, Error::NotValidYet | Error::NotValidYetContext { .. });
    let is_of_another = matches!(
        error,
        Error::NotValidForName | Error::NotValidForNameContext { .. }
    );
    if *error == Error::UnknownIssuer {
        Obstacle::UnknownIssuer
    } else if is_expired {
        Obstacle::Expired
    } else if is_early {
        Obstacle::NotValidYet
    } else if is_of_another {
        Obstacle::OtherName
    } else if *error == Error::ApplicationVerificationFailure {
        Obstacle::NotPinned
    } else {
        Obstacle::Certificate
    }
}

/// The first cause that `read` knows. Looks into I/O errors, which hide what they wrap.
fn find<T>(
    error: &(dyn Error + 'static),
    read: &impl Fn(&(dyn Error + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = read(error);
        if found.is_some() {
            return found;
        }
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}
