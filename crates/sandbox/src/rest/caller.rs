//! The caller: webhook, application or browser session, and its permissions.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::context::Context;
use crate::error::{Refusal, SystemError};
use crate::portal::TokenState;
use crate::record::AuthKind;
use crate::request::{Credential, fingerprint};
use crate::state::PortalState;
use crate::switches::ReplacedToken;

/// A caller whose credential was accepted.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) kind: AuthKind,
    pub(crate) user_id: i64,
    /// The application or webhook, which is charged for operating time.
    pub(crate) account: u64,
    /// The application, if the authorization server granted its access token.
    pub(crate) application: Option<CallingApplication>,
    /// `None`: all, as for a logged-in browser.
    scopes: Option<Vec<String>>,
}

#[derive(Clone, Debug)]
pub(crate) struct CallingApplication {
    pub(crate) client_id: String,
    /// When the access token expires.
    pub(crate) expires: Timestamp,
}

impl Caller {
    pub(crate) fn authenticate(
        state: &PortalState,
        credential: &Credential,
        context: &Context,
    ) -> Result<Self, Refusal> {
        let definition = &state.definition;
        let caller = match credential {
            Credential::Webhook { user_id, secret } => definition
                .webhooks
                .iter()
                .find(|known| known.user_id == *user_id && same(&known.secret, secret))
                .map(|webhook| Self::new(credential, webhook.user_id, Some(&webhook.scopes)))
                .ok_or(SystemError::INVALID_CREDENTIALS),
            Credential::Token(token) => Self::by_token(state, credential, token, context),
            Credential::Session(id) => definition
                .sessions
                .iter()
                .find(|known| same(&known.id, id))
                .map(|session| Self::new(credential, session.user_id, None))
                .ok_or(SystemError::NO_AUTH_FOUND),
            Credential::None => Err(SystemError::NO_AUTH_FOUND),
        }
        .map_err(Refusal::System)?;
        // The portal still knows a dismissed user's credentials but cannot authorize the user.
        if definition
            .user(caller.user_id)
            .is_some_and(|user| user.active)
        {
            Ok(caller)
        } else {
            Err(SystemError::AUTHORIZATION_ERROR.into())
        }
    }

    /// The caller of an access token, from the definition or granted.
    fn by_token(
        state: &PortalState,
        credential: &Credential,
        token: &SecretString,
        context: &Context,
    ) -> Result<Self, SystemError> {
        let definition = &state.definition;
        let granted = state.grants.by_access(token.expose_secret());
        let listed = definition
            .tokens
            .iter()
            .find(|known| same(&known.token, token));
        let application = granted.and_then(|pair| definition.application(&pair.client_id));
        let (user_id, state, scopes) = match (listed, granted, application) {
            (Some(listed), _, _) => (listed.user_id, listed.state, &listed.scopes),
            (None, Some(pair), Some(application)) => {
                let replaced = pair.replaced.is_some();
                if replaced && context.switches.replaced_token == ReplacedToken::Invalid {
                    return Err(SystemError::INVALID_TOKEN);
                }
                let is_expired = replaced || pair.expires <= context.now;
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

    pub(crate) fn scopes(&self) -> &[String] {
        self.scopes.as_deref().unwrap_or_default()
    }

    /// Refuses a caller without the scope. Webhooks and applications get different texts.
    pub(crate) fn require_scope(&self, scope: Option<&str>) -> Result<(), Refusal> {
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
