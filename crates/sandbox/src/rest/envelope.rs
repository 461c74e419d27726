//! The envelope of a successful response.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde_json::{Number, Value, json};

use crate::response::JsonResponse;
use crate::state::OperatingTime;
use crate::switches::{AnswerGeneration, Switches, TimeForm};

/// When a call was executed, by the portal's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) start: Timestamp,
    pub(crate) took: Duration,
    pub(crate) utc_offset_hours: i8,
    /// `None`: not reported, as for a batch whose commands are charged.
    pub(crate) operating: Option<OperatingTime>,
}

/// The response of a method, with or without envelope as the switches say.
pub(crate) fn result(result: Value, timing: Timing, switches: &Switches) -> JsonResponse {
    // The previous pages print only objects without envelope.
    if switches.answer_generation == AnswerGeneration::OldBare && result.is_object() {
        return JsonResponse::ok(result);
    }
    wrapped(result, timing, switches)
}

/// The response of a method in its envelope.
pub(crate) fn wrapped(result: Value, timing: Timing, switches: &Switches) -> JsonResponse {
    JsonResponse::ok(match time(timing, switches) {
        Some(time) => json!({"result": result, "time": time}),
        None => json!({"result": result}),
    })
}

/// The object `time`. `None` if the portal does not report it.
pub(crate) fn time(timing: Timing, switches: &Switches) -> Option<Value> {
    let seconds = |at: Timestamp| at.as_duration().as_secs_f64();
    let duration = timing.took.as_secs_f64();
    let end = timing
        .start
        .checked_add(timing.took)
        .unwrap_or(timing.start);
    let whole = |value: i64| Number::from(value);
    let float = |value: f64| Number::from_f64(value).unwrap_or_else(|| whole(0));
    let (start, finish, duration, processing) = match switches.time {
        TimeForm::Absent => return None,
        TimeForm::Mixed => (
            whole(timing.start.as_second()),
            float(seconds(end)),
            float(duration),
            whole(i64::try_from(timing.took.as_secs()).unwrap_or(i64::MAX)),
        ),
        TimeForm::Integer => (
            whole(timing.start.as_second()),
            whole(end.as_second()),
            whole(0),
            whole(0),
        ),
        TimeForm::Float => (
            float(seconds(timing.start)),
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
        "date_start": local(timing.start, timing.utc_offset_hours),
        "date_finish": local(end, timing.utc_offset_hours),
    });
    if let (true, Some(operating), Some(time)) =
        (switches.operating, timing.operating, time.as_object_mut())
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
pub(crate) fn local(at: Timestamp, utc_offset_hours: i8) -> String {
    let offset = Offset::from_hours(utc_offset_hours).unwrap_or(Offset::UTC);
    at.to_zoned(TimeZone::fixed(offset))
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}
