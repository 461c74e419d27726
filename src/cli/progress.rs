//! How far a long command is: a line that is written again on a terminal, and otherwise a line
//! every few seconds, for logs.

use std::io::{self, IsTerminal, Stderr, Write};
use std::time::{Duration, Instant};

/// The shortest time between two lines of a log.
const LOG: Duration = Duration::from_secs(5);

/// The shortest time between two states on a terminal.
const TERMINAL: Duration = Duration::from_millis(100);

/// Tells how much of something is done. What cannot be written is not worth an error.
pub(super) struct Progress<W: Write = Stderr> {
    output: W,
    is_terminal: bool,
    /// What is counted, with a verb: "secrets re-sealed".
    what: &'static str,
    begun: Instant,
    told: Instant,
    is_line_open: bool,
}

impl Progress {
    /// On standard error: what a command prints stays its own.
    pub(super) fn of(what: &'static str) -> Self {
        let output = io::stderr();
        let is_terminal = output.is_terminal();
        Self::new(what, output, is_terminal, Instant::now())
    }

    /// So many are done, of so many in all.
    pub(super) fn tell(&mut self, done: u64, all: u64) {
        self.tell_at(Instant::now(), done, all);
    }

    /// Something beside how far it is, in a line of its own.
    pub(super) fn say(&mut self, text: &str) {
        let clear = if self.is_line_open { "\r\x1b[K" } else { "" };
        let _ = writeln!(self.output, "{clear}{text}");
        self.is_line_open = false;
    }

    /// The time since it began.
    pub(super) fn passed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whatever `line` says after the time that has passed.
    pub(super) fn tell_line(&mut self, line: impl FnOnce(Duration) -> String) {
        self.line_at(Instant::now(), line);
    }
}

impl<W: Write> Progress<W> {
    fn new(what: &'static str, output: W, is_terminal: bool, begun: Instant) -> Self {
        Self {
            output,
            is_terminal,
            what,
            begun,
            told: begun,
            is_line_open: false,
        }
    }

    fn tell_at(&mut self, now: Instant, done: u64, all: u64) {
        let what = self.what;
        self.line_at(now, |passed| {
            let left = left(passed, done, all);
            format!("{} of {} {what}{left}", grouped(done), grouped(all))
        });
    }

    fn line_at(&mut self, now: Instant, line: impl FnOnce(Duration) -> String) {
        let pause = if self.is_terminal { TERMINAL } else { LOG };
        if now.duration_since(self.told) < pause {
            return;
        }
        self.told = now;
        let line = line(now.duration_since(self.begun));
        let _ = if self.is_terminal {
            self.is_line_open = true;
            write!(self.output, "\r{line}\x1b[K")
        } else {
            writeln!(self.output, "{line}")
        };
        let _ = self.output.flush();
    }
}

/// The last state must not stand before what the command prints.
impl<W: Write> Drop for Progress<W> {
    fn drop(&mut self) {
        if self.is_line_open {
            let _ = write!(self.output, "\r\x1b[K");
            let _ = self.output.flush();
        }
    }
}

/// The time that the rest takes if it goes on like this.
pub(super) fn left(passed: Duration, done: u64, all: u64) -> String {
    let rest = u128::from(all.saturating_sub(done));
    let Some(milliseconds) = (passed.as_millis() * rest).checked_div(u128::from(done)) else {
        return String::new();
    };
    match milliseconds.div_ceil(1000) {
        0 => String::new(),
        seconds @ 1..90 => format!(", about {seconds} s left"),
        seconds @ 90..5400 => format!(", about {} min left", seconds.div_ceil(60)),
        seconds => format!(", about {} h left", seconds.div_ceil(3600)),
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Progress, grouped};

    /// What is written of these states, each after so many milliseconds.
    fn written(is_terminal: bool, states: &[(u64, u64)]) -> String {
        let begun = Instant::now();
        let mut output = Vec::new();
        let mut progress = Progress::new("tenants copied", &mut output, is_terminal, begun);
        for (after, done) in states {
            progress.tell_at(begun + Duration::from_millis(*after), *done, 12_000);
        }
        drop(progress);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_log_gets_a_line_every_few_seconds_with_an_estimate() {
        let states = [
            (10, 1),
            (5_000, 100),
            (6_000, 200),
            (10_000, 6_000),
            (20_000, 12_000),
        ];
        assert_eq!(
            written(false, &states),
            "100 of 12,000 tenants copied, about 10 min left\n\
             6,000 of 12,000 tenants copied, about 10 s left\n\
             12,000 of 12,000 tenants copied\n"
        );
    }

    #[test]
    fn a_short_command_tells_nothing() {
        assert_eq!(written(false, &[(10, 1), (4_999, 11_999)]), "");
        assert_eq!(written(true, &[(10, 12_000)]), "");
    }

    #[test]
    fn a_terminal_has_one_line_that_is_gone_at_the_end() {
        assert_eq!(
            written(true, &[(100, 0), (150, 1), (60_000, 1)]),
            "\r0 of 12,000 tenants copied\x1b[K\
             \r1 of 12,000 tenants copied, about 200 h left\x1b[K\
             \r\x1b[K"
        );
    }

    #[test]
    fn thousands_are_apart() {
        let numbers = [0, 7, 999, 1_000, 45_678, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "7", "999", "1,000", "45,678", "1,234,567"]);
    }
}
