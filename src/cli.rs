//! `openlines`: one file for each command.

mod api;
mod demo;
mod health;
pub mod keys;
mod manual;
mod progress;
mod sandbox;
mod send;
mod serve;
mod service;
mod settings;
mod signals;
mod store;
mod tenants;
mod usage;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;

use self::signals::StopSignals;
use crate::app::AppError;
use crate::settings::SettingErrors;
use crate::telemetry::{chain, last_line};
use crate::version;

/// The exit code for faults of settings and of the command line (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

/// The exit code after the failure of a task that the service cannot do without (`EX_SOFTWARE` of
/// sysexits).
const EXIT_SOFTWARE: u8 = 70;

/// The exit code of a command that a signal has ended, and that goes on when it is run again
/// (`EX_TEMPFAIL` of sysexits).
const EXIT_TEMPORARY: u8 = 75;

/// How long the last line may take to be written. A standard error that nobody reads must not keep
/// the process from ending; a machine that is busy must not lose the line.
const LAST_LINE: Duration = Duration::from_secs(2);

/// The same for an end at once, which has half a second in all.
const LAST_LINE_AT_ONCE: Duration = Duration::from_millis(100);

/// How long the end waits for what cannot be cancelled: a file or a name that is being looked up.
/// Nothing depends on it any more.
const LAST_LOOKUPS: Duration = Duration::from_millis(50);

/// Sends messages into Bitrix24 open channels, for many portals at once, over gRPC.
#[derive(Debug, Parser)]
#[command(name = "openlines", version = version::LINE)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::Arguments),
    /// Start a sandbox portal and the service, send a few messages, and keep serving.
    Demo(demo::Arguments),
    /// Run a simulated Bitrix24 portal, to test clients against.
    Sandbox(Box<sandbox::Arguments>),
    /// Ask a running service whether it serves.
    Health(health::Arguments),
    /// Write the API's descriptors, for `grpcurl -protoset` and other tools.
    Api,
    /// Send the messages of a file through a running service, and resume.
    Send(Box<send::Arguments>),
    /// Manage the tenants of a running service.
    Tenants(Box<tenants::Arguments>),
    /// Make API keys for callers, and make and change the keys that seal the store.
    #[command(subcommand)]
    Keys(keys::Command),
    /// Move a store into another database.
    #[command(subcommand)]
    Store(store::Command),
    /// Tell editors about the files that operators write.
    #[command(subcommand)]
    Settings(settings::Command),
    /// Print the completions of a shell.
    Completions(manual::CompletionsArguments),
    /// Write the manual pages.
    Man(manual::ManArguments),
}

impl Cli {
    /// Reads the command line, and runs the command it names.
    pub fn main() -> ExitCode {
        let signals = StopSignals::block();
        match Self::try_parse() {
            Ok(cli) => cli.run(signals),
            Err(told) => {
                let code = if told.use_stderr() {
                    ExitCode::from(EXIT_USAGE)
                } else {
                    ExitCode::SUCCESS
                };
                write_last(LAST_LINE, move || told.print());
                code
            }
        }
    }

    /// Runs the command and tells its failure on standard error.
    fn run(self, signals: io::Result<StopSignals>) -> ExitCode {
        let is_logged = self.command.is_logged();
        match signals
            .map_err(Failure::from)
            .and_then(|signals| self.command.run(signals))
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let code = exit_code(&error);
                let failure = chain(error.as_ref());
                let line = if is_logged {
                    last_line(&failure)
                } else {
                    format!("openlines: {failure}\n")
                };
                let patience = if error.is::<serve::StoppedAtOnce>() {
                    LAST_LINE_AT_ONCE
                } else {
                    LAST_LINE
                };
                write_last(patience, move || io::stderr().write_all(line.as_bytes()));
                code
            }
        }
    }
}

impl Command {
    /// Whether what it says belongs to a log.
    fn is_logged(&self) -> bool {
        matches!(self, Self::Serve(arguments) if !arguments.check)
    }

    fn run(self, signals: StopSignals) -> Result<(), Failure> {
        match self {
            Self::Serve(arguments) => in_runtime(serve::run(arguments, signals.watch()?)),
            Self::Demo(arguments) => in_runtime(demo::run(arguments, signals.watch()?)),
            Self::Sandbox(arguments) => in_runtime(sandbox::run(*arguments, signals.watch()?)),
            Self::Health(arguments) => {
                signals.release()?;
                in_runtime(health::run(arguments))
            }
            Self::Api => {
                signals.release()?;
                api::run()
            }
            Self::Send(arguments) => in_runtime(send::run(*arguments, signals.watch()?)),
            Self::Tenants(arguments) => {
                signals.release()?;
                in_runtime(tenants::run(*arguments))
            }
            Self::Keys(command) => {
                signals.release()?;
                in_runtime(keys::run(command))
            }
            Self::Store(command) => {
                signals.release()?;
                in_runtime(store::run(command))
            }
            Self::Settings(command) => {
                signals.release()?;
                settings::run(&command)
            }
            Self::Completions(arguments) => {
                signals.release()?;
                manual::completions(&arguments)
            }
            Self::Man(arguments) => {
                signals.release()?;
                manual::man(&arguments)
            }
        }
    }
}

/// Writes the last line of the process, and does not wait for it longer than this.
fn write_last(patience: Duration, write: impl FnOnce() -> io::Result<()> + Send + 'static) {
    let (done, written) = mpsc::channel();
    let writing = thread::Builder::new().spawn(move || {
        // The output may be closed.
        let _ = write();
        let _ = done.send(());
    });
    if writing.is_ok() {
        let _ = written.recv_timeout(patience);
    }
}

fn exit_code(error: &Failure) -> ExitCode {
    let is_usage = error.is::<SettingErrors>()
        || error.is::<api::IsTerminalError>()
        || error.is::<sandbox::NotLoopback>()
        || error.is::<usage::Usage>()
        || error.is::<keys::Misused>();
    let has_task_failed = matches!(error.downcast_ref(), Some(AppError::Task(_)));
    if is_usage {
        ExitCode::from(EXIT_USAGE)
    } else if has_task_failed {
        ExitCode::from(EXIT_SOFTWARE)
    } else if error.is::<send::Stopped>() {
        ExitCode::from(EXIT_TEMPORARY)
    } else {
        ExitCode::FAILURE
    }
}

/// The failure of a command. It is printed and ends the process.
type Failure = Box<dyn Error + Send + Sync>;

fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = Runtime::new()?;
    let done = runtime.block_on(command);
    runtime.shutdown_timeout(LAST_LOOKUPS);
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::TaskFailed;

    #[test]
    fn a_failed_task_has_an_exit_code_of_its_own() {
        let failed = AppError::from(TaskFailed {
            name: "heartbeats",
            has_panicked: true,
        });
        let text = "the task `heartbeats` has panicked, which the service cannot do without";
        assert_eq!(failed.to_string(), text);
        let codes = [Failure::from(failed), "anything else".into()];
        let codes = codes.map(|failure| format!("{:?}", exit_code(&failure)));
        let expected = [ExitCode::from(EXIT_SOFTWARE), ExitCode::FAILURE];
        assert_eq!(codes, expected.map(|code| format!("{code:?}")));
    }
}
