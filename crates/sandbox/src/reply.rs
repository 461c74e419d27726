//! What leaves the portal: the answer, an answer that a fault changed, or no answer.

use bytes::Bytes;
use serde_json::{Value, json};

use super::answer::Answer;
use super::fault::{Damage, FaultKind};
use super::refusal::Face;
use super::switches::StatusTable;

/// Content type of every regular answer.
const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// What happens on the connection.
#[derive(Debug)]
pub(super) enum Reply {
    /// An answer is written.
    Written(Written),
    /// The connection is closed without an answer.
    Close,
    /// The connection is reset without an answer.
    Reset,
    /// Nothing, until the client leaves.
    Silence,
}

/// An answer as it goes onto the wire.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) location: Option<String>,
    pub(super) body: Bytes,
    /// How many bytes of the body are sent before the connection closes. `None`: all.
    pub(super) sent: Option<usize>,
    /// The code in `error`, for the record.
    pub(super) error: Option<String>,
}

impl Written {
    pub(super) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type: content_type.to_owned(),
            location: None,
            body: body.into(),
            sent: None,
            error: None,
        }
    }

    /// The answer as a portal writes it.
    pub(super) fn json(answer: &Answer) -> Self {
        let written = Self::new(answer.status, JSON, answer.document.to_string());
        Self {
            error: answer.error.clone(),
            ..written
        }
    }

    /// A redirect without a body.
    pub(super) fn redirect(location: &str) -> Self {
        Self {
            location: Some(location.to_owned()),
            ..Self::new(302, HTML, Bytes::new())
        }
    }

    /// A page of the web server in front of the portal.
    pub(super) fn page(status: u16) -> Self {
        let title = http::StatusCode::from_u16(status)
            .map_or_else(|_| status.to_string(), |status| status.to_string());
        let page = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self::new(status, HTML, page)
    }
}

impl Reply {
    /// What leaves under this fault when the method has not been executed. Only for faults that do not
    /// let it be executed.
    pub(super) fn instead(fault: &FaultKind, target: &str, table: StatusTable) -> Self {
        match fault {
            FaultKind::Redirect { origin } => {
                Self::Written(Written::redirect(&format!("{origin}{target}")))
            }
            FaultKind::Refuse { error, status } => {
                let face = Face::system(*error, table);
                let status = status.unwrap_or(face.status);
                Self::Written(Written::json(&Answer::refusal(Face { status, ..face })))
            }
            FaultKind::Reset(_)
            | FaultKind::Close(_)
            | FaultKind::Silence(_)
            | FaultKind::Slow(..)
            | FaultKind::Held(..)
            | FaultKind::Html(..)
            | FaultKind::PlainText(_)
            | FaultKind::Empty(_)
            | FaultKind::Damage(_)
            | FaultKind::Command(_)
            | FaultKind::Scripted { .. } => Self::lost(fault).unwrap_or(Self::Close),
        }
    }

    /// What leaves under this fault after the method has answered.
    pub(super) fn after(fault: Option<&FaultKind>, answer: &Answer) -> Self {
        let Some(fault) = fault else {
            return Self::Written(Written::json(answer));
        };
        if let FaultKind::Damage(damage) = fault {
            return Self::Written(damaged(*damage, answer));
        }
        Self::lost(fault).unwrap_or_else(|| Self::Written(Written::json(answer)))
    }

    /// What leaves under a fault that does not care about the answer. `None` for the other faults.
    fn lost(fault: &FaultKind) -> Option<Self> {
        Some(match fault {
            FaultKind::Reset(_) => Self::Reset,
            FaultKind::Close(_) => Self::Close,
            FaultKind::Silence(_) => Self::Silence,
            FaultKind::Html(_, status) => Self::Written(Written::page(*status)),
            FaultKind::PlainText(_) => {
                Self::Written(Written::new(500, "text/plain", "Internal Server Error"))
            }
            FaultKind::Empty(_) => Self::Written(Written::new(200, HTML, Bytes::new())),
            FaultKind::Scripted {
                status,
                content_type,
                body,
                ..
            } => {
                let mut written = Written::new(*status, content_type, body.clone());
                written.error = code(body);
                Self::Written(written)
            }
            FaultKind::Slow(..)
            | FaultKind::Held(..)
            | FaultKind::Redirect { .. }
            | FaultKind::Refuse { .. }
            | FaultKind::Damage(_)
            | FaultKind::Command(_) => return None,
        })
    }
}

/// The code in `error` of a scripted document, if it has one.
fn code(body: &str) -> Option<String> {
    let document: Value = serde_json::from_str(body).ok()?;
    Some(document.get("error")?.as_str()?.to_owned())
}

fn damaged(damage: Damage, answer: &Answer) -> Written {
    let mut written = Written::json(answer);
    let without = |field: &str| {
        let mut document = answer.document.clone();
        if let Some(fields) = document.as_object_mut() {
            fields.remove(field);
        }
        document
    };
    match damage {
        Damage::CutOff => written.sent = Some(written.body.len() / 2),
        Damage::Truncated => written.body.truncate(written.body.len() / 2),
        Damage::Oversized { bytes } => {
            let mut document = answer.document.clone();
            if let Some(fields) = document.as_object_mut() {
                fields.insert("padding".to_owned(), json!("x".repeat(bytes)));
            }
            written.body = document.to_string().into();
        }
        Damage::WrongContentType => HTML.clone_into(&mut written.content_type),
        Damage::InvalidJson => written.body = Bytes::from_static(b"{\"result\": tru"),
        Damage::Null => written.body = Bytes::from_static(b"null"),
        Damage::Array => written.body = Bytes::from_static(b"[]"),
        Damage::NoResult => written.body = without("result").to_string().into(),
        Damage::NoTime => written.body = without("time").to_string().into(),
    }
    written
}
