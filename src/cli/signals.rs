//! SIGTERM and Ctrl-C.
//!
//! They are blocked, and a thread waits for them. A blocked signal stays with the kernel until
//! somebody takes it, also in process 1 of a container. A handler would miss what arrives while it
//! is being installed, and until then process 1 would ignore it.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, raise};

use crate::stop::Stop;

/// Signals that follow one within this time are that one again. Supervisors send it to a process
/// and to its group, as `timeout` does, and wrappers pass on what the terminal has sent already.
const SAME_REQUEST: Duration = Duration::from_millis(500);

/// Both signals, blocked: none is lost, and none does anything until one of the methods is called.
#[derive(Debug)]
pub(super) struct StopSignals(SigSet);

impl StopSignals {
    /// Blocks the signals for this thread and for all that it starts. The first thing that the
    /// process does.
    pub(super) fn block() -> io::Result<Self> {
        let signals = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT]);
        signals.thread_block()?;
        Ok(Self(signals))
    }

    /// The first signal requests a shutdown, the second that it ends at once. The third ends the
    /// process, whatever it does.
    pub(super) fn watch(self) -> io::Result<Stop> {
        let stop = Stop::default();
        let requested = stop.clone();
        // Not in the runtime, which may be busy or not there yet.
        let watching = thread::Builder::new().name("signals".to_owned());
        watching.spawn(move || {
            let mut last = None;
            for _ in 0..2 {
                self.wait(&mut last);
                requested.request();
            }
            let signal = self.wait(&mut last);
            if self.0.thread_unblock().is_ok() {
                let _ = raise(signal);
            }
        })?;
        Ok(stop)
    }

    /// The next signal that is a request of its own. `last` is when the one before it was taken.
    fn wait(&self, last: &mut Option<Instant>) -> Signal {
        loop {
            // It fails for an invalid set only.
            let Ok(signal) = self.0.wait() else { continue };
            if last.is_none_or(|last| last.elapsed() >= SAME_REQUEST) {
                *last = Some(Instant::now());
                return signal;
            }
        }
    }

    /// Each signal ends the process, as usual; one that has arrived does at once.
    pub(super) fn release(self) -> io::Result<()> {
        Ok(self.0.thread_unblock()?)
    }
}
