//! Log lines on their way to standard error.
//!
//! Whoever logs never waits for whoever reads the log: lines go into a buffer with a bound, and a
//! thread of its own writes them, many at once. What does not fit is lost and counted
//! (docs/adr/0032).

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

use super::{AUDIT, AUDIT_SENDS};

/// How long the first line waits for others to be written with it. At 64 calls in progress some
/// hundred lines are one system call; a person does not notice the delay.
const LINGER: Duration = Duration::from_millis(10);

/// The size of one write, in bytes: what a pipe holds.
const WRITE: usize = 64 * 1024;

/// The memory that an empty buffer keeps, in bytes.
const KEPT: usize = 256 * 1024;

/// The lines that the process has lost.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many log lines the process has lost, because nobody read them in time.
pub(crate) fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// The way of log lines to an output. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lines(Arc<Shared>);

/// The writer of one line.
#[derive(Debug)]
pub(crate) struct Line<'a> {
    lines: &'a Lines,
    /// How full the buffer may be with it.
    limit: usize,
}

#[derive(Debug)]
struct Shared {
    /// The size of the lines that are not written yet, in bytes.
    capacity: usize,
    state: Mutex<State>,
    /// There is something to write at once.
    wake: Condvar,
    /// Everything is written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// The part of the lines that the thread has taken and not written yet, in bytes.
    being_written: usize,
    /// Lines that were lost since the log said so.
    lost: u64,
    /// The thread waits for a line.
    is_idle: bool,
    /// Somebody waits until everything is written.
    is_hurried: bool,
}

impl Lines {
    /// Lines to standard error, and not through the lock that the whole process shares: its holder
    /// may be stuck.
    ///
    /// # Errors
    ///
    /// The process may have no more threads or files.
    pub(crate) fn to_stderr(capacity: usize) -> io::Result<Self> {
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        Self::to(File::from(stderr), capacity)
    }

    fn to(output: impl Write + Send + 'static, capacity: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            capacity,
            state: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
        });
        let lines = Self(Arc::clone(&shared));
        let writing = thread::Builder::new().name("log".to_owned());
        writing.spawn(move || shared.write_to(output))?;
        Ok(lines)
    }

    /// Waits until everything is written, at most for `timeout`. Returns whether it is.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let Self(shared) = self;
        let mut state = shared.lock();
        state.is_hurried = true;
        shared.wake.notify_one();
        let waited = shared
            .written
            .wait_timeout_while(state, timeout, |state| !state.is_written());
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.is_hurried = false;
        state.is_written()
    }
}

impl State {
    fn is_written(&self) -> bool {
        self.waiting.is_empty() && self.being_written == 0
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, line: &[u8], limit: usize) {
        let mut state = self.lock();
        if state.waiting.len() + state.being_written + line.len() > limit {
            state.lost += 1;
            LOST.fetch_add(1, Ordering::Relaxed);
            return;
        }
        state.waiting.extend_from_slice(line);
        if mem::take(&mut state.is_idle) {
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Writes until the process ends.
    fn write_to(&self, mut output: impl Write) {
        let mut taken = Vec::new();
        loop {
            let lost = self.take(&mut taken);
            if lost > 0 {
                tracing::warn!(
                    lines = lost,
                    "log lines were lost, because nobody read the log"
                );
            }
            for part in taken.chunks(WRITE) {
                if write(&mut output, part).is_err() {
                    // Nobody will ever read it. Lines are counted only.
                    let ends = part.iter().filter(|byte| **byte == b'\n').count();
                    LOST.fetch_add(u64::try_from(ends).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
                self.lock().being_written -= part.len();
            }
            taken.clear();
            taken.shrink_to(KEPT);
        }
    }

    /// Waits for lines, takes them all, and returns how many were lost after them.
    fn take(&self, taken: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            self.written.notify_all();
            state.is_idle = true;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.is_idle = false;
        let lingered = self
            .wake
            .wait_timeout_while(state, LINGER, |state| !state.is_hurried);
        let (mut state, _) = lingered.unwrap_or_else(PoisonError::into_inner);
        mem::swap(&mut state.waiting, taken);
        state.being_written = taken.len();
        mem::take(&mut state.lost)
    }
}

/// Writes all of it, also to an output that another process has made non-blocking.
fn write(output: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(LINGER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        let limit = self.0.capacity / 4 * 3;
        Line { lines: self, limit }
    }

    /// A quarter of the buffer is for warnings, errors and audit lines.
    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        let is_audit = [AUDIT, AUDIT_SENDS].contains(&metadata.target());
        if *metadata.level() <= Level::WARN || is_audit {
            let limit = self.0.capacity;
            Line { lines: self, limit }
        } else {
            self.make_writer()
        }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.lines.0.add(line, self.limit);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Lines into a pipe that is full already.
    fn into_a_full_pipe(capacity: usize) -> (Lines, PipeReader) {
        let (reader, mut writer) = io::pipe().unwrap();
        writer.write_all(&[b'.'; WRITE]).unwrap();
        let lines = Lines::to(writer, capacity).unwrap();
        (lines, reader)
    }

    #[test]
    fn lines_are_written_in_order_and_flushed() {
        let (mut reader, writer) = io::pipe().unwrap();
        let lines = Lines::to(writer, 10_000).unwrap();
        let expected: String = (0..100).map(|number| format!("{number}\n")).collect();
        for line in expected.split_inclusive('\n') {
            lines.make_writer().write_all(line.as_bytes()).unwrap();
        }
        assert!(lines.flush(PATIENCE));
        let mut read = vec![0; expected.len()];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(String::from_utf8(read).unwrap(), expected);
    }

    #[test]
    fn an_output_that_nobody_reads_costs_lines_and_no_time() {
        let (lines, mut reader) = into_a_full_pipe(1000);
        let before = lost_lines();
        for _ in 0..100 {
            lines.make_writer().write_all(&[b'x'; 100]).unwrap();
        }
        // Three quarters of the buffer are full.
        assert!(lost_lines() >= before + 93, "{before} {}", lost_lines());
        assert!(!lines.flush(Duration::from_millis(10)));
        let mut read = vec![0; WRITE + 700];
        reader.read_exact(&mut read).unwrap();
        assert!(read.ends_with(&[b'x'; 700]) && read[WRITE - 1] == b'.');
        assert!(lines.flush(PATIENCE));
    }

    #[test]
    fn an_output_that_is_closed_costs_lines_and_no_time() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let lines = Lines::to(writer, 1000).unwrap();
        let before = lost_lines();
        for _ in 0..3 {
            lines.make_writer().write_all(b"nobody\n").unwrap();
            assert!(lines.flush(PATIENCE));
        }
        assert!(lost_lines() >= before + 3);
    }
}
