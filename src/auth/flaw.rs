//! What is wrong with an authorization header that has neither an API key nor a JWT.
//!
//! Only its form is looked at, and only when it is rejected. Callers see the texts: they never
//! quote the header, which may hold a key that is merely written wrongly.

use thiserror::Error;

use super::api_key::{ApiKey, PREFIX};
use super::token_form::{MAXIMUM_TOKEN_BYTES, is_token};
use store::key_text::KeyId;

/// The scheme, as callers should write it.
pub(super) const SCHEME: &str = "Bearer";

/// The beginning of the keys that seal the store.
const SEALING_PREFIX: &str = "b24s_";

/// What is wrong with the header, and the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    #[error("it is not ASCII text")]
    NotText,
    #[error("there is no credential in it")]
    Empty,
    #[error("`Bearer ` is missing in front of the credential")]
    NoScheme,
    #[error("its scheme is another one than Bearer")]
    OtherScheme,
    #[error("`Bearer` stands in it twice")]
    SchemeTwice,
    #[error(
        "blanks or quotes stand around the credential; remove them, and look for a line break at \
         its end"
    )]
    Wrapped,
    #[error("the API key lacks its beginning, `b24f_`")]
    NoPrefix,
    #[error(
        "the API key is not whole: it is `b24f_`, 12 characters, `_` and 52 characters, all of \
         them a to z and 2 to 7; copy it as `openlines keys new` has printed it"
    )]
    KeyNotWhole,
    #[error(
        "it has the entry of a key in the settings, which holds only the hash; send the key itself, \
         which begins with `b24f_`"
    )]
    Entry,
    #[error("it has a key that seals the store (`b24s_`), which is never sent; send an API key")]
    SealingKey,
    #[error("the JWT has more than {MAXIMUM_TOKEN_BYTES} bytes")]
    TokenTooLong,
    #[error("it has a JWT, and this service accepts none (auth.issuers); send an API key")]
    NoTokens,
    #[error("what follows `Bearer` is neither an API key (`b24f_…`) nor a JWT")]
    Other,
}

impl Flaw {
    /// The flaw of a rejected header.
    pub(super) fn of(header: &[u8]) -> Self {
        let text = std::str::from_utf8(header)
            .ok()
            .filter(|text| text.is_ascii());
        let Some(text) = text.map(str::trim) else {
            return Self::NotText;
        };
        let (scheme, credential) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.is_empty() || (credential.is_empty() && is_scheme(scheme)) {
            return Self::Empty;
        }
        match credential {
            "" => Self::NoScheme,
            _ if !is_scheme(scheme) => Self::OtherScheme,
            // Without what was trimmed here, the header would not have been rejected.
            _ => of_credential(credential),
        }
    }
}

fn of_credential(text: &str) -> Flaw {
    let credential = text.trim_matches([' ', '\t', '"', '\'', '<', '>']);
    if credential.is_empty() {
        return Flaw::Empty;
    }
    let (first, rest) = credential.split_once(' ').unwrap_or((credential, ""));
    if is_scheme(first) && !rest.is_empty() {
        return Flaw::SchemeTwice;
    }
    if ApiKey::parse(credential).is_some() {
        return Flaw::Wrapped;
    }
    if is_token(credential) {
        let is_short = credential.len() <= MAXIMUM_TOKEN_BYTES;
        return if is_short {
            Flaw::Wrapped
        } else {
            Flaw::TokenTooLong
        };
    }
    if credential.starts_with(SEALING_PREFIX) {
        return Flaw::SealingKey;
    }
    if is_rest_of_key(credential) {
        return Flaw::NoPrefix;
    }
    if is_entry(credential) {
        return Flaw::Entry;
    }
    match credential.split_once('_') {
        Some((begin, rest)) if begin.eq_ignore_ascii_case(PREFIX) || is_rest_of_key(rest) => {
            Flaw::KeyNotWhole
        }
        Some(_) | None => Flaw::Other,
    }
}

fn is_scheme(word: &str) -> bool {
    word.eq_ignore_ascii_case(SCHEME)
}

/// Whether this looks like `<key id>_<secret>`, whatever its characters.
fn is_rest_of_key(text: &str) -> bool {
    const SECRET: usize = 52;
    let parts = text.split_once('_');
    parts.is_some_and(|(id, secret)| KeyId::parse(id).is_some() && secret.len() == SECRET)
}

/// Whether this looks like `<key id>:<hash>`.
fn is_entry(text: &str) -> bool {
    text.split_once(':').is_some_and(|(id, hash)| {
        let is_hash = hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        KeyId::parse(id).is_some() && is_hash
    })
}
