//! The commands of a batch in the order in which they were sent: `cmd` as an object or as an array.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::request::{Encoding, RestRequest};
use crate::{brackets, multipart, php};

/// Key and text of each command. A command that is no text is an empty one, whose method is unknown.
pub(crate) fn read(request: &RestRequest) -> Vec<(String, String)> {
    let body = request.body.as_ref();
    let in_body = match &request.encoding {
        Encoding::Json => serde_json::from_slice(body)
            .ok()
            .and_then(Document::commands),
        Encoding::Form => brackets::entries(brackets::pairs(body), "cmd"),
        Encoding::Multipart(boundary) => {
            brackets::entries(multipart::fields(body, boundary).into_iter(), "cmd")
        }
        Encoding::None => None,
    };
    let commands = in_body
        .or_else(|| brackets::entries(brackets::pairs(request.query.as_bytes()), "cmd"))
        .unwrap_or_default();
    commands
        .into_iter()
        .map(|(key, value)| (key, php::text(Some(&value)).unwrap_or_default()))
        .collect()
}

/// A JSON body of which only `cmd` matters.
#[derive(Deserialize)]
struct Document {
    #[serde(alias = "CMD")]
    cmd: Option<Ordered>,
}

impl Document {
    fn commands(self) -> Option<Vec<(String, Value)>> {
        self.cmd.map(|Ordered(entries)| entries)
    }
}

/// The entries of an object or array in the order of the text.
struct Ordered(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Ordered;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("commands")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ordered, A::Error> {
        let mut entries: Vec<(String, Value)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            // As in PHP, a repeated key keeps its place and takes the later value.
            match entries.iter_mut().find(|(known, _)| *known == key) {
                Some((_, known)) => *known = value,
                None => entries.push((key, value)),
            }
        }
        Ok(Ordered(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ordered, A::Error> {
        let mut entries = Vec::new();
        while let Some(value) = list.next_element()? {
            entries.push((entries.len().to_string(), value));
        }
        Ok(Ordered(entries))
    }

    fn visit_str<E>(self, _: &str) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }

    fn visit_unit<E>(self) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Ordered, E> {
        Ok(Ordered(Vec::new()))
    }
}
