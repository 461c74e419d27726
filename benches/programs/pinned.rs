//! Which processor a program runs on.

use std::process::Command;

/// The processor of the program that is measured, alone.
const MEASURED: &str = "0";
/// That of the load and the upstream.
const OTHER: &str = "1";

/// The beginning of a command that runs a program on the processor of the measured.
pub(crate) fn command(program: &str) -> Command {
    command_on(MEASURED, program)
}

/// The same on this list of processors.
pub(crate) fn command_on(processors: &str, program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processors, program]);
    command
}

/// Moves this thread, and what it starts from now on, to the processor of the load.
pub(crate) fn move_to_the_other() {
    move_to(OTHER);
}

/// Takes that back.
pub(crate) fn move_to_both() {
    move_to(&format!("{MEASURED},{OTHER}"));
}

fn move_to(processors: &str) {
    let done = Command::new("taskset")
        .args(["--pid", "--cpu-list", processors])
        .arg(std::process::id().to_string())
        .output()
        .unwrap();
    assert!(done.status.success(), "two processors are needed: {done:?}");
}
