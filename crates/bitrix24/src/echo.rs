//! Cuts the secrets of a request out of its response.
//!
//! A portal may repeat the webhook's secret or the token: in an error's description, in its code,
//! in a result. All of these can reach the caller, the log, the store and metrics, so they are cut
//! out where a response is read, before anything else sees it.

mod view;

use std::fmt;
use std::ops::Range;

use memchr::memmem;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use self::view::View;

/// Replaces a secret.
const REDACTED: &str = "[redacted]";
/// Shortest secret that is cut out, in bytes. Cutting out shorter ones would garble texts; real
/// ones have 16 or more.
const SHORTEST: usize = 6;
/// How often a text is unescaped: a URL in a page in JSON has two layers.
const LAYERS: usize = 3;

/// The secrets that a request sends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Sent<'a> {
    secrets: [Option<&'a SecretString>; 2],
}

impl<'a> Sent<'a> {
    pub(crate) fn one(secret: &'a SecretString) -> Self {
        Self {
            secrets: [Some(secret), None],
        }
    }

    pub(crate) fn two(first: &'a SecretString, second: &'a SecretString) -> Self {
        Self {
            secrets: [Some(first), Some(second)],
        }
    }

    /// Whether none of these secrets can be in a text, a key or a number of this JSON document, in
    /// any form. Asked for nearly every response, so it must be cheap; where the document has
    /// escapes, [`Echoes`] looks closer.
    pub(crate) fn are_surely_not_in(self, json: &[u8]) -> bool {
        if memchr::memchr3(b'\\', b'%', b'&', json).is_some() {
            return false;
        }
        let secrets = self.secrets.into_iter().flatten();
        let mut secrets = secrets
            .map(|secret| secret.expose_secret().as_bytes())
            .filter(|secret| secret.len() >= SHORTEST);
        secrets.all(|secret| {
            let is_plain = holds_in_any_case(json, secret);
            let may_be_encoded = view::has_run(json, shortest_encoded(secret));
            !is_plain && !may_be_encoded && !is_numeric(secret)
        })
    }

    /// What finds these secrets in a response.
    pub(crate) fn echoes(self) -> Echoes {
        Echoes::of(self.secrets.into_iter().flatten())
    }
}

impl fmt::Debug for Sent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sent")
    }
}

/// Finds secrets in texts: as they are, in capital or small letters, escaped for URLs, HTML and
/// JSON, in hexadecimal and in base64.
pub(crate) struct Echoes {
    secrets: Vec<Secret>,
    shortest: usize,
    /// Whether a JSON number could be one.
    is_numeric: bool,
}

struct Secret {
    secret: SecretString,
    /// Finds it in a text of small letters.
    plain: memmem::Finder<'static>,
}

impl Secret {
    fn new(secret: &SecretString) -> Self {
        let folded = secret.expose_secret().to_ascii_lowercase();
        Self {
            secret: secret.clone(),
            plain: memmem::Finder::new(&folded).into_owned(),
        }
    }

    fn len(&self) -> usize {
        self.secret.expose_secret().len()
    }

    fn is_numeric(&self) -> bool {
        is_numeric(self.secret.expose_secret().as_bytes())
    }
}

fn is_numeric(secret: &[u8]) -> bool {
    secret.iter().all(u8::is_ascii_digit)
}

/// Whether a text has these bytes, in capital or small letters. A prepared search would be faster,
/// but preparing it takes longer than this, and copies the text.
fn holds_in_any_case(text: &[u8], bytes: &[u8]) -> bool {
    let Some(first) = bytes.first() else {
        return false;
    };
    let (small, capital) = (first.to_ascii_lowercase(), first.to_ascii_uppercase());
    memchr::memchr2_iter(small, capital, text).any(|at| {
        let part = text.get(at..at.saturating_add(bytes.len()));
        part.is_some_and(|part| part.eq_ignore_ascii_case(bytes))
    })
}

/// The fewest letters that stand for a secret in [`hexadecimal`] or [`base64`].
fn shortest_encoded(secret: &[u8]) -> usize {
    // Up to four bits of the first byte share a letter with what stands before.
    (secret.len() * 8).saturating_sub(4) / 6
}

impl Echoes {
    pub(crate) fn of<'a>(secrets: impl IntoIterator<Item = &'a SecretString>) -> Self {
        let secrets: Vec<Secret> = secrets
            .into_iter()
            .filter(|secret| secret.expose_secret().len() >= SHORTEST)
            .map(Secret::new)
            .collect();
        Self {
            shortest: secrets.iter().map(Secret::len).min().unwrap_or(usize::MAX),
            is_numeric: secrets.iter().any(Secret::is_numeric),
            secrets,
        }
    }

    /// Whether a JSON number could be one of the secrets.
    pub(crate) fn may_be_numbers(&self) -> bool {
        self.is_numeric
    }

    /// Whether one of the secrets is in a text, a key or a number of a document.
    pub(crate) fn are_in(&self, value: &Value) -> bool {
        match value {
            Value::Null | Value::Bool(_) => false,
            Value::Number(number) => self.is_numeric && self.cut(&number.to_string()).is_some(),
            Value::String(text) => self.cut(text).is_some(),
            Value::Array(items) => items.iter().any(|item| self.are_in(item)),
            Value::Object(fields) => fields
                .iter()
                .any(|(key, value)| self.cut(key).is_some() || self.are_in(value)),
        }
    }

    /// Cuts the secrets out of all texts, keys and numbers of a document.
    pub(crate) fn cut_from(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if self.is_numeric
                    && let Some(cut) = self.cut(&number.to_string())
                {
                    *value = Value::String(cut);
                }
            }
            Value::String(text) => {
                if let Some(cut) = self.cut(text) {
                    *text = cut;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.cut_from(item)),
            Value::Object(fields) => self.cut_from_fields(fields),
        }
    }

    fn cut_from_fields(&self, fields: &mut Map<String, Value>) {
        fields.values_mut().for_each(|value| self.cut_from(value));
        if fields.keys().any(|key| self.cut(key).is_some()) {
            let cut = std::mem::take(fields).into_iter();
            *fields = cut
                .map(|(key, value)| (self.cut(&key).unwrap_or(key), value))
                .collect();
        }
    }

    /// The text without the secrets; `None` if it has none.
    pub(crate) fn cut(&self, text: &str) -> Option<String> {
        if text.len() < self.shortest {
            return None;
        }
        let mut view = View::of(text);
        // Nearly every text: nothing is escaped, and nothing long enough to be encoded.
        if !view.has_escapes() && view.longest_run() < self.shortest {
            let folded = text.to_ascii_lowercase();
            let mut secrets = self.secrets.iter();
            if !secrets.any(|secret| secret.plain.find(folded.as_bytes()).is_some()) {
                return None;
            }
        }
        let mut found = Vec::new();
        for layer in 0..=LAYERS {
            self.search(&view, &mut found);
            match view.unescaped().filter(|_| layer < LAYERS) {
                Some(next) => view = next,
                None => break,
            }
        }
        (!found.is_empty()).then(|| without(text, found))
    }

    /// Adds where the secrets are, as places in the original text.
    fn search(&self, view: &View<'_>, found: &mut Vec<Range<usize>>) {
        let folded = view.bytes().to_ascii_lowercase();
        let longest_run = view.longest_run();
        for secret in &self.secrets {
            let length = secret.len();
            let places = secret.plain.find_iter(&folded);
            found.extend(places.map(|start| view.original(start..start + length)));
            // An encoded secret is a run of letters and digits, longer than the secret itself.
            if longest_run < length {
                continue;
            }
            let secret = secret.secret.expose_secret().as_bytes();
            add_runs(&folded, &hexadecimal(secret), view, found);
            for needle in base64(secret) {
                add_runs(view.bytes(), &needle, view, found);
            }
        }
    }
}

/// Adds the runs of letters and digits that hold `needle`.
fn add_runs(text: &[u8], needle: &[u8], view: &View<'_>, found: &mut Vec<Range<usize>>) {
    let mut end = 0;
    for start in memmem::find_iter(text, needle) {
        if start >= end {
            let run = view.run(start);
            end = run.end;
            found.push(view.original(run));
        }
    }
}

/// The text with `[redacted]` in these places.
fn without(text: &str, mut places: Vec<Range<usize>>) -> String {
    places.sort_by_key(|place| place.start);
    let (mut cut, mut end) = (String::with_capacity(text.len()), 0);
    for place in places {
        if place.start >= end {
            cut.push_str(text.get(end..place.start).unwrap_or_default());
            cut.push_str(REDACTED);
        }
        end = end.max(place.end);
    }
    cut.push_str(text.get(end..).unwrap_or_default());
    cut
}

fn hexadecimal(secret: &[u8]) -> Vec<u8> {
    let digits = secret.iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<String>().into_bytes()
}

/// The letters of base64 that depend on the secret alone, for each number of bytes that may stand
/// before it, in both alphabets.
fn base64(secret: &[u8]) -> Vec<Vec<u8>> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut needles = Vec::new();
    for before in 0..3_usize {
        let (mut bits, mut count, mut needle) = (0_u32, 0_u32, Vec::new());
        // The first letter also holds bits of what stands before.
        let mut skip = (before > 0).then_some(6 - (before * 8) % 6);
        for byte in secret {
            bits = (bits << 8) | u32::from(*byte);
            count += 8;
            if let Some(other) = skip.take() {
                count -= u32::try_from(other).unwrap_or_default();
                bits &= (1 << count) - 1;
            }
            while count >= 6 {
                count -= 6;
                let letter = usize::try_from(bits >> count & 63).unwrap_or_default();
                needle.extend(STANDARD.get(letter));
            }
            bits &= (1 << count) - 1;
        }
        let url_safe = needle.iter().map(|letter| match letter {
            b'+' => b'-',
            b'/' => b'_',
            other => *other,
        });
        let url_safe: Vec<u8> = url_safe.collect();
        if url_safe != needle {
            needles.push(url_safe);
        }
        needles.push(needle);
    }
    needles
}

#[cfg(test)]
mod tests;
