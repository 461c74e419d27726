//! Responses that are no answer of a portal: a server in front of it wrote them, and their status
//! says why.

use crate::call_error::{CallError, Unanswered};
use crate::front_refusal::FrontRefusal;
use crate::transport::{HttpResponse, NoDocument};

/// What there is instead of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// No JSON, or a text or a number as JSON.
    Nothing(NoDocument),
    /// JSON with neither a result nor an error.
    Json,
}

/// What a response without an answer means.
///
/// Statuses of servers that gave up, and may have passed the request on, leave the outcome unknown:
/// 408, 460, 499, and all but 4xx.
pub(crate) fn judge(response: &HttpResponse<'_>, instead: Instead) -> CallError {
    let http_status = response.http_status;
    let is_page = instead == Instead::Nothing(NoDocument::NotJson);
    let retry_after = response.retry_after();
    match (http_status, retry_after) {
        // The portal may have begun this.
        _ if instead == Instead::Nothing(NoDocument::CutOff) => {
            Unanswered::CutOff { http_status }.into()
        }
        (429, _) => CallError::Limited {
            http_status,
            retry_after,
        },
        (400..500, _) if is_page && response.is_page_of_no_portal() => {
            CallError::NoPortal { http_status }
        }
        // A portal writes these with a code. Proxies send them with any body, or none.
        (401 | 403 | 407 | 413 | 414 | 431 | 451, _) => FrontRefusal::new(http_status).into(),
        (404 | 410 | 421, _) if is_page => CallError::NoPortal { http_status },
        (408 | 460 | 499, _) => unanswered(instead, http_status).into(),
        (400..500, _) if is_page => FrontRefusal::new(http_status).into(),
        (503, Some(retry_after)) => Unanswered::Busy {
            http_status,
            retry_after,
        }
        .into(),
        _ => unanswered(instead, http_status).into(),
    }
}

fn unanswered(instead: Instead, http_status: u16) -> Unanswered {
    match instead {
        Instead::Nothing(nothing) => nothing.unanswered(http_status),
        Instead::Json => Unanswered::NoResult { http_status },
    }
}

#[cfg(test)]
mod tests;
