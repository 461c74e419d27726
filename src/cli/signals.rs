//! SIGTERM and Ctrl-C.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::stop::Stop;

/// The handlers of both signals. From their installation on no signal is lost: what arrives is
/// kept until one of the methods is called.
#[derive(Debug)]
pub(super) struct StopSignals(Signals);

impl StopSignals {
    /// Installs the handlers. The first thing that the process does: as process 1 of a container it
    /// would not even notice a signal without a handler.
    pub(super) fn install() -> io::Result<Self> {
        Signals::new([SIGTERM, SIGINT]).map(Self)
    }

    /// The first signal requests a shutdown, the second that it ends at once. The third ends the
    /// process, whatever it does.
    pub(super) fn watch(self) -> io::Result<Stop> {
        let stop = Stop::default();
        let requested = stop.clone();
        self.each(move |number, signal| match number {
            1 | 2 => requested.request(),
            _ => end_the_process(signal),
        })?;
        Ok(stop)
    }

    /// Each signal ends the process, as it does without handlers.
    pub(super) fn release(self) -> io::Result<()> {
        self.each(|_, signal| end_the_process(signal))
    }

    /// In a thread, because the runtime may be busy or not there yet.
    fn each(mut self, act: impl Fn(u32, i32) + Send + 'static) -> io::Result<()> {
        let watch = move || {
            for (number, signal) in (1..).zip(self.0.forever()) {
                act(number, signal);
            }
        };
        let watching = thread::Builder::new().name("signals".to_owned());
        watching.spawn(watch).map(drop)
    }
}

fn end_the_process(signal: i32) {
    // It fails for signals only that end no process.
    let _ = emulate_default_handler(signal);
}
