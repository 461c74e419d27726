//! An API key in clear text, as callers send it.

use std::fmt;

use store::key_text;

pub(super) const PREFIX: &str = "b24f";

/// A well-formed key from a caller. [`Callers`](super::Callers) decides whether it is known.
#[derive(Clone, Copy)]
pub(super) struct ApiKey<'a> {
    id: &'a str,
    whole: &'a str,
}

impl<'a> ApiKey<'a> {
    /// Parses a key. Returns `None` if the text is not of the form `b24f_<id>_<secret>`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let id = key_text::id_of(PREFIX, text)?;
        Some(Self { id, whole: text })
    }

    /// The public part.
    pub(super) fn id(&self) -> &'a str {
        self.id
    }

    /// The whole key, which is what gets hashed.
    pub(super) fn expose(&self) -> &'a str {
        self.whole
    }
}

impl fmt::Debug for ApiKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({PREFIX}_{}_[redacted])", self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::ApiKey;
    use crate::auth::NewKey;

    #[test]
    fn a_new_key_is_read_back_and_a_sealing_key_is_not_one() {
        let key = NewKey::generate().unwrap();
        let parsed = ApiKey::parse(key.expose()).unwrap();
        assert_eq!(parsed.id(), key.entry().id().as_str());
        let sealing_key = key.expose().replacen("b24f", "b24s", 1);
        assert!(ApiKey::parse(&sealing_key).is_none());
    }

    #[test]
    fn debug_output_of_a_key_shows_its_id_only() {
        let key = NewKey::generate().unwrap();
        let (_, secret) = key.expose().rsplit_once('_').unwrap();
        let shown = format!("{:?} {key:?}", ApiKey::parse(key.expose()).unwrap());
        assert!(!shown.contains(secret), "{shown}");
        assert!(shown.contains(key.entry().id().as_str()), "{shown}");
    }
}
