//! How long to wait before a retry.

use std::time::Duration;

use crate::api::openlines::v1::ErrorReason as Reason;

/// The recommended wait, for reasons that pass with time.
pub(super) fn delay(reason: Reason) -> Option<Duration> {
    REASONS_THAT_PASS
        .iter()
        .find(|(passing, _)| *passing == reason)
        .map(|(_, delay)| *delay)
}

const REASONS_THAT_PASS: [(Reason, Duration); 14] = [
    (Reason::Overloaded, Duration::from_secs(1)),
    (Reason::CallerShareExceeded, Duration::from_secs(1)),
    (Reason::ShuttingDown, Duration::ZERO),
    (Reason::StreamIdle, Duration::ZERO),
    (Reason::PortalUnreachable, Duration::from_secs(1)),
    (Reason::StoreUnavailable, Duration::from_secs(1)),
    (
        Reason::AuthorizationServerUnavailable,
        Duration::from_secs(1),
    ),
    // Sets of keys that could not be loaded are tried again every 10 seconds.
    (Reason::CredentialsNotVerifiable, Duration::from_secs(10)),
    // These four usually have a time of their own.
    (Reason::QueueFull, Duration::from_secs(1)),
    (Reason::WaitExceedsDeadline, Duration::from_secs(1)),
    (Reason::PortalNotAnswering, Duration::from_secs(1)),
    (Reason::ConversationHeld, Duration::from_secs(1)),
    // The portal's counter falls by 2 or 5 each second (page "limits").
    (Reason::PortalRateLimited, Duration::from_secs(1)),
    // The refusal does not say when the oldest minute expires: within ten minutes (page "limits").
    (Reason::OperatingLimit, Duration::from_secs(600)),
];
