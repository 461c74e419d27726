//! Who calls: webhook, application or browser session, and what each may do.

use std::hash::{DefaultHasher, Hash, Hasher};

use secrecy::{ExposeSecret, SecretString};

use super::portal::{Portal, TokenState};
use super::record::AuthKind;
use super::refusal::Refusal;
use super::system_error::SystemError;

/// What a request presents to prove who calls. Never shown: it is a secret.
#[derive(Clone, Debug)]
pub(super) enum Credential {
    /// `/rest/{user}/{secret}/…`
    Webhook { user_id: i64, secret: SecretString },
    /// The parameter `auth`, or the header `Authorization: Bearer`.
    Token(SecretString),
    /// The cookie of a logged-in browser.
    Session(SecretString),
    /// Nothing.
    None,
}

impl Credential {
    pub(super) fn kind(&self) -> AuthKind {
        match self {
            Self::Webhook { .. } => AuthKind::Webhook,
            Self::Token(_) => AuthKind::Application,
            Self::Session(_) => AuthKind::Session,
            Self::None => AuthKind::None,
        }
    }

    /// A number by which the credential is recognised again without being told.
    pub(super) fn fingerprint(&self) -> u64 {
        let (user_id, secret) = match self {
            Self::Webhook { user_id, secret } => (*user_id, secret.expose_secret()),
            Self::Token(secret) | Self::Session(secret) => (0, secret.expose_secret()),
            Self::None => (0, ""),
        };
        fingerprint((user_id, secret))
    }
}

/// A caller whose credential was accepted.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) kind: AuthKind,
    pub(super) user_id: i64,
    /// The application or webhook, to which operating time is charged.
    pub(super) account: u64,
    /// `None`: everything, as a logged-in browser may do.
    scopes: Option<Vec<String>>,
}

impl Caller {
    /// Accepts or refuses a credential.
    pub(super) fn authenticate(portal: &Portal, credential: &Credential) -> Result<Self, Refusal> {
        let caller = match credential {
            Credential::Webhook { user_id, secret } => portal
                .webhooks
                .iter()
                .find(|known| known.user_id == *user_id && same(&known.secret, secret))
                .map(|webhook| Self::new(credential, webhook.user_id, Some(&webhook.scopes)))
                .ok_or(SystemError::INVALID_CREDENTIALS),
            Credential::Token(token) => portal
                .tokens
                .iter()
                .find(|known| same(&known.token, token))
                .ok_or(SystemError::INVALID_TOKEN)
                .and_then(|token| match token.state {
                    TokenState::Valid => {
                        Ok(Self::new(credential, token.user_id, Some(&token.scopes)))
                    }
                    TokenState::Expired => Err(SystemError::EXPIRED_TOKEN),
                    TokenState::UserNotAllowed => Err(SystemError::USER_ACCESS_ERROR),
                }),
            Credential::Session(id) => portal
                .sessions
                .iter()
                .find(|known| same(&known.id, id))
                .map(|session| Self::new(credential, session.user_id, None))
                .ok_or(SystemError::NO_AUTH_FOUND),
            Credential::None => Err(SystemError::NO_AUTH_FOUND),
        }
        .map_err(Refusal::System)?;
        // A dismissed user's credentials stay known, only the user cannot be authorized any more.
        if portal.user(caller.user_id).is_some_and(|user| user.active) {
            Ok(caller)
        } else {
            Err(Refusal::System(SystemError::AUTHORIZATION_ERROR))
        }
    }

    fn new(credential: &Credential, user_id: i64, scopes: Option<&Vec<String>>) -> Self {
        Self {
            kind: credential.kind(),
            user_id,
            account: credential.fingerprint(),
            scopes: scopes.cloned(),
        }
    }

    /// Refuses a caller without the scope; the text differs for webhooks and applications.
    pub(super) fn require_scope(&self, scope: Option<&str>) -> Result<(), Refusal> {
        let granted = |scope| {
            let scopes = self.scopes.as_ref();
            scopes.is_none_or(|scopes| scopes.iter().any(|granted| granted == scope))
        };
        if scope.is_none_or(granted) {
            return Ok(());
        }
        Err(Refusal::System(match self.kind {
            AuthKind::Application => SystemError::TOKEN_SCOPE,
            AuthKind::Webhook | AuthKind::Session | AuthKind::None => SystemError::WEBHOOK_SCOPE,
        }))
    }
}

fn same(known: &SecretString, presented: &SecretString) -> bool {
    known.expose_secret() == presented.expose_secret()
}

/// A number that stands for a value in this process.
pub(super) fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
