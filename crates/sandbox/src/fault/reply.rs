//! What a fault makes of a response.

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::kind::{Damage, FaultKind};
use crate::error::WireError;
use crate::response::{HTML, HttpResponse, JsonResponse, Reply};
use crate::switches::StatusTable;

/// How PHP writes a notice in front of its output.
pub const PHP_NOTICE: &str = "<br />\n<b>Notice</b>:  Undefined index: FIELDS in <b>/home/bitrix/www/local/hook.php</b> on line <b>7</b><br />\n";

/// A text in Russian that a module adds to a document.
const RUSSIAN: &str = "Превышен лимит обращений";

/// The reply under a fault that does not let the method execute.
///
/// `secrets` are those of the request.
pub(crate) fn instead(
    fault: &FaultKind,
    target: &str,
    table: StatusTable,
    secrets: &[SecretString],
) -> Reply {
    if let FaultKind::Echo { status } = fault {
        return Reply::Response(echo(*status, secrets));
    }
    if let FaultKind::Redirect { origin } = fault {
        return Reply::Response(HttpResponse::redirect(format!("{origin}{target}")));
    }
    if let FaultKind::Refuse { error, status } = fault {
        let mut error = WireError::system(*error, table);
        error.status = status.unwrap_or(error.status);
        return Reply::Response(HttpResponse::json(&JsonResponse::refusal(error)));
    }
    without_response(fault).unwrap_or(Reply::Close)
}

/// The reply under this fault after the method was executed.
pub(crate) fn after(fault: Option<&FaultKind>, response: &JsonResponse) -> Reply {
    if let Some(FaultKind::Damage(damage)) = fault {
        return Reply::Response(damaged(damage, response));
    }
    fault
        .and_then(without_response)
        .unwrap_or_else(|| Reply::Response(HttpResponse::json(response)))
}

/// The reply under a fault that ignores the response. `None` for the other faults.
fn without_response(fault: &FaultKind) -> Option<Reply> {
    Some(match fault {
        FaultKind::Reset(_) => Reply::Reset,
        FaultKind::Close(_) => Reply::Close,
        FaultKind::Silence(_) => Reply::Silence,
        FaultKind::Html(_, status) => Reply::Response(HttpResponse::page(*status)),
        FaultKind::PlainText(_) => Reply::Response(HttpResponse::new(
            500,
            "text/plain",
            "Internal Server Error",
        )),
        FaultKind::Empty(_) => Reply::Response(HttpResponse::new(200, HTML, Bytes::new())),
        FaultKind::Scripted {
            status,
            content_type,
            body,
            ..
        } => {
            let is_windows = content_type.to_ascii_lowercase().ends_with("windows-1251");
            let sent = if is_windows {
                windows_1251(body)
            } else {
                Bytes::from(body.clone())
            };
            let mut response = HttpResponse::new(*status, content_type, sent);
            response.error = code(body);
            Reply::Response(response)
        }
        FaultKind::Slow(..)
        | FaultKind::Held(..)
        | FaultKind::Redirect { .. }
        | FaultKind::Echo { .. }
        | FaultKind::Refuse { .. }
        | FaultKind::Damage(_)
        | FaultKind::Command(_) => return None,
    })
}

/// A response that repeats the secrets of its request. The record does not get them.
fn echo(status: u16, secrets: &[SecretString]) -> HttpResponse {
    let secrets: Vec<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
    let text = format!("sent with {}", secrets.join(" and "));
    let document = if status == 200 {
        json!({"result": {"echo": text, text.as_str(): [text]}})
    } else {
        json!({"error": text, "error_description": text})
    };
    HttpResponse::new(status, "application/json", document.to_string())
}

/// The text in the encoding of portals that were installed long ago. What it lacks becomes `?`.
fn windows_1251(text: &str) -> Bytes {
    let byte = |letter: char| match letter {
        'А'..='я' => u8::try_from(u32::from(letter) - 0x410 + 0xc0),
        'Ё' => Ok(0xa8),
        'ё' => Ok(0xb8),
        other => u8::try_from(u32::from(other)),
    };
    text.chars()
        .map(|letter| byte(letter).unwrap_or(b'?'))
        .collect()
}

/// The code in `error` of a scripted document, if it has one.
fn code(body: &str) -> Option<String> {
    let document: Value = serde_json::from_str(body).ok()?;
    Some(document.get("error")?.as_str()?.to_owned())
}

fn damaged(damage: &Damage, response: &JsonResponse) -> HttpResponse {
    let mut damaged = HttpResponse::json(response);
    let with = |field: &str, value: Option<Value>| {
        let mut document = response.document.clone();
        if let Some(fields) = document.as_object_mut() {
            fields.remove(field);
            fields.extend(value.map(|value| (field.to_owned(), value)));
        }
        Bytes::from(document.to_string())
    };
    match damage {
        Damage::CutOff => damaged.sent = Some(damaged.body.len() / 2),
        Damage::Truncated => damaged.body.truncate(damaged.body.len() / 2),
        Damage::Oversized { bytes } => {
            damaged.body = with("padding", Some(json!("x".repeat(*bytes))));
        }
        Damage::WrongContentType => HTML.clone_into(&mut damaged.content_type),
        Damage::Junk { before, after } => {
            damaged.body = Bytes::from(format!("{before}{}{after}", response.document));
        }
        Damage::WrongEncoding => {
            let is_error = response.error.is_some();
            let field = if is_error {
                "error_description"
            } else {
                "notice"
            };
            let document = with(field, Some(json!(RUSSIAN)));
            damaged.body = windows_1251(&String::from_utf8_lossy(&document));
        }
        Damage::InvalidJson => damaged.body = Bytes::from_static(b"{\"result\": tru"),
        Damage::Null => damaged.body = Bytes::from_static(b"null"),
        Damage::Array => damaged.body = Bytes::from_static(b"[]"),
        Damage::NoResult => damaged.body = with("result", None),
        Damage::NoTime => damaged.body = with("time", None),
    }
    damaged
}
