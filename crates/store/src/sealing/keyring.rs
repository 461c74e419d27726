//! The operator's sealing keys.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use super::key::{Key, MalformedKey};
use crate::key_text::KeyId;

/// The sealing keys: the first key seals, all keys open. Cheap to clone; all clones share the same
/// keys. Its `Debug` form shows ids only.
#[derive(Clone)]
pub struct Keyring(Arc<ArcSwap<Keys>>);

/// At least one key, with distinct ids.
pub(super) struct Keys {
    first: Key,
    others: Vec<Key>,
}

/// Why the text of a keyring is invalid. Never quotes the text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidKeyring {
    /// The text has no key.
    #[error("it has no key; generate one with `openlines keys new-sealing-key`")]
    Empty,
    /// An entry is not a key.
    #[error("entry {entry} is not a sealing key")]
    Entry {
        /// The number of the entry, from 1.
        entry: usize,
        /// Describes the form of a key.
        source: MalformedKey,
    },
    /// Two entries have the same id.
    #[error("entry {entry} repeats the key id {id}")]
    Twice {
        /// The number of the entry, from 1.
        entry: usize,
        /// The repeated id.
        id: KeyId,
    },
}

impl Keyring {
    /// Parses keys that are separated by white space or commas. A `#` starts a comment that ends
    /// with the line.
    ///
    /// # Errors
    ///
    /// Gives the number of the first invalid entry.
    pub fn parse(text: &str) -> Result<Self, InvalidKeyring> {
        let mut keys: Vec<Key> = Vec::new();
        let lines = text.lines().map(|line| match line.split_once('#') {
            Some((keys, _)) => keys,
            None => line,
        });
        let entries = lines
            .flat_map(|line| line.split(|c: char| c.is_whitespace() || c == ','))
            .filter(|entry| !entry.is_empty());
        for (entry, text) in (1..).zip(entries) {
            let key = Key::parse(text).map_err(|source| InvalidKeyring::Entry { entry, source })?;
            if keys.iter().any(|known| known.id() == key.id()) {
                let id = key.id().clone();
                return Err(InvalidKeyring::Twice { entry, id });
            }
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or(InvalidKeyring::Empty)?;
        Ok(Self::of(Keys {
            first,
            others: keys.collect(),
        }))
    }

    /// Replaces the keys of this keyring and all its clones, after the key file was changed.
    pub fn replace(&self, other: Keyring) {
        self.0.store(other.0.load_full());
    }

    /// The ids in order; the first key seals.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().iter().map(|key| key.id().clone()).collect()
    }

    /// A copy that later replacements do not change, to seal several values with the same key.
    pub(crate) fn snapshot(&self) -> Self {
        Self(Arc::new(ArcSwap::new(self.keys())))
    }

    pub(super) fn keys(&self) -> Arc<Keys> {
        self.0.load_full()
    }

    fn of(keys: Keys) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }
}

impl From<Key> for Keyring {
    fn from(key: Key) -> Self {
        Self::of(Keys {
            first: key,
            others: Vec::new(),
        })
    }
}

impl Keys {
    pub(super) fn first(&self) -> &Key {
        &self.first
    }

    pub(super) fn by_id(&self, id: &KeyId) -> Option<&Key> {
        self.iter().find(|key| key.id() == id)
    }

    fn iter(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Keyring").field(&self.ids()).finish()
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::{InvalidKeyring, Keyring};
    use crate::sealing::key::{Key, MalformedKey};

    fn text(key: &Key) -> String {
        key.expose().expose_secret().to_owned()
    }

    #[test]
    fn keys_are_separated_by_lines_or_commas_with_comments_between() {
        let keys: Vec<Key> = (0..4).map(|_| Key::generate().unwrap()).collect();
        let written = format!(
            "# ours, 2026\n{} # seals\n\n  {},{} ,\t{}\r\n#{}\n",
            text(&keys[0]),
            text(&keys[1]),
            text(&keys[2]),
            text(&keys[3]),
            text(&Key::generate().unwrap()),
        );
        let ids: Vec<_> = keys.iter().map(|key| key.id().clone()).collect();
        assert_eq!(Keyring::parse(&written).unwrap().ids(), ids);
    }

    #[test]
    fn an_invalid_entry_is_named_by_its_number_and_never_quoted() {
        let key = Key::generate().unwrap();
        for nothing in ["", " \n", "# no key\n", ",,\n"] {
            let refused = Keyring::parse(nothing).unwrap_err();
            assert_eq!(refused, InvalidKeyring::Empty, "{nothing:?}");
        }
        for wrong in [
            "s3cr3tcanary",
            "b24s_s3cr3tcanary",
            "b24f_s3cr3tcanary_s3cr3tcanary",
        ] {
            let refused = Keyring::parse(&format!("{}\n{wrong}", text(&key))).unwrap_err();
            let source = MalformedKey;
            assert_eq!(refused, InvalidKeyring::Entry { entry: 2, source });
            assert!(!format!("{refused} {refused:?}").contains("s3cr3tcanary"));
        }
        let refused = Keyring::parse(&format!("{0} {0}", text(&key))).unwrap_err();
        let id = key.id().clone();
        assert_eq!(refused, InvalidKeyring::Twice { entry: 2, id });
        let (_, secret) = text(&key)
            .rsplit_once('_')
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .unwrap();
        assert!(!format!("{refused} {refused:?}").contains(&secret));
    }

    #[test]
    fn clones_of_a_keyring_get_new_keys_together() {
        let old = Key::generate().unwrap();
        let keyring = Keyring::from(old);
        let clone = keyring.clone();
        let new = Key::generate().unwrap();
        keyring.replace(Keyring::from(new.clone()));
        assert_eq!(clone.ids(), [new.id().clone()]);
    }

    #[test]
    fn debug_output_of_a_keyring_shows_ids_only() {
        let key = Key::generate().unwrap();
        let shown = format!("{:?}", Keyring::from(key.clone()));
        assert!(shown.contains(key.id().as_str()), "{shown}");
        assert!(!shown.contains("b24s_"), "{shown}");
    }
}
