//! A log line as JSON, in the shape of `tracing-subscriber`, written into one text from the begin
//! to the end: no serialiser writes into another one.

use std::cell::RefCell;
use std::fmt::{self, Debug, Write};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Number;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{Format, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What most lines need, in bytes.
const USUAL: usize = 512;

/// The name of events that were records of the crate `log`.
const OF_LOG: &str = "log event";

/// Formats events. Those with spans around them, and records of the crate `log`, are left to
/// `others`.
#[derive(Debug)]
pub(super) struct JsonLine {
    pub(super) others: Format<Json>,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        if metadata.name() == OF_LOG || context.parent_span().is_some() {
            return self.others.format_event(context, writer, event);
        }
        let mut line = Line(String::with_capacity(USUAL));
        line.0.push_str(r#"{"timestamp":""#);
        push_now(&mut line.0);
        line.0.push_str(r#"","level":""#);
        line.0.push_str(metadata.level().as_str());
        line.0.push('"');
        event.record(&mut line);
        line.0.push_str(r#","target":""#);
        push_escaped(&mut line.0, metadata.target());
        line.0.push_str("\"}\n");
        writer.write_str(&line.0)
    }
}

/// The line of an error without fields, for the end of a process whose log has ended.
pub(super) fn of_error(message: &str, target: &str) -> String {
    let mut line = String::with_capacity(USUAL);
    line.push_str(r#"{"timestamp":""#);
    push_now(&mut line);
    line.push_str(r#"","level":"ERROR","message":""#);
    push_escaped(&mut line, message);
    line.push_str(r#"","target":""#);
    push_escaped(&mut line, target);
    line.push_str("\"}\n");
    line
}

/// A line up to some field.
struct Line(String);

impl Line {
    fn key(&mut self, field: &Field) {
        self.0.push_str(",\"");
        push_escaped(&mut self.0, field.name());
        self.0.push_str("\":");
    }

    /// Something that needs no quotes.
    fn bare(&mut self, field: &Field, value: impl fmt::Display) {
        self.key(field);
        // A text takes whatever is written.
        let _ = write!(self.0, "{value}");
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.key(field);
        self.0.push('"');
        push_escaped(&mut self.0, value);
        self.0.push('"');
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.key(field);
        self.0.push('"');
        let _ = write!(Escaped(&mut self.0), "{value:?}");
        self.0.push('"');
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.bare(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.bare(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.bare(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        match Number::from_f64(value) {
            Some(number) => self.bare(field, number),
            None => self.bare(field, "null"),
        }
    }
}

/// Writes into a text between quotes.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

fn is_escaped(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// Appends a text as it stands between quotes in JSON.
fn push_escaped(line: &mut String, text: &str) {
    // Without an early end, so that many bytes are looked at at once.
    let needs_none = |any, byte: u8| any | is_escaped(byte);
    if !text.bytes().fold(false, needs_none) {
        line.push_str(text);
        return;
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            control if control < ' ' => {
                let _ = write!(line, "\\u{:04x}", u32::from(control));
            }
            other => line.push(other),
        }
    }
}

/// Appends the time, to the microsecond.
fn push_now(line: &mut String) {
    thread_local! {
        /// A second, and how it is written up to the point.
        static WRITTEN: RefCell<(u64, String)> = RefCell::default();
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO);
    WRITTEN.with_borrow_mut(|(second, written)| {
        if written.is_empty() || *second != now.as_secs() {
            *second = now.as_secs();
            let second = i64::try_from(*second).unwrap_or(i64::MAX);
            let second = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            written.clear();
            let _ = write!(written, "{second:.0}");
            written.truncate(written.trim_end_matches('Z').len());
        }
        line.push_str(written);
    });
    line.push('.');
    let mut digit = 100_000;
    while digit > 0 {
        let shown = now.subsec_micros() / digit % 10;
        line.push(char::from_digit(shown, 10).unwrap_or('0'));
        digit /= 10;
    }
    line.push('Z');
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;
    use tracing::subscriber::with_default;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        /// The lines, without their times.
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            let lines = text.split_inclusive('\n').map(|line| {
                let (time, rest) = line.split_once("\",").unwrap();
                let time = time.strip_prefix("{\"timestamp\":\"").unwrap();
                let time: Timestamp = time.parse().unwrap();
                assert!(time.duration_until(Timestamp::now()).as_secs() < 60);
                rest.to_owned()
            });
            lines.collect()
        }
    }

    /// The lines of events as this module writes them, and as the library does.
    fn both(log: impl Fn()) -> [Vec<String>; 2] {
        let [ours, theirs] = [Written::default(), Written::default()];
        let layer = |written: &Written| {
            let written = written.clone();
            tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_writer(move || written.clone())
        };
        let our_layer = layer(&ours).map_event_format(|others| JsonLine { others });
        with_default(tracing_subscriber::registry().with(our_layer), &log);
        with_default(tracing_subscriber::registry().with(layer(&theirs)), &log);
        [ours.lines(), theirs.lines()]
    }

    #[test]
    fn lines_are_those_of_the_library_to_the_byte() {
        let [ours, theirs] = both(|| {
            let absent: Option<&str> = None;
            let error = io::Error::other("broken \"pipe\"");
            let source: &dyn std::error::Error = &error;
            tracing::info!(
                target: "openlines::call",
                call_id = "01a2",
                trace_id = absent,
                operation = "a.B/C",
                replayed = true,
                duration_ms = 12.345,
                wait_ms = 3.0,
                "call"
            );
            tracing::warn!(
                small = 1e-7,
                large = 1e300,
                odd = f64::NAN,
                endless = f64::INFINITY,
                "numbers"
            );
            tracing::error!(
                signed = -7_i64,
                most = u64::MAX,
                huge = u128::MAX,
                least = i128::MIN
            );
            tracing::debug!(source, debug = ?error, shown = %error);
            tracing::trace!(
                "quoted.name" = "a\\b\u{1}\u{7f}\n\u{2028}я",
                r#type = "t",
                "{} of {}",
                1,
                "\t"
            );
            tracing::info_span!("around", field = 1).in_scope(|| tracing::info!("inside"));
        });
        assert_eq!(ours.len(), 6);
        assert_eq!(ours, theirs);
    }

    proptest! {
        #[test]
        fn a_text_is_escaped_as_in_json(text in any::<String>()) {
            let mut escaped = String::new();
            push_escaped(&mut escaped, &text);
            let expected = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(format!("\"{escaped}\""), expected);
        }

        #[test]
        fn every_text_comes_back_from_the_line(text in any::<String>()) {
            let [ours, theirs] = both(|| tracing::info!(text, debug = ?text, "{text}"));
            prop_assert_eq!(ours, theirs);
        }
    }
}
