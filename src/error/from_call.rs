//! The failure of a call to a portal, as reported to the caller.

use super::code;
use super::failure::{Failure, Source};
use crate::api::openlines::v1::{Bitrix24Error, ErrorReason as Reason};
use crate::check::Violations;
use bitrix24::{
    CallError, FrontCause, FrontRefusal, Method, NotSent, Outcome, Refusal, Unanswered,
};

/// Longest part of Bitrix24's description in the details, in bytes.
pub(super) const DESCRIPTION_BYTES: usize = 512;
/// Longest part of it in the status message, in bytes. The message is sent percent-encoded, up to
/// three times as long.
pub(super) const QUOTED_BYTES: usize = 200;
/// Longest part of a code, in bytes. Documented ones are shorter than 50.
pub(super) const CODE_BYTES: usize = 128;

const MAYBE_DELIVERED: &str = "the message may or may not have been delivered";

pub(super) fn failure(error: CallError, method: Option<Method>) -> Failure {
    let outcome = error.outcome();
    match error {
        CallError::NotSent(not_sent) => Failure {
            source: match not_sent {
                NotSent::DeadlinePassed | NotSent::AddressForbidden => Source::Facade,
                NotSent::Unreachable(_) | NotSent::Unprocessed => Source::Bitrix24,
            },
            ..Failure::of_facade(
                match not_sent {
                    NotSent::DeadlinePassed => Reason::DeadlineBeforeSend,
                    NotSent::Unreachable(_) | NotSent::Unprocessed => Reason::PortalUnreachable,
                    NotSent::AddressForbidden => Reason::PortalAddressForbidden,
                },
                match not_sent {
                    NotSent::Unprocessed => not_sent.to_string(),
                    NotSent::DeadlinePassed
                    | NotSent::Unreachable(_)
                    | NotSent::AddressForbidden => {
                        format!("{not_sent}; nothing was sent")
                    }
                },
            )
        },
        CallError::Moved { new_address } => of_bitrix24(
            Reason::PortalMoved,
            outcome,
            match new_address {
                Some(address) => format!("the portal has moved to a new address, {address}"),
                None => "the portal has moved to a new address".to_owned(),
            },
        ),
        CallError::NoPortal { http_status } => of_bitrix24(
            Reason::PortalNotFound,
            outcome,
            format!(
                "there is no Bitrix24 portal at the address: its web server returned a page with HTTP {http_status}"
            ),
        ),
        CallError::Limited { http_status, .. } => of_bitrix24(
            Reason::PortalRateLimited,
            outcome,
            format!("a server in front of the portal limits requests (HTTP {http_status})"),
        ),
        CallError::RefusedInFront(refusal) => refused_in_front(refusal, outcome),
        CallError::Refused(refusal) => refused(&refusal, method),
        CallError::Unanswered(unanswered) => Failure {
            timed_out: unanswered == Unanswered::DeadlinePassed,
            ..outcome_unknown(&unanswered.to_string())
        },
    }
}

fn refused_in_front(refusal: FrontRefusal, outcome: Outcome) -> Failure {
    use Reason::{RefusedInFrontOfPortal, TooLargeForPortal};
    let (reason, why, who_acts) = match refusal.cause() {
        FrontCause::Login => (
            RefusedInFrontOfPortal,
            "asks for a login of its own",
            "the portal's administrator has to let this service through without one",
        ),
        FrontCause::Forbidden => (
            RefusedInFrontOfPortal,
            "does not let the request through",
            "the portal's administrator has to allow this service's address and its requests to /rest/",
        ),
        FrontCause::ProxyLogin => (
            RefusedInFrontOfPortal,
            "asks for a proxy's login",
            "the operator of this service has to check its proxy (portals.proxy)",
        ),
        FrontCause::TooLarge => (
            TooLargeForPortal,
            "does not let a request of this size through",
            "send fewer messages in one call, or shorter ones",
        ),
        FrontCause::Legal => (
            RefusedInFrontOfPortal,
            "refused the request for legal reasons",
            "the portal's administrator has to clear it with whoever runs that server",
        ),
        FrontCause::Other => (
            RefusedInFrontOfPortal,
            "refused the request",
            "the portal's administrator has to look at it, or the address is wrong",
        ),
    };
    let http_status = refusal.http_status();
    of_bitrix24(
        reason,
        outcome,
        format!("a server in front of the portal {why} (HTTP {http_status}); {who_acts}"),
    )
}

pub(super) fn outcome_unknown(what: &str) -> Failure {
    of_bitrix24(
        Reason::OutcomeUnknown,
        Outcome::Unknown,
        format!("{MAYBE_DELIVERED}: {what}"),
    )
}

pub(super) fn answer_not_understood() -> Failure {
    of_bitrix24(
        Reason::AnswerNotUnderstood,
        Outcome::Executed,
        "Bitrix24 accepted the message, but its response lacks the documented result".to_owned(),
    )
}

pub(super) fn message_rejected(
    http_status: u16,
    texts: &[String],
    method: Option<Method>,
) -> Failure {
    let description = texts.join("; ");
    let quoted = cut(&description, QUOTED_BYTES);
    Failure {
        bitrix24: Some(Bitrix24Error {
            method: method
                .map(|method| method.name().to_owned())
                .unwrap_or_default(),
            http_status: http_status.into(),
            code: String::new(),
            description: cut(&description, DESCRIPTION_BYTES).to_owned(),
            documented_code: None,
        }),
        ..of_bitrix24(
            Reason::MessageRejected,
            Outcome::NotExecuted,
            if quoted.is_empty() {
                "Bitrix24 refused the message without a reason".to_owned()
            } else {
                format!("Bitrix24 refused the message: {quoted}")
            },
        )
    }
}

fn refused(refusal: &Refusal, method: Option<Method>) -> Failure {
    let meaning = method
        .zip(refusal.documented)
        .and_then(|(method, code)| code::find(method, code));
    let outcome = refusal.outcome();
    let reason = match meaning {
        _ if outcome == Outcome::Unknown => Reason::OutcomeUnknown,
        Some(meaning) => meaning.reason,
        None if refusal.is_rate_limit() => Reason::PortalRateLimited,
        None => Reason::UndocumentedCode,
    };
    let code = cut(&refusal.code, CODE_BYTES);
    let name = method.map_or("the method", Method::name);
    let shown_code = if code.is_empty() {
        "an empty code"
    } else {
        code
    };
    let refused = match cut(&refusal.description, QUOTED_BYTES) {
        "" => format!("Bitrix24 refused {name} with {shown_code}"),
        quoted => format!("Bitrix24 refused {name} with {shown_code}: {quoted}"),
    };
    let message = if reason == Reason::OutcomeUnknown {
        format!("{MAYBE_DELIVERED}: {refused}")
    } else {
        refused
    };
    let mut violations = Violations::default();
    if let Some(field) = meaning
        .and_then(|meaning| meaning.field)
        .filter(|_| reason == Reason::RejectedArgument)
    {
        let description = format!("Bitrix24 refused it with {shown_code}; see Bitrix24Error");
        violations.add(field, "REJECTED_BY_BITRIX24", description);
    }
    Failure {
        bitrix24: Some(Bitrix24Error {
            method: name.to_owned(),
            http_status: refusal.http_status.into(),
            code: code.to_owned(),
            description: cut(&refusal.description, DESCRIPTION_BYTES).to_owned(),
            documented_code: meaning.map(|meaning| meaning.documented),
        }),
        violations,
        ..of_bitrix24(reason, outcome, message)
    }
}

pub(super) fn of_bitrix24(reason: Reason, outcome: Outcome, message: String) -> Failure {
    Failure {
        source: Source::Bitrix24,
        outcome,
        ..Failure::of_facade(reason, message)
    }
}

/// The longest start of `text` with at most `bytes` bytes that ends between two characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("привет", 5), "пр");
        assert_eq!(cut("abc", 5), "abc");
        assert_eq!(cut("", 5), "");
    }
}
