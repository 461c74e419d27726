//! The keys that the operator gave.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use thiserror::Error;

use super::key::{Key, KeyId, MalformedKey};

/// The sealing keys: the first one seals, all of them open. Cheap to clone; clones are one and the same keyring. Its
/// `Debug` form shows ids only.
#[derive(Clone)]
pub struct Keyring(Arc<ArcSwap<Keys>>);

/// At least one key, no id twice.
pub(super) struct Keys {
    first: Key,
    others: Vec<Key>,
}

/// What is wrong with the text of a keyring. Never quotes it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidKeyring {
    /// There is no key in it.
    #[error("it holds no key; `openlines keys new-sealing-key` makes one")]
    Empty,
    /// An entry is no key.
    #[error("entry {entry} is no sealing key")]
    Entry {
        /// Which, from 1.
        entry: usize,
        /// What a key looks like.
        source: MalformedKey,
    },
    /// Two entries have the same id.
    #[error("entry {entry} has the same id as an entry before it: {id}")]
    Twice {
        /// Which, from 1.
        entry: usize,
        /// The id.
        id: KeyId,
    },
}

impl Keyring {
    /// Reads keys that are separated by white space or commas. A `#` begins a comment that goes to the end of the line.
    ///
    /// # Errors
    ///
    /// Names the first entry that is wrong by its number.
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

    /// Takes over the keys of another keyring, in this one and all its clones: the key file was changed.
    pub fn replace(&self, other: Keyring) {
        self.0.store(other.0.load_full());
    }

    /// The ids, the first one's first.
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys().iter().map(|key| key.id().clone()).collect()
    }

    /// A keyring of its own with the keys of this moment, for what must be sealed with one key throughout.
    pub fn of_this_moment(&self) -> Self {
        Self(Arc::new(ArcSwap::new(self.keys())))
    }

    /// The keys of this moment.
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
    fn keys_stand_in_lines_or_behind_commas_with_comments_between() {
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
    fn a_text_with_a_fault_is_refused_by_the_number_of_its_entry_and_never_quoted() {
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
    fn clones_of_a_keyring_take_over_new_keys_together() {
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
