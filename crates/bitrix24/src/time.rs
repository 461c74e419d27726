//! The `time` block of a response.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::echo::Echoes;
use crate::loose;

/// What Bitrix24 reports of the time a call took. Every field may be missing: old and self-hosted
/// portals omit `operating`, and some responses have no block at all.
///
/// Source: data types, `time`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Time {
    /// Start of the work, in seconds since 1970.
    pub start: Option<f64>,
    /// End of the work, in seconds since 1970.
    pub finish: Option<f64>,
    /// Duration of the whole call, in seconds.
    pub duration: Option<f64>,
    /// Duration of the method's handler, in seconds.
    pub processing: Option<f64>,
    /// `start` in the portal's time zone, ISO 8601.
    pub date_start: Option<String>,
    /// `finish` in the portal's time zone, ISO 8601.
    pub date_finish: Option<String>,
    /// Operating time that the method has used in the current window, in seconds.
    pub operating: Option<f64>,
    /// When the oldest minute of that window expires, in seconds since 1970.
    pub operating_reset_at: Option<f64>,
}

impl Time {
    pub(crate) fn read(value: Option<&Value>) -> Self {
        let Some(map) = value.and_then(loose::map) else {
            return Self::default();
        };
        let number = |key: &str| map.get(key).and_then(loose::number);
        let text = |key: &str| map.get(key).and_then(loose::text);
        Self {
            start: number("start"),
            finish: number("finish"),
            duration: number("duration"),
            processing: number("processing"),
            date_start: text("date_start"),
            date_finish: text("date_finish"),
            operating: number("operating"),
            operating_reset_at: number("operating_reset_at"),
        }
    }

    /// Whether one of these secrets may be in it.
    pub(crate) fn repeats(&self, echoes: &Echoes) -> bool {
        let mut texts = [&self.date_start, &self.date_finish].into_iter().flatten();
        echoes.may_be_numbers() || texts.any(|text| echoes.cut(text).is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whole_and_broken_numbers_and_texts_are_read() {
        let time = Time::read(Some(&json!({
            "start": 1_773_265_993, "finish": 1_773_265_994.487_149, "duration": "1.5", "processing": 1,
            "date_start": "2026-03-11T13:53:13+01:00", "operating": 0
        })));
        assert_eq!(time.start, Some(1_773_265_993.0));
        assert_eq!(time.duration, Some(1.5));
        assert_eq!(time.operating, Some(0.0));
        assert_eq!(time.operating_reset_at, None);
        assert_eq!(time.date_finish, None);
    }

    #[test]
    fn a_missing_or_empty_block_is_all_absent() {
        for value in [
            None,
            Some(json!([])),
            Some(json!(null)),
            Some(json!("soon")),
        ] {
            assert_eq!(Time::read(value.as_ref()), Time::default());
        }
    }
}
