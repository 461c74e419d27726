//! The head of a golden file: the portal's response.

use http::{HeaderName, HeaderValue};
use sandbox::{Damage, Fault, FaultKind, Moment};

const ANSWERED: &str = " is answered with\n";
const TOLD: &str = "\n\n# The caller is told\n";

/// A portal's response, played by the sandbox.
pub(crate) struct PlayedAnswer {
    /// The REST method.
    pub(crate) method: String,
    kind: FaultKind,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl PlayedAnswer {
    /// Reads the head of a golden file, and returns it with the text up to the result.
    pub(crate) fn read(text: &str) -> Result<(Self, String), String> {
        let text = text
            .strip_prefix("# ")
            .ok_or("does not begin with a heading")?;
        let (method, rest) = text.split_once(ANSWERED).ok_or("names no method")?;
        let answer = rest
            .split_once(TOLD)
            .map_or(rest, |(answer, _)| answer)
            .trim_end();
        let (start, body) = answer.split_once("\n\n").unwrap_or((answer, ""));
        let mut lines = start.lines();
        let first = lines.next().unwrap_or_default();
        let headers = lines.map(header).collect::<Result<_, _>>()?;
        let kind = match first.split_once(' ') {
            Some(("HTTP", rest)) => scripted(rest, body)?,
            Some(("fault", name)) => fault(name)?,
            _ => return Err(format!("{first:?} is neither an HTTP answer nor a fault")),
        };
        let head = format!("# {method}{ANSWERED}{answer}{TOLD}");
        Ok((
            Self {
                method: method.to_owned(),
                kind,
                headers,
            },
            head,
        ))
    }

    /// The fault that makes the sandbox respond so, to retries too.
    pub(crate) fn fault(&self) -> Fault {
        let headers = self.headers.iter().cloned();
        headers.fold(Fault::always(self.kind.clone()), |fault, (name, value)| {
            fault.with_header(name, value)
        })
    }
}

fn header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = line.split_once(": ").ok_or("a header lacks its value")?;
    let name = name.parse().map_err(|error| format!("{name}: {error}"))?;
    let value = value.parse().map_err(|error| format!("{value}: {error}"))?;
    Ok((name, value))
}

fn scripted(status_and_type: &str, body: &str) -> Result<FaultKind, String> {
    let (status, content_type) = status_and_type
        .split_once(' ')
        .ok_or("lacks a content type")?;
    Ok(FaultKind::Scripted {
        status: status
            .parse()
            .map_err(|_| format!("{status} is no status"))?,
        content_type: content_type.to_owned(),
        body: body.to_owned(),
        executed: false,
    })
}

fn fault(name: &str) -> Result<FaultKind, String> {
    Ok(match name {
        "reset_before" => FaultKind::Reset(Moment::Before),
        "reset_after" => FaultKind::Reset(Moment::After),
        "close_before" => FaultKind::Close(Moment::Before),
        "close_after" => FaultKind::Close(Moment::After),
        "silence_after" => FaultKind::Silence(Moment::After),
        "echo" => FaultKind::Echo { status: 401 },
        "cut_off" => FaultKind::Damage(Damage::CutOff),
        "oversized" => FaultKind::Damage(Damage::Oversized { bytes: 100_000 }),
        other => match other.split_once(' ') {
            Some(("redirect", origin)) => FaultKind::Redirect {
                origin: origin.to_owned(),
            },
            _ => return Err(format!("{other} is no fault")),
        },
    })
}
