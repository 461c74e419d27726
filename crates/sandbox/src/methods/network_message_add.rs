//! `imopenlines.network.message.add`: a message to a user of the portal in the name of a network line.

use jiff::civil::{Date, Weekday};
use jiff::tz::Offset;
use jiff::{SignedDuration, Span, Timestamp};
use serde_json::{Value, json};

use super::{attach, keyboard};
use crate::dispatch::{Call, Done};
use crate::php;
use crate::record::{AuthKind, Delivery};
use crate::refusal::Refusal;
use crate::state::PortalState;
use crate::switches::Week;

/// Length of a line's code, as the method page types it.
const CODE_LENGTH: usize = 32;

/// One message per user in this time; the switch makes it a calendar week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Checks CODE, USER_ID, MESSAGE, ATTACH, KEYBOARD in this order, then the weekly limit.
pub(super) fn run(call: &Call<'_>, state: &mut PortalState) -> Result<Done, Refusal> {
    if call.caller.kind == AuthKind::Session {
        return Err(Refusal::SessionDenied);
    }
    let code = line(call, state)?;
    let user_id = recipient(call)?;
    let text = call
        .parameter("MESSAGE")
        .filter(|text| !php::is_empty(Some(text)));
    let text = php::text(text).ok_or(Refusal::NoText)?;

    let switches = &call.circumstances.switches;
    let attach = structure(call, "ATTACH", Refusal::AttachIncorrect, attach::is_correct)?;
    if attach
        .as_ref()
        .is_some_and(|a| a.to_string().chars().count() > switches.attach_limit)
    {
        return Err(Refusal::AttachOversize);
    }
    let keyboard = structure(
        call,
        "KEYBOARD",
        Refusal::KeyboardIncorrect,
        keyboard::is_correct,
    )?;
    if keyboard
        .as_ref()
        .is_some_and(|k| k.to_string().len() > switches.keyboard_limit)
    {
        return Err(Refusal::KeyboardOversize);
    }

    let now = call.circumstances.now;
    let last = state.last_network_message(user_id);
    let offset = state.portal.utc_offset_hours;
    let within_week = last.is_some_and(|last| match switches.week {
        Week::Rolling => now.duration_since(last) < WEEK,
        Week::Calendar => monday(now, offset) == monday(last, offset),
    });
    if within_week && !state.portal.nfr_licence {
        return Err(Refusal::WeeklyLimit);
    }
    if !state.portal.user(user_id).is_some_and(|user| user.active) {
        if switches.failed_message_counts {
            state.remember_network_message(user_id, now);
        }
        return Err(Refusal::NotAdded);
    }
    state.remember_network_message(user_id, now);
    let url_preview = call.parameter("URL_PREVIEW").and_then(Value::as_str) != Some("N");
    let delivery = Delivery::Network {
        code,
        user_id,
        text: php::cut(text, switches.text_limit),
        attach,
        keyboard,
        url_preview,
    };
    Ok(Done {
        result: json!(true),
        deliveries: vec![delivery],
    })
}

/// The day on which the week of this moment began on the portal. `None` at the end of all time.
fn monday(at: Timestamp, utc_offset_hours: i8) -> Option<Date> {
    let offset = Offset::from_hours(utc_offset_hours).unwrap_or(Offset::UTC);
    let day = offset.to_datetime(at).date();
    let since = i64::from(day.weekday().since(Weekday::Monday));
    day.checked_sub(Span::new().days(since)).ok()
}

/// The joined line that `CODE` names.
fn line(call: &Call<'_>, state: &PortalState) -> Result<String, Refusal> {
    let code = php::text(call.parameter("CODE")).ok_or(Refusal::InvalidCode)?;
    if code.chars().count() != CODE_LENGTH {
        return Err(Refusal::InvalidCode);
    }
    if !state.portal.imbot_installed {
        return Err(Refusal::NoBots);
    }
    let joined = |line: &crate::portal::NetworkLine| line.joined && line.code == code;
    if state.portal.network_lines.iter().any(joined) {
        Ok(code)
    } else {
        Err(Refusal::LineNotFound)
    }
}

/// `USER_ID`. What is no number is cast to 0 by PHP, which is empty.
fn recipient(call: &Call<'_>) -> Result<i64, Refusal> {
    php::integer(call.parameter("USER_ID"))
        .filter(|id| *id != 0)
        .ok_or(Refusal::NoRecipient)
}

/// A structured parameter, given as such or as JSON text. What is empty, `""` too, is not given.
fn structure(
    call: &Call<'_>,
    name: &str,
    incorrect: Refusal,
    is_correct: fn(&Value) -> bool,
) -> Result<Option<Value>, Refusal> {
    let Some(value) = call
        .parameter(name)
        .filter(|value| !php::is_empty(Some(value)))
    else {
        return Ok(None);
    };
    let value = match value.as_str() {
        Some(text) => serde_json::from_str(text).map_err(|_| incorrect)?,
        None => value.clone(),
    };
    if php::is_empty(Some(&value)) {
        return Ok(None);
    }
    if is_correct(&value) {
        Ok(Some(value))
    } else {
        Err(incorrect)
    }
}
