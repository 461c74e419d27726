//! Who calls: webhook, application or browser session, and what each may do.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::dispatch::Circumstances;
use super::portal::TokenState;
use super::record::AuthKind;
use super::refusal::Refusal;
use super::state::PortalState;
use super::switches::ReplacedToken;
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
    /// The application, if its access token was granted by the authorization server.
    pub(super) application: Option<CallingApplication>,
    /// `None`: everything, as a logged-in browser may do.
    scopes: Option<Vec<String>>,
}

/// The application whose access token was presented.
#[derive(Clone, Debug)]
pub(super) struct CallingApplication {
    pub(super) client_id: String,
    /// When the access token expires.
    pub(super) expires: Timestamp,
}

impl Caller {
    /// Accepts or refuses a credential.
    pub(super) fn authenticate(
        state: &PortalState,
        credential: &Credential,
        circumstances: &Circumstances,
    ) -> Result<Self, Refusal> {
        let portal = &state.portal;
        let caller = match credential {
            Credential::Webhook { user_id, secret } => portal
                .webhooks
                .iter()
                .find(|known| known.user_id == *user_id && same(&known.secret, secret))
                .map(|webhook| Self::new(credential, webhook.user_id, Some(&webhook.scopes)))
                .ok_or(SystemError::INVALID_CREDENTIALS),
            Credential::Token(token) => Self::by_token(state, credential, token, circumstances),
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

    /// The caller of an access token: one of the portal's definition, or one that was granted.
    fn by_token(
        state: &PortalState,
        credential: &Credential,
        token: &SecretString,
        circumstances: &Circumstances,
    ) -> Result<Self, SystemError> {
        let portal = &state.portal;
        let granted = state.grants.by_access(token.expose_secret());
        let listed = portal.tokens.iter().find(|known| same(&known.token, token));
        let application = granted.and_then(|pair| {
            let mut applications = portal.applications.iter();
            applications.find(|application| application.client_id == pair.client_id)
        });
        let (user_id, state, scopes) = match (listed, granted, application) {
            (Some(listed), _, _) => (listed.user_id, listed.state, &listed.scopes),
            (None, Some(pair), Some(application)) => {
                let replaced = pair.replaced.is_some();
                if replaced && circumstances.switches.replaced_token == ReplacedToken::Invalid {
                    return Err(SystemError::INVALID_TOKEN);
                }
                let is_expired = replaced || pair.expires <= circumstances.now;
                let state = if is_expired && pair.state == TokenState::Valid {
                    TokenState::Expired
                } else {
                    pair.state
                };
                (pair.user_id, state, &application.scopes)
            }
            (None, _, _) => return Err(SystemError::INVALID_TOKEN),
        };
        match state {
            TokenState::Valid => {}
            TokenState::Expired => return Err(SystemError::EXPIRED_TOKEN),
            TokenState::UserNotAllowed => return Err(SystemError::USER_ACCESS_ERROR),
        }
        if application.is_some_and(|application| !application.installed) {
            return Err(SystemError::NOT_INSTALLED);
        }
        let mut caller = Self::new(credential, user_id, Some(scopes));
        if let Some(pair) = granted {
            // All tokens of an application share its operating time.
            caller.account = fingerprint(&pair.client_id);
            caller.application = Some(CallingApplication {
                client_id: pair.client_id.clone(),
                expires: pair.expires,
            });
        }
        Ok(caller)
    }

    fn new(credential: &Credential, user_id: i64, scopes: Option<&Vec<String>>) -> Self {
        Self {
            kind: credential.kind(),
            user_id,
            account: credential.fingerprint(),
            application: None,
            scopes: scopes.cloned(),
        }
    }

    /// The scopes that were granted.
    pub(super) fn scopes(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
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
            AuthKind::Webhook | AuthKind::Session | AuthKind::Client | AuthKind::None => {
                SystemError::WEBHOOK_SCOPE
            }
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
