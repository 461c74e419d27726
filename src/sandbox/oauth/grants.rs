//! The tokens that the authorization server has granted for one portal, and how they follow each other.

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::sandbox::portal::{Portal, TokenState};
use crate::sandbox::switches::{RefreshRotation, Switches};

/// How long an access token lives, in seconds (documented).
pub(super) const ACCESS_SECONDS: i64 = 3600;
/// How long a refresh token lives (documented; the older figure was 28 days).
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// How long a code lives (documented).
pub(in crate::sandbox) const CODE_SECONDS: i64 = 30;

/// Pairs of tokens, and codes that wait to be exchanged.
#[derive(Debug, Default)]
pub(in crate::sandbox) struct Grants {
    pairs: Vec<Pair>,
    codes: Vec<Code>,
}

/// An access token with its refresh token.
#[derive(Clone, Debug)]
pub(in crate::sandbox) struct Pair {
    pub(in crate::sandbox) client_id: String,
    pub(in crate::sandbox) user_id: i64,
    pub(in crate::sandbox) expires: Timestamp,
    pub(in crate::sandbox) state: TokenState,
    /// When a refresh replaced the pair.
    pub(in crate::sandbox) replaced: Option<Timestamp>,
    access_token: SecretString,
    refresh_token: SecretString,
    refresh_expires: Timestamp,
}

#[derive(Debug)]
struct Code {
    code: SecretString,
    client_id: String,
    user_id: i64,
    expires: Timestamp,
}

/// A new pair of tokens.
#[derive(Debug)]
pub(in crate::sandbox) struct Issued {
    pub(in crate::sandbox) access_token: SecretString,
    pub(in crate::sandbox) refresh_token: SecretString,
    pub(in crate::sandbox) expires: Timestamp,
    pub(in crate::sandbox) user_id: i64,
    /// The access token that stopped working with this.
    pub(in crate::sandbox) replaced: Option<SecretString>,
}

impl Grants {
    /// The grants that a portal's definition begins with.
    pub(in crate::sandbox) fn of(portal: &Portal, now: Timestamp) -> Self {
        let mut grants = Self::default();
        for application in &portal.applications {
            for grant in &application.grants {
                let (access, refresh) = (grant.access_token.clone(), grant.refresh_token.clone());
                grants.add(&application.client_id, grant.user_id, access, refresh, now);
            }
        }
        grants
    }

    /// Grants a new pair without being asked over HTTP.
    pub(in crate::sandbox) fn issue(
        &mut self,
        client_id: &str,
        user_id: i64,
        now: Timestamp,
    ) -> Issued {
        self.add(client_id, user_id, new_token(), new_token(), now)
    }

    /// Makes a code, as the authorization page does.
    pub(in crate::sandbox) fn new_code(
        &mut self,
        client_id: &str,
        user_id: i64,
        now: Timestamp,
    ) -> SecretString {
        let code = new_token();
        self.codes.push(Code {
            code: code.clone(),
            client_id: client_id.to_owned(),
            user_id,
            expires: later(now, SignedDuration::from_secs(CODE_SECONDS)),
        });
        code
    }

    /// Exchanges a code, which works once. `None`: the code is unknown, used or expired.
    pub(super) fn exchange(
        &mut self,
        client_id: &str,
        code: &str,
        now: Timestamp,
    ) -> Option<Issued> {
        let is_it =
            |known: &Code| known.client_id == client_id && known.code.expose_secret() == code;
        let at = self.codes.iter().position(is_it)?;
        let code = self.codes.swap_remove(at);
        (now < code.expires).then(|| self.issue(client_id, code.user_id, now))
    }

    /// Refreshes. `None`: the refresh token is unknown, used or expired.
    pub(super) fn refresh(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        now: Timestamp,
        switches: &Switches,
    ) -> Option<Issued> {
        let is_it = |pair: &&mut Pair| {
            pair.client_id == client_id && pair.refresh_token.expose_secret() == refresh_token
        };
        let pair = self.pairs.iter_mut().find(is_it)?;
        let grace = i64::try_from(switches.refresh_grace_seconds).unwrap_or(i64::MAX);
        let is_used = pair.replaced.is_some_and(|at| {
            now.duration_since(at) > SignedDuration::from_secs(grace) || grace == 0
        });
        if is_used || pair.refresh_expires <= now {
            return None;
        }
        let user_id = pair.user_id;
        let replaced = match switches.refresh_rotation {
            RefreshRotation::Strict => {
                pair.replaced.get_or_insert(now);
                Some(pair.access_token.clone())
            }
            RefreshRotation::Lenient => None,
        };
        let issued = self.issue(client_id, user_id, now);
        Some(Issued { replaced, ..issued })
    }

    /// The pair with this access token.
    pub(in crate::sandbox) fn by_access(&self, token: &str) -> Option<&Pair> {
        let mut pairs = self.pairs.iter();
        pairs.find(|pair| pair.access_token.expose_secret() == token)
    }

    /// Whether this refresh token or code was granted here, whatever became of it.
    pub(in crate::sandbox) fn knows(&self, proof: &str) -> bool {
        self.pairs
            .iter()
            .any(|pair| pair.refresh_token.expose_secret() == proof)
            || self
                .codes
                .iter()
                .any(|code| code.code.expose_secret() == proof)
    }

    /// Sets the state of an access token; `Valid` gives it another hour. Whether it is known.
    pub(in crate::sandbox) fn set_state(
        &mut self,
        token: &str,
        state: TokenState,
        now: Timestamp,
    ) -> bool {
        let mut pairs = self.pairs.iter_mut();
        let Some(pair) = pairs.find(|pair| pair.access_token.expose_secret() == token) else {
            return false;
        };
        pair.state = state;
        if state == TokenState::Valid {
            pair.expires = later(now, SignedDuration::from_secs(ACCESS_SECONDS));
        }
        true
    }

    /// Forgets every pair of an application, or only the one with this token of either kind.
    pub(in crate::sandbox) fn revoke(&mut self, of: impl Fn(&str, &str, &str) -> bool) -> usize {
        let before = self.pairs.len();
        self.pairs.retain(|pair| {
            !of(
                &pair.client_id,
                pair.access_token.expose_secret(),
                pair.refresh_token.expose_secret(),
            )
        });
        before - self.pairs.len()
    }

    /// Number of pairs of an application that no refresh has replaced.
    pub(in crate::sandbox) fn current(&self, client_id: &str) -> usize {
        let pairs = self.pairs.iter();
        pairs
            .filter(|pair| pair.client_id == client_id && pair.replaced.is_none())
            .count()
    }

    fn add(
        &mut self,
        client_id: &str,
        user_id: i64,
        access_token: SecretString,
        refresh_token: SecretString,
        now: Timestamp,
    ) -> Issued {
        let expires = later(now, SignedDuration::from_secs(ACCESS_SECONDS));
        self.pairs.push(Pair {
            client_id: client_id.to_owned(),
            user_id,
            expires,
            state: TokenState::Valid,
            replaced: None,
            access_token: access_token.clone(),
            refresh_token: refresh_token.clone(),
            refresh_expires: later(now, REFRESH_LIFE),
        });
        Issued {
            access_token,
            refresh_token,
            expires,
            user_id,
            replaced: None,
        }
    }
}

/// An opaque token of 64 hexadecimal digits; real ones have about 70.
fn new_token() -> SecretString {
    let half = || Uuid::new_v4().simple();
    SecretString::from(format!("{}{}", half(), half()))
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
