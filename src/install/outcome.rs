//! What became of an event.

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// An installation: `ONAPPINSTALL`.
    Install,
    /// A removal: `ONAPPUNINSTALL`.
    Uninstall,
    /// Anything else, or nothing that could be read.
    Other,
}

impl What {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Uninstall => "uninstall",
            Self::Other => "other",
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The portal is a tenant now.
    Created,
    /// The portal was a tenant, and has new tokens.
    Reinstalled,
    /// The tenant is marked: a person has to install the application again.
    Uninstalled,
    /// The event has been taken over before. Nothing changed.
    AlreadyKnown,
    /// The event is none of the two. Nothing changed.
    Ignored,
    /// The request is no event: wrong path, method, content type, size or form.
    Malformed,
    /// More events wait than may. It was answered 503 and is lost, because Bitrix24 does not repeat it.
    Busy,
    /// The event is too old, from the future, or older than one of the same portal that was taken over.
    OutOfTime,
    /// The event names an authorization server that is not on the operator's list.
    ServerNotListed,
    /// The portal's address is one that the operator does not allow.
    PortalNotAllowed,
    /// The authorization server does not accept the access token.
    TokenRefused,
    /// The access token is of another application.
    ForeignApplication,
    /// The access token is of another portal, or of one under another address.
    ForeignPortal,
    /// No tenant is of this application and portal.
    UnknownPortal,
    /// The application token is not the one that the installation brought.
    WrongApplicationToken,
    /// The tenant's id belongs to a tenant that is not of this application and portal.
    IdTaken,
    /// The authorization server or the store was in trouble for as long as the event was repeated.
    GaveUp,
}

impl Outcome {
    /// Every outcome, for docs/installation.md.
    pub const ALL: [Self; 17] = [
        Self::Created,
        Self::Reinstalled,
        Self::Uninstalled,
        Self::AlreadyKnown,
        Self::Ignored,
        Self::Malformed,
        Self::Busy,
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

    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Reinstalled => "reinstalled",
            Self::Uninstalled => "uninstalled",
            Self::AlreadyKnown => "already_known",
            Self::Ignored => "ignored",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
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

    /// Whether somebody should look at it: a forgery, a wrong setting, or an installation that was lost.
    pub fn is_refusal(self) -> bool {
        match self {
            Self::Created
            | Self::Reinstalled
            | Self::Uninstalled
            | Self::AlreadyKnown
            | Self::Ignored => false,
            Self::Malformed
            | Self::Busy
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
