//! Puts a result or a refusal into the envelope in which a portal answers.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Number, Value, json};

use super::baskets::Operating;
use super::refusal::Face;
use super::switches::{AnswerGeneration, Switches, TimeForm};

/// An answer before it is written: status and document.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) document: Value,
    /// The code in `error`, if the answer is one.
    pub(super) error: Option<String>,
}

/// When a call was worked on, by the portal's clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: Timestamp,
    pub(super) took: Duration,
    pub(super) utc_offset_hours: i8,
    /// `None`: no operating time is told of, as for a batch whose commands are charged.
    pub(super) operating: Option<Operating>,
}

impl Answer {
    /// The answer of a method that ran.
    pub(super) fn result(result: Value, span: Span, switches: &Switches) -> Self {
        let document = match switches.answer_generation {
            // Only an object can stand without its envelope: the other results of the three methods
            // would be no JSON document that anybody ever printed.
            AnswerGeneration::OldBare if result.is_object() => result,
            AnswerGeneration::OldBare | AnswerGeneration::Old | AnswerGeneration::Current => {
                return Self::envelope(result, span, switches);
            }
        };
        Self {
            status: 200,
            document,
            error: None,
        }
    }

    /// The answer of a method that ran, in its envelope whatever the generation.
    pub(super) fn envelope(result: Value, span: Span, switches: &Switches) -> Self {
        let mut document = json!({"result": result});
        if let (Some(time), Some(envelope)) = (time(span, switches), document.as_object_mut()) {
            envelope.insert("time".to_owned(), time);
        }
        Self {
            status: 200,
            document,
            error: None,
        }
    }

    /// The answer of a refused call: no `result`, no `time`.
    pub(super) fn refusal(face: Face) -> Self {
        let document = json!({"error": face.code, "error_description": face.description});
        Self {
            status: face.status,
            document,
            error: Some(face.code),
        }
    }
}

/// The object `time`. `None` if the portal does not tell it.
pub(super) fn time(span: Span, switches: &Switches) -> Option<Value> {
    let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
    let duration = span.took.as_secs_f64();
    let end = span.start.checked_add(span.took).unwrap_or(span.start);
    let whole = |value: i64| Number::from(value);
    // A float without fraction would be written like an integer by some and not by others.
    let float = |value: f64| Number::from_f64(value).unwrap_or_else(|| whole(0));
    let (start, finish, duration, processing) = match switches.time {
        TimeForm::Absent => return None,
        TimeForm::Mixed => (
            whole(span.start.as_second()),
            float(seconds(end)),
            float(duration),
            whole(i64::try_from(span.took.as_secs()).unwrap_or(i64::MAX)),
        ),
        TimeForm::Integer => (
            whole(span.start.as_second()),
            whole(end.as_second()),
            whole(0),
            whole(0),
        ),
        TimeForm::Float => (
            float(seconds(span.start)),
            float(seconds(end)),
            float(duration),
            float(duration),
        ),
    };
    let mut time = json!({
        "start": start,
        "finish": finish,
        "duration": duration,
        "processing": processing,
        "date_start": local(span.start, span.utc_offset_hours),
        "date_finish": local(end, span.utc_offset_hours),
    });
    if let (true, Some(operating), Some(time)) =
        (switches.operating, span.operating, time.as_object_mut())
    {
        let used = match switches.time {
            TimeForm::Integer => whole(0),
            TimeForm::Mixed | TimeForm::Float | TimeForm::Absent => float(operating.seconds),
        };
        time.insert("operating".to_owned(), Value::Number(used));
        time.insert("operating_reset_at".to_owned(), json!(operating.reset_at));
    }
    Some(time)
}

/// Local time of the portal with its offset, as `2026-03-11T13:53:13+02:00`.
pub(super) fn local(at: Timestamp, utc_offset_hours: i8) -> String {
    let offset = Offset::from_hours(utc_offset_hours).unwrap_or(Offset::UTC);
    at.to_zoned(TimeZone::fixed(offset))
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}
