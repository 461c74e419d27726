//! The three maps in the result of a batch, by command.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::answer::Contents;
use crate::answer::plain::{Skipped, UsualTime};
use crate::command::Key;
use crate::echo::Echoes;
use crate::time::Time;

/// The maps that are of use.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Maps {
    pub(super) results: Entries<Value>,
    pub(super) errors: Entries<Value>,
    pub(super) times: Entries<Time>,
}

/// What a map has for each command.
#[derive(Debug, PartialEq)]
pub(super) struct Entries<T>(Vec<Option<T>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// The entries of a map. PHP writes an empty one as `[]`.
    fn of(map: Option<Value>, read: impl Fn(Value) -> T) -> Self {
        let mut entries = Self::default();
        if let Some(Value::Object(map)) = map {
            for (key, value) in map {
                if let Some(key) = Key::parse(&key) {
                    entries.put(key, read(value));
                }
            }
        }
        entries
    }

    /// The last of several entries counts.
    fn put(&mut self, Key(index): Key, value: T) {
        if self.0.len() <= index {
            self.0.resize_with(index.saturating_add(1), || None);
        }
        if let Some(entry) = self.0.get_mut(index) {
            *entry = Some(value);
        }
    }

    pub(super) fn take(&mut self, index: usize) -> Option<T> {
        self.0.get_mut(index)?.take()
    }

    fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }
}

impl Contents for Maps {
    fn of(result: Value) -> Self {
        let mut maps = if let Value::Object(maps) = result {
            maps
        } else {
            Map::new()
        };
        Self {
            results: Entries::of(maps.remove("result"), |result| result),
            errors: Entries::of(maps.remove("result_error"), |error| error),
            times: Entries::of(maps.remove("result_time"), |time| Time::read(Some(&time))),
        }
    }

    fn repeats(&self, echoes: &Echoes) -> bool {
        let mut values = self.results.all().chain(self.errors.all());
        values.any(|value| echoes.are_in(value))
            || self.times.all().any(|time| time.repeats(echoes))
    }
}

impl<'de> Deserialize<'de> for Maps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MapsVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Result,
    ResultError,
    ResultTime,
    #[serde(other)]
    Other,
}

struct MapsVisitor;

impl<'de> Visitor<'de> for MapsVisitor {
    type Value = Maps;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the maps of a batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Maps, A::Error> {
        let mut maps = Maps::default();
        while let Some(name) = map.next_key()? {
            match name {
                Name::Result => maps.results = map.next_value()?,
                Name::ResultError => maps.errors = map.next_value()?,
                Name::ResultTime => {
                    let Entries(times) = map.next_value::<Entries<UsualTime>>()?;
                    let times = times
                        .into_iter()
                        .map(|time| time.map(|UsualTime(time)| time));
                    maps.times = Entries(times.collect());
                }
                Name::Other => map.next_value::<Skipped>().map(|_| ())?,
            }
        }
        Ok(maps)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, or an empty list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries<T>, A::Error> {
        match list.next_element::<Skipped>()? {
            Some(_) => Err(A::Error::custom("a list that is not empty")),
            None => Ok(Entries::default()),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Entries::default();
        while let Some(AnyKey(key)) = map.next_key()? {
            match key {
                Some(key) => entries.put(key, map.next_value()?),
                None => map.next_value::<Skipped>().map(|_| ())?,
            }
        }
        Ok(entries)
    }
}

/// A key of a map, which may belong to no command.
struct AnyKey(Option<Key>);

impl<'de> Deserialize<'de> for AnyKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = AnyKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<AnyKey, E> {
        Ok(AnyKey(Key::parse(text)))
    }
}
