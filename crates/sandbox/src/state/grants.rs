//! The tokens that the authorization server has granted for one portal.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::portal::{Portal, TokenState};
use crate::request::fingerprint;
use crate::switches::{RefreshRotation, Switches};

/// Lifetime of the definition's access tokens and of those made valid again (documented).
const ACCESS_LIFE: SignedDuration = SignedDuration::from_hours(1);
/// Lifetime of a refresh token (documented; the older figure was 28 days).
const REFRESH_LIFE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// Lifetime of a code (documented).
pub(crate) const CODE_SECONDS: i64 = 30;

/// Pairs of tokens, and codes that can be exchanged for one.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    pairs: Vec<Pair>,
    /// Positions in `pairs` by fingerprint of the token, which `Debug` may print.
    by_access: HashMap<u64, usize>,
    by_refresh: HashMap<u64, usize>,
    codes: Vec<Code>,
}

#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) client_id: String,
    pub(crate) user_id: i64,
    pub(crate) expires: Timestamp,
    pub(crate) state: TokenState,
    /// When a refresh replaced the pair.
    pub(crate) replaced: Option<Timestamp>,
    access_token: SecretString,
    refresh_token: SecretString,
    refresh_expires: Timestamp,
    refreshes: u32,
}

/// A pair of tokens at the authorization server.
#[derive(Clone, Debug)]
pub struct GrantedPair {
    /// The access token.
    pub access_token: SecretString,
    /// The refresh token.
    pub refresh_token: SecretString,
    /// The user for whom the application acts.
    pub user_id: i64,
    /// When the access token expires, by the portal's clock.
    pub expires: Timestamp,
    /// Whether no refresh has replaced the pair.
    pub is_current: bool,
    /// How many refreshes with this token were executed, whether or not their responses arrived.
    pub refreshes: u32,
}

#[derive(Debug)]
struct Code {
    code: SecretString,
    client_id: String,
    user_id: i64,
    expires: Timestamp,
}

#[derive(Debug)]
pub(crate) struct NewPair {
    pub(crate) access_token: SecretString,
    pub(crate) refresh_token: SecretString,
    pub(crate) expires: Timestamp,
    pub(crate) user_id: i64,
    /// Lifetime of the access token, in seconds.
    pub(crate) seconds: i64,
    /// The access token that this pair replaces.
    pub(crate) replaced: Option<SecretString>,
}

impl Grants {
    /// The grants of a portal's definition.
    pub(crate) fn of(portal: &Portal, now: Timestamp) -> Self {
        let mut grants = Self::default();
        for application in &portal.applications {
            for grant in &application.grants {
                let tokens = (grant.access_token.clone(), grant.refresh_token.clone());
                grants.add(
                    &application.client_id,
                    grant.user_id,
                    tokens,
                    now,
                    ACCESS_LIFE,
                );
            }
        }
        grants
    }

    /// Grants a new pair.
    pub(crate) fn issue(
        &mut self,
        client_id: &str,
        user_id: i64,
        now: Timestamp,
        switches: &Switches,
    ) -> NewPair {
        let life = SignedDuration::from_secs(switches.access_token_seconds.into());
        self.add(client_id, user_id, (new_token(), new_token()), now, life)
    }

    /// A new code, as from the authorization page.
    pub(crate) fn new_code(
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
    pub(crate) fn exchange(
        &mut self,
        client_id: &str,
        code: &str,
        now: Timestamp,
        switches: &Switches,
    ) -> Option<NewPair> {
        let is_it =
            |known: &Code| known.client_id == client_id && known.code.expose_secret() == code;
        let at = self.codes.iter().position(is_it)?;
        let code = self.codes.swap_remove(at);
        (now < code.expires).then(|| self.issue(client_id, code.user_id, now, switches))
    }

    /// Refreshes. `None`: the refresh token is unknown, used or expired.
    pub(crate) fn refresh(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        now: Timestamp,
        switches: &Switches,
    ) -> Option<NewPair> {
        let at = *self.by_refresh.get(&fingerprint(refresh_token))?;
        let pair = self.pairs.get_mut(at)?;
        if pair.client_id != client_id || pair.refresh_token.expose_secret() != refresh_token {
            return None;
        }
        let grace = i64::try_from(switches.refresh_grace_seconds).unwrap_or(i64::MAX);
        let is_used = pair.replaced.is_some_and(|at| {
            now.duration_since(at) > SignedDuration::from_secs(grace) || grace == 0
        });
        if is_used || pair.refresh_expires <= now {
            return None;
        }
        pair.refreshes += 1;
        let user_id = pair.user_id;
        let replaced = match switches.refresh_rotation {
            RefreshRotation::Strict => {
                pair.replaced.get_or_insert(now);
                Some(pair.access_token.clone())
            }
            RefreshRotation::Lenient => None,
        };
        let issued = self.issue(client_id, user_id, now, switches);
        Some(NewPair { replaced, ..issued })
    }

    pub(crate) fn by_access(&self, token: &str) -> Option<&Pair> {
        let pair = self.pairs.get(*self.by_access.get(&fingerprint(token))?)?;
        (pair.access_token.expose_secret() == token).then_some(pair)
    }

    /// Whether this refresh token or code was granted here, used or not.
    pub(crate) fn knows(&self, proof: &str) -> bool {
        self.by_refresh.contains_key(&fingerprint(proof))
            || self
                .codes
                .iter()
                .any(|code| code.code.expose_secret() == proof)
    }

    /// Sets the state of an access token; `Valid` gives it another hour. Whether it is known.
    pub(crate) fn set_state(&mut self, token: &str, state: TokenState, now: Timestamp) -> bool {
        let at = self.by_access.get(&fingerprint(token));
        let Some(pair) = at.and_then(|at| self.pairs.get_mut(*at)) else {
            return false;
        };
        pair.state = state;
        if state == TokenState::Valid {
            pair.expires = later(now, ACCESS_LIFE);
        }
        true
    }

    /// Forgets the pairs that match client id, access token and refresh token. Returns their
    /// number.
    pub(crate) fn revoke(&mut self, of: impl Fn(&str, &str, &str) -> bool) -> usize {
        let before = self.pairs.len();
        self.pairs.retain(|pair| {
            !of(
                &pair.client_id,
                pair.access_token.expose_secret(),
                pair.refresh_token.expose_secret(),
            )
        });
        let by = |token: fn(&Pair) -> &SecretString| {
            let pairs = self.pairs.iter().enumerate();
            pairs
                .map(|(at, pair)| (fingerprint(token(pair).expose_secret()), at))
                .collect()
        };
        self.by_access = by(|pair| &pair.access_token);
        self.by_refresh = by(|pair| &pair.refresh_token);
        before - self.pairs.len()
    }

    /// The pairs of an application in the order in which they were granted.
    pub(crate) fn of_application(
        &self,
        client_id: &str,
    ) -> impl DoubleEndedIterator<Item = GrantedPair> {
        let pairs = self.pairs.iter();
        pairs
            .filter(move |pair| pair.client_id == client_id)
            .map(|pair| GrantedPair {
                access_token: pair.access_token.clone(),
                refresh_token: pair.refresh_token.clone(),
                user_id: pair.user_id,
                expires: pair.expires,
                is_current: pair.replaced.is_none(),
                refreshes: pair.refreshes,
            })
    }

    /// Number of pairs of an application that no refresh has replaced.
    pub(crate) fn current(&self, client_id: &str) -> usize {
        let pairs = self.pairs.iter();
        pairs
            .filter(|pair| pair.client_id == client_id && pair.replaced.is_none())
            .count()
    }

    fn add(
        &mut self,
        client_id: &str,
        user_id: i64,
        (access_token, refresh_token): (SecretString, SecretString),
        now: Timestamp,
        life: SignedDuration,
    ) -> NewPair {
        let expires = later(now, life);
        let at = self.pairs.len();
        self.by_access
            .insert(fingerprint(access_token.expose_secret()), at);
        self.by_refresh
            .insert(fingerprint(refresh_token.expose_secret()), at);
        self.pairs.push(Pair {
            client_id: client_id.to_owned(),
            user_id,
            expires,
            state: TokenState::Valid,
            replaced: None,
            access_token: access_token.clone(),
            refresh_token: refresh_token.clone(),
            refresh_expires: later(now, REFRESH_LIFE),
            refreshes: 0,
        });
        NewPair {
            access_token,
            refresh_token,
            expires,
            user_id,
            seconds: life.as_secs(),
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
