//! A fault as the control interface takes it: one flat object, each fault with its own fields.

use std::time::Duration;

use super::fault::{CommandFault, Damage, Fault, FaultKind, Moment, Schedule};
use super::fields::{BadField, Fields};
use super::oauth::OAuthError;
use super::system_error::SystemError;

/// Reads a fault. Without a schedule it hits the next request.
pub(super) fn read(body: &[u8]) -> Result<Fault, BadField> {
    let mut fields = Fields::read(body)?;
    let is_of_oauth = fields.peek("fault") == Some("oauth_error");
    let kind = kind(&mut fields)?;
    let schedule = schedule(&mut fields)?;
    let fault = Fault {
        kind,
        schedule,
        method: None,
        portal: None,
    };
    let fault = match fields.take::<String>("method")? {
        Some(method) => fault.for_method(&method),
        None if is_of_oauth => fault.for_oauth(),
        None => fault,
    };
    let fault = match fields.take::<String>("portal")? {
        Some(host) => fault.for_portal(&host),
        None => fault,
    };
    fields.finish()?;
    Ok(fault)
}

fn kind(fields: &mut Fields) -> Result<FaultKind, BadField> {
    use Moment::{After, Before};
    let name: String = fields.require("fault")?;
    Ok(match name.as_str() {
        "reset_before" => FaultKind::Reset(Before),
        "reset_after" => FaultKind::Reset(After),
        "close_before" => FaultKind::Close(Before),
        "close_after" => FaultKind::Close(After),
        "silence_before" => FaultKind::Silence(Before),
        "silence_after" => FaultKind::Silence(After),
        "slow_before" => {
            FaultKind::Slow(Before, Duration::from_millis(fields.require("delay_ms")?))
        }
        "slow_after" => FaultKind::Slow(After, Duration::from_millis(fields.require("delay_ms")?)),
        "html_before" => FaultKind::Html(Before, require_status(fields)?),
        "html_after" => FaultKind::Html(After, require_status(fields)?),
        "plain_text_before" => FaultKind::PlainText(Before),
        "plain_text_after" => FaultKind::PlainText(After),
        "empty_before" => FaultKind::Empty(Before),
        "empty_after" => FaultKind::Empty(After),
        "redirect" => FaultKind::Redirect {
            origin: origin(fields)?,
        },
        "expired_token" => FaultKind::expired_token(),
        "refuse" => refuse(fields)?,
        "command_refuse" => FaultKind::Command(CommandFault::Refuse(system_error(fields)?)),
        "command_fail" => FaultKind::Command(CommandFault::Fail(system_error(fields)?)),
        "command_omit_before" => FaultKind::Command(CommandFault::Omit(Before)),
        "command_omit_after" => FaultKind::Command(CommandFault::Omit(After)),
        "oauth_error" => oauth_error(fields)?,
        "cut_off" => FaultKind::Damage(Damage::CutOff),
        "truncated" => FaultKind::Damage(Damage::Truncated),
        "oversized" => FaultKind::Damage(Damage::Oversized {
            bytes: fields.require("bytes")?,
        }),
        "wrong_content_type" => FaultKind::Damage(Damage::WrongContentType),
        "invalid_json" => FaultKind::Damage(Damage::InvalidJson),
        "null" => FaultKind::Damage(Damage::Null),
        "array" => FaultKind::Damage(Damage::Array),
        "no_result" => FaultKind::Damage(Damage::NoResult),
        "no_time" => FaultKind::Damage(Damage::NoTime),
        "scripted" => FaultKind::Scripted {
            status: require_status(fields)?,
            content_type: content_type(fields)?,
            body: fields.require("body")?,
            executed: fields.require("executed")?,
        },
        _ => return Err(BadField::new("fault", format!("{name:?} is no fault"))),
    })
}

fn refuse(fields: &mut Fields) -> Result<FaultKind, BadField> {
    Ok(FaultKind::Refuse {
        error: system_error(fields)?,
        status: status(fields)?,
    })
}

fn system_error(fields: &mut Fields) -> Result<SystemError, BadField> {
    let code: String = fields.require("code")?;
    SystemError::by_code(&code)
        .ok_or_else(|| BadField::new("code", format!("{code:?} is no system error")))
}

fn oauth_error(fields: &mut Fields) -> Result<FaultKind, BadField> {
    let code: String = fields.require("code")?;
    let error = OAuthError::by_code(&code).ok_or_else(|| {
        BadField::new(
            "code",
            format!("{code:?} is no error of the authorization server"),
        )
    })?;
    Ok(FaultKind::oauth_error(error))
}

fn schedule(fields: &mut Fields) -> Result<Schedule, BadField> {
    let next: Option<u32> = fields.take("next")?;
    let every: Option<u32> = fields.take("every")?;
    let always: Option<bool> = fields.take("always")?;
    match (next, every, always.unwrap_or(false)) {
        (None, None, false) => Ok(Schedule::Next(1)),
        (Some(0), _, _) => Err(BadField::new("next", "must be at least 1")),
        (_, Some(0), _) => Err(BadField::new("every", "must be at least 1")),
        (Some(count), None, false) => Ok(Schedule::Next(count)),
        (None, Some(nth), false) => Ok(Schedule::Every(nth)),
        (None, None, true) => Ok(Schedule::Always),
        (_, Some(_), _) => Err(BadField::new("every", "excludes the other schedules")),
        (Some(_), None, true) => Err(BadField::new("always", "excludes the other schedules")),
    }
}

fn status(fields: &mut Fields) -> Result<Option<u16>, BadField> {
    match fields.take::<u16>("status")? {
        Some(status) if !(200..600).contains(&status) => {
            Err(BadField::new("status", "must be 200 to 599"))
        }
        status => Ok(status),
    }
}

fn require_status(fields: &mut Fields) -> Result<u16, BadField> {
    status(fields)?.ok_or_else(|| BadField::new("status", "is required"))
}

fn content_type(fields: &mut Fields) -> Result<String, BadField> {
    let content_type: String = fields.require("content_type")?;
    match http::HeaderValue::from_str(&content_type) {
        Ok(_) => Ok(content_type),
        Err(error) => Err(BadField::new("content_type", error)),
    }
}

fn origin(fields: &mut Fields) -> Result<String, BadField> {
    let origin: String = fields.require("origin")?;
    let uri: Result<http::Uri, _> = origin.parse();
    let is_origin = !origin.ends_with('/')
        && uri.is_ok_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.path() == "/"
                && uri.query().is_none()
        });
    if is_origin {
        Ok(origin)
    } else {
        Err(BadField::new(
            "origin",
            "must be a scheme and a host, like https://new.bitrix24.test",
        ))
    }
}
