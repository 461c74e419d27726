//! `imopenlines.network.message.add`: a message of a network line to a user of the portal.

mod attach;
mod keyboard;
mod shape;

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Value, json};

use crate::error::Refusal;
use crate::php;
use crate::portal::NetworkLine;
use crate::record::{AuthKind, Delivery};
use crate::rest::call::{Call, Executed};
use crate::state::PortalState;
use crate::switches::Week;

/// Length of a line's code, as the method page gives it.
const CODE_LENGTH: usize = 32;

/// Each user may get one message in this time, unless a switch makes it a calendar week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Checks CODE, USER_ID, MESSAGE, ATTACH, KEYBOARD in this order, then the weekly limit.
pub(crate) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Executed, Refusal> {
    if call.caller.kind == AuthKind::Session {
        return Err(Refusal::SESSION_DENIED);
    }
    let code = line(call, state)?;
    let user_id = recipient(call)?;
    let text = php::text(call.filled("MESSAGE")).ok_or(Refusal::NO_TEXT)?;

    let switches = &call.context.switches;
    let attach = structure(call.filled("ATTACH"), attach::is_correct);
    let attach = attach.ok_or(Refusal::ATTACH_INCORRECT)?;
    let size = |attach: &Value| attach.to_string().chars().count();
    if attach.as_ref().map_or(0, size) > switches.attach_limit {
        return Err(Refusal::ATTACH_OVERSIZE);
    }
    let keyboard = structure(call.filled("KEYBOARD"), keyboard::is_correct);
    let keyboard = keyboard.ok_or(Refusal::KEYBOARD_INCORRECT)?;
    let size = |keyboard: &Value| keyboard.to_string().len();
    if keyboard.as_ref().map_or(0, size) > switches.keyboard_limit {
        return Err(Refusal::KEYBOARD_OVERSIZE);
    }

    let now = call.context.now;
    let last = state.last_network_message(user_id);
    let offset = state.definition.utc_offset_hours;
    let within_week = last.is_some_and(|last| match switches.week {
        Week::Rolling => now.duration_since(last) < WEEK,
        Week::Calendar => monday(now, offset) == monday(last, offset),
    });
    if within_week && !state.definition.nfr_licence {
        return Err(Refusal::WEEKLY_LIMIT);
    }
    if !state
        .definition
        .user(user_id)
        .is_some_and(|user| user.active)
    {
        if switches.failed_message_counts {
            state.remember_network_message(user_id, now);
        }
        return Err(Refusal::NOT_ADDED);
    }
    state.remember_network_message(user_id, now);
    let url_preview = call.parameters.get("URL_PREVIEW").and_then(Value::as_str) != Some("N");
    let delivery = Delivery::Network {
        code,
        user_id,
        text: php::cut(text, switches.text_limit),
        attach,
        keyboard,
        url_preview,
    };
    Ok(Executed {
        result: json!(true),
        deliveries: vec![delivery],
    })
}

/// The Monday of this moment's week on the portal. `None` at the end of the calendar.
fn monday(at: Timestamp, utc_offset_hours: i8) -> Option<Date> {
    let offset = Offset::from_hours(utc_offset_hours).unwrap_or(Offset::UTC);
    let day = offset.to_datetime(at).date();
    let since = i64::from(day.weekday().since(Weekday::Monday));
    day.checked_sub(Span::new().days(since)).ok()
}

/// The joined line that `CODE` names.
fn line(call: &Call<'_>, state: &PortalState) -> Result<String, Refusal> {
    let code = php::text(call.parameters.get("CODE")).ok_or(Refusal::INVALID_CODE)?;
    if code.chars().count() != CODE_LENGTH {
        return Err(Refusal::INVALID_CODE);
    }
    if !state.definition.imbot_installed {
        return Err(Refusal::NO_BOTS);
    }
    let joined = |line: &NetworkLine| line.joined && line.code == code;
    if state.definition.network_lines.iter().any(joined) {
        Ok(code)
    } else {
        Err(Refusal::LINE_NOT_FOUND)
    }
}

/// `USER_ID`. PHP casts what is not a number to 0, which is empty.
fn recipient(call: &Call<'_>) -> Result<i64, Refusal> {
    php::integer(call.parameters.get("USER_ID"))
        .filter(|id| *id != 0)
        .ok_or(Refusal::NO_RECIPIENT)
}

/// A structured parameter, possibly as JSON text. `None`: incorrect. `Some(None)`: not given.
fn structure(value: Option<&Value>, is_correct: fn(&Value) -> bool) -> Option<Option<Value>> {
    let value = match value {
        None => return Some(None),
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(value) => value.clone(),
    };
    if php::is_empty(Some(&value)) {
        return Some(None);
    }
    is_correct(&value).then_some(Some(value))
}
