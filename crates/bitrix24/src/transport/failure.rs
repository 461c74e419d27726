//! Why a request has no whole response, and why there is no connection, by the errors of libraries.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use super::resolver::NotResolved;
use crate::address_guard::Forbidden;
use crate::call_error::{NotSent, Obstacle, Unanswered};

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

/// Why no connection came about.
pub(super) fn of_connecting(error: &(dyn Error + 'static), is_proxied: bool) -> NotSent {
    if find(error, &|cause| cause.is::<Forbidden>().then_some(())).is_some() {
        NotSent::AddressForbidden
    } else {
        NotSent::Unreachable(obstacle(error, is_proxied))
    }
}

fn obstacle(error: &(dyn Error + 'static), is_proxied: bool) -> Obstacle {
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
            let is_refused = kind == io::ErrorKind::ConnectionRefused;
            let is_late = kind == io::ErrorKind::TimedOut;
            let late = || is_late.then_some(Obstacle::Timeout);
            is_refused.then_some(Obstacle::Refused).or_else(late)
        })
    };
    if let Some(of_tls) = of_tls {
        of_tls
    } else if is_proxied {
        Obstacle::Proxy
    } else {
        of_name().or_else(of_socket).unwrap_or(Obstacle::Network)
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
