//! Answers without quirks, read in one pass. Nearly all are.
//!
//! Whatever differs from the usual form, and whatever may repeat a secret, is left to
//! [`Envelope::read`](super::Envelope::read), so this never decides what something odd means.

#[cfg(test)]
mod tests;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::{Contents, Envelope};
use crate::time::Time;
use crate::transport::HttpResponse;

/// Reads an answer that needs no rule but the usual ones. `None` says nothing about the others.
pub(super) fn read<R: Contents>(response: &HttpResponse<'_>) -> Option<Envelope<R>> {
    let http_status = response.http_status;
    if !(200..300).contains(&http_status) {
        return None;
    }
    let body = response.body();
    let Usual { result, time } = serde_json::from_slice(body).ok()?;
    let envelope = Envelope {
        http_status,
        result: result?,
        time,
    };
    let is_clean = response.sent().are_surely_not_in(body) || !repeats(&envelope, response);
    is_clean.then_some(envelope)
}

/// Whether a secret of the request is in what was read, or could be one of the names.
fn repeats<R: Contents>(envelope: &Envelope<R>, response: &HttpResponse<'_>) -> bool {
    const NAMES: &str = "result result_error result_time error time start finish duration \
                         processing date_start date_finish operating operating_reset_at";
    let echoes = response.echoes();
    echoes.cut(NAMES).is_some()
        || envelope.result.repeats(&echoes)
        || envelope.time.repeats(&echoes)
}

/// An envelope in the usual form.
struct Usual<R> {
    result: Option<R>,
    time: Time,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Result,
    Error,
    Time,
    #[serde(other)]
    Other,
}

impl<'de, R: Contents> Deserialize<'de> for Usual<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EnvelopeVisitor(PhantomData))
    }
}

struct EnvelopeVisitor<R>(PhantomData<R>);

impl<'de, R: Contents> Visitor<'de> for EnvelopeVisitor<R> {
    type Value = Usual<R>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Usual<R>, A::Error> {
        let (mut result, mut time) = (None, Time::default());
        while let Some(name) = map.next_key()? {
            match name {
                Name::Result => result = Some(map.next_value()?),
                // Null.
                Name::Error => map.next_value()?,
                Name::Time => time = map.next_value::<UsualTime>()?.0,
                Name::Other => map.next_value::<Skipped>().map(|_| ())?,
            }
        }
        Ok(Usual { result, time })
    }
}

/// A `time` block whose numbers are numbers and whose texts are texts.
pub(crate) struct UsualTime(pub(crate) Time);

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum TimeName {
    Start,
    Finish,
    Duration,
    Processing,
    DateStart,
    DateFinish,
    Operating,
    OperatingResetAt,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for UsualTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TimeVisitor).map(Self)
    }
}

struct TimeVisitor;

impl<'de> Visitor<'de> for TimeVisitor {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time block")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Time, A::Error> {
        let mut time = Time::default();
        while let Some(name) = map.next_key()? {
            match name {
                TimeName::Start => time.start = Some(map.next_value()?),
                TimeName::Finish => time.finish = Some(map.next_value()?),
                TimeName::Duration => time.duration = Some(map.next_value()?),
                TimeName::Processing => time.processing = Some(map.next_value()?),
                TimeName::DateStart => time.date_start = Some(map.next_value()?),
                TimeName::DateFinish => time.date_finish = Some(map.next_value()?),
                TimeName::Operating => time.operating = Some(map.next_value()?),
                TimeName::OperatingResetAt => time.operating_reset_at = Some(map.next_value()?),
                TimeName::Other => map.next_value::<Skipped>().map(|_| ())?,
            }
        }
        Ok(time)
    }
}

/// A value that is of no interest, but must be valid to the last escape, as one that is kept.
/// `serde::de::IgnoredAny` is not as strict.
pub(crate) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self, A::Error> {
        while list.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Self, Self>()?.is_some() {}
        Ok(self)
    }
}
