//! A fault in a control request: one flat object, each fault with its own fields.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use indexmap::IndexMap;

use super::fields::{FieldError, Fields};
use crate::error::{OAuthError, SystemError};
use crate::fault::{CommandFault, Damage, Fault, FaultKind, Moment, PHP_NOTICE, Schedule};

/// Reads a fault. Without a schedule it hits the next request.
pub(crate) fn read(body: &[u8]) -> Result<Fault, FieldError> {
    let mut fields = Fields::of(body)?;
    let name: String = fields.require("fault")?;
    let kind = kind(&name, &mut fields)?;
    let mut fault = Fault::new(schedule(&mut fields)?, kind);
    fault = match fields.take::<String>("method")? {
        Some(method) => fault.for_method(&method),
        None if name == "oauth_error" => fault.for_oauth(),
        None => fault,
    };
    if let Some(host) = fields.take::<String>("portal")? {
        fault = fault.for_portal(&host);
    }
    if let Some(client_id) = fields.take::<String>("client_id")? {
        fault = fault.for_application(&client_id);
    }
    let headers: Option<IndexMap<String, String>> = fields.take("headers")?;
    for (name, value) in headers.into_iter().flatten() {
        let invalid = |error: http::Error| FieldError::new("headers", error);
        let name = HeaderName::try_from(name).map_err(|error| invalid(error.into()))?;
        let value = HeaderValue::try_from(value).map_err(|error| invalid(error.into()))?;
        fault = fault.with_header(name, value);
    }
    fields.finish()?;
    Ok(fault)
}

fn kind(name: &str, fields: &mut Fields) -> Result<FaultKind, FieldError> {
    let (stem, moment) = match name.rsplit_once('_') {
        Some((stem, "before")) => (stem, Some(Moment::Before)),
        Some((stem, "after")) => (stem, Some(Moment::After)),
        _ => (name, None),
    };
    Ok(match (stem, moment) {
        ("reset", Some(moment)) => FaultKind::Reset(moment),
        ("close", Some(moment)) => FaultKind::Close(moment),
        ("silence", Some(moment)) => FaultKind::Silence(moment),
        ("slow", Some(moment)) => {
            FaultKind::Slow(moment, Duration::from_millis(fields.require("delay_ms")?))
        }
        ("html", Some(moment)) => FaultKind::Html(moment, require_status(fields)?),
        ("plain_text", Some(moment)) => FaultKind::PlainText(moment),
        ("empty", Some(moment)) => FaultKind::Empty(moment),
        ("command_omit", Some(moment)) => FaultKind::Command(CommandFault::Omit(moment)),
        ("redirect", None) => FaultKind::Redirect {
            origin: origin(fields)?,
        },
        ("echo", None) => FaultKind::Echo {
            status: status(fields)?.unwrap_or(401),
        },
        ("expired_token", None) => FaultKind::expired_token(),
        ("refuse", None) => FaultKind::Refuse {
            error: system_error(fields)?,
            status: status(fields)?,
        },
        ("command_refuse", None) => FaultKind::Command(CommandFault::Refuse(system_error(fields)?)),
        ("command_fail", None) => FaultKind::Command(CommandFault::Fail(system_error(fields)?)),
        ("oauth_error", None) => FaultKind::oauth_error(oauth_error(fields)?),
        ("cut_off", None) => FaultKind::Damage(Damage::CutOff),
        ("truncated", None) => FaultKind::Damage(Damage::Truncated),
        ("oversized", None) => FaultKind::Damage(Damage::Oversized {
            bytes: fields.require("bytes")?,
        }),
        ("wrong_content_type", None) => FaultKind::Damage(Damage::WrongContentType),
        ("junk", None) => FaultKind::Damage(Damage::Junk {
            before: fields
                .take("before")?
                .unwrap_or_else(|| PHP_NOTICE.to_owned()),
            after: fields.take("after")?.unwrap_or_default(),
        }),
        ("wrong_encoding", None) => FaultKind::Damage(Damage::WrongEncoding),
        ("invalid_json", None) => FaultKind::Damage(Damage::InvalidJson),
        ("null", None) => FaultKind::Damage(Damage::Null),
        ("array", None) => FaultKind::Damage(Damage::Array),
        ("no_result", None) => FaultKind::Damage(Damage::NoResult),
        ("no_time", None) => FaultKind::Damage(Damage::NoTime),
        ("scripted", None) => FaultKind::Scripted {
            status: require_status(fields)?,
            content_type: content_type(fields)?,
            body: fields.require("body")?,
            executed: fields.require("executed")?,
        },
        _ => return Err(FieldError::new("fault", format!("{name:?} is not a fault"))),
    })
}

fn system_error(fields: &mut Fields) -> Result<SystemError, FieldError> {
    let code: String = fields.require("code")?;
    SystemError::by_code(&code)
        .ok_or_else(|| FieldError::new("code", format!("{code:?} is not a system error")))
}

fn oauth_error(fields: &mut Fields) -> Result<OAuthError, FieldError> {
    let code: String = fields.require("code")?;
    OAuthError::by_code(&code).ok_or_else(|| {
        let problem = format!("{code:?} is not an error of the authorization server");
        FieldError::new("code", problem)
    })
}

fn schedule(fields: &mut Fields) -> Result<Schedule, FieldError> {
    let next: Option<u32> = fields.take("next")?;
    let every: Option<u32> = fields.take("every")?;
    let always: Option<bool> = fields.take("always")?;
    match (next, every, always.unwrap_or(false)) {
        (None, None, false) => Ok(Schedule::Next(1)),
        (Some(0), _, _) => Err(FieldError::new("next", "must be at least 1")),
        (_, Some(0), _) => Err(FieldError::new("every", "must be at least 1")),
        (Some(count), None, false) => Ok(Schedule::Next(count)),
        (None, Some(nth), false) => Ok(Schedule::Every(nth)),
        (None, None, true) => Ok(Schedule::Always),
        (_, Some(_), _) => Err(FieldError::new("every", "excludes the other schedules")),
        (Some(_), None, true) => Err(FieldError::new("always", "excludes the other schedules")),
    }
}

fn status(fields: &mut Fields) -> Result<Option<u16>, FieldError> {
    match fields.take::<u16>("status")? {
        Some(status) if !(200..600).contains(&status) => {
            Err(FieldError::new("status", "must be 200 to 599"))
        }
        status => Ok(status),
    }
}

fn require_status(fields: &mut Fields) -> Result<u16, FieldError> {
    status(fields)?.ok_or_else(|| FieldError::new("status", "is required"))
}

fn content_type(fields: &mut Fields) -> Result<String, FieldError> {
    let content_type: String = fields.require("content_type")?;
    match http::HeaderValue::from_str(&content_type) {
        Ok(_) => Ok(content_type),
        Err(error) => Err(FieldError::new("content_type", error)),
    }
}

fn origin(fields: &mut Fields) -> Result<String, FieldError> {
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
        let problem = "must be a scheme and a host, such as https://new.bitrix24.test";
        Err(FieldError::new("origin", problem))
    }
}
