//! Outcomes of events.

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `ONAPPINSTALL`
    Install,
    /// `ONAPPUNINSTALL`
    Uninstall,
    /// Other events, and requests that are not events.
    Other,
}

impl Kind {
    /// The label in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::Other => "other",
        }
    }
}

/// The outcome of an event. docs/installation.md explains each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventResult {
    Created,
    Reinstalled,
    Uninstalled,
    AlreadyKnown,
    Ignored,
    Malformed,
    Busy,
    Rationed,
    OutOfTime,
    ServerNotListed,
    PortalNotAllowed,
    TokenRefused,
    ForeignApplication,
    ForeignPortal,
    UnknownPortal,
    WrongApplicationToken,
    IdTaken,
    GaveUp,
}

impl EventResult {
    /// For the test of docs/installation.md.
    pub const ALL: [Self; 18] = [
        Self::Created,
        Self::Reinstalled,
        Self::Uninstalled,
        Self::AlreadyKnown,
        Self::Ignored,
        Self::Malformed,
        Self::Busy,
        Self::Rationed,
        Self::OutOfTime,
        Self::ServerNotListed,
        Self::PortalNotAllowed,
        Self::TokenRefused,
        Self::ForeignApplication,
        Self::ForeignPortal,
        Self::UnknownPortal,
        Self::WrongApplicationToken,
        Self::IdTaken,
        Self::GaveUp,
    ];

    /// The label in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reinstalled => "reinstalled",
            Self::Uninstalled => "uninstalled",
            Self::AlreadyKnown => "already_known",
            Self::Ignored => "ignored",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
            Self::Rationed => "rationed",
            Self::OutOfTime => "out_of_time",
            Self::ServerNotListed => "server_not_listed",
            Self::PortalNotAllowed => "portal_not_allowed",
            Self::TokenRefused => "token_refused",
            Self::ForeignApplication => "foreign_application",
            Self::ForeignPortal => "foreign_portal",
            Self::UnknownPortal => "unknown_portal",
            Self::WrongApplicationToken => "wrong_application_token",
            Self::IdTaken => "id_taken",
            Self::GaveUp => "gave_up",
        }
    }

    /// Whether an operator should look at it: a forgery, a wrong setting, or a lost installation.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Created
            | Self::Reinstalled
            | Self::Uninstalled
            | Self::AlreadyKnown
            | Self::Ignored => false,
            Self::Malformed
            | Self::Busy
            | Self::Rationed
            | Self::OutOfTime
            | Self::ServerNotListed
            | Self::PortalNotAllowed
            | Self::TokenRefused
            | Self::ForeignApplication
            | Self::ForeignPortal
            | Self::UnknownPortal
            | Self::WrongApplicationToken
            | Self::IdTaken
            | Self::GaveUp => true,
        }
    }
}
