//! `openlines`: one file for each command.

mod demo;
mod health;
pub mod keys;
mod sandbox;
mod serve;
mod tenants;

use std::error::Error;
use std::future::pending;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::AppError;
use crate::settings::SettingErrors;
use crate::telemetry::chain;

/// The exit code for faults of settings and of the command line (`EX_USAGE` of sysexits).
const EXIT_USAGE: u8 = 64;

/// The exit code after the failure of a task that the service cannot do without (`EX_SOFTWARE` of
/// sysexits).
const EXIT_SOFTWARE: u8 = 70;

/// Sends messages into Bitrix24 open channels, for many portals at once, over gRPC.
#[derive(Debug, Parser)]
#[command(name = "openlines", version)]
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
    Sandbox(sandbox::Arguments),
    /// Ask a running service whether it serves.
    Health(health::Arguments),
    /// Manage the tenants of a running service.
    Tenants(Box<tenants::Arguments>),
    /// Make API keys for callers, and make and change the keys that seal the store.
    #[command(subcommand)]
    Keys(keys::Command),
}

impl Cli {
    /// Reads the command line, and runs the command it names.
    pub fn main() -> ExitCode {
        match Self::try_parse() {
            Ok(cli) => cli.run(),
            Err(told) => {
                // The output may be closed.
                let _ = told.print();
                if told.use_stderr() {
                    ExitCode::from(EXIT_USAGE)
                } else {
                    ExitCode::SUCCESS
                }
            }
        }
    }

    /// Runs the command and tells its failure on standard error.
    fn run(self) -> ExitCode {
        let done = match self.command {
            Command::Serve(arguments) => in_runtime(serve::run(arguments)),
            Command::Demo(arguments) => in_runtime(demo::run(arguments)),
            Command::Sandbox(arguments) => in_runtime(sandbox::run(arguments)),
            Command::Health(arguments) => in_runtime(health::run(arguments)),
            Command::Tenants(arguments) => in_runtime(tenants::run(*arguments)),
            Command::Keys(command) => in_runtime(keys::run(command)),
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                // Standard error may be closed.
                let _ = writeln!(io::stderr(), "openlines: {}", chain(error.as_ref()));
                exit_code(&error)
            }
        }
    }
}

fn exit_code(error: &Failure) -> ExitCode {
    let is_usage = error.is::<SettingErrors>()
        || error.is::<sandbox::NotLoopback>()
        || error.is::<tenants::Usage>()
        || error.is::<keys::Misused>();
    let has_task_failed = matches!(error.downcast_ref(), Some(AppError::Task(_)));
    if is_usage {
        ExitCode::from(EXIT_USAGE)
    } else if has_task_failed {
        ExitCode::from(EXIT_SOFTWARE)
    } else {
        ExitCode::FAILURE
    }
}

/// The failure of a command. It is printed and ends the process.
type Failure = Box<dyn Error + Send + Sync>;

fn in_runtime(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    Runtime::new()?.block_on(command)
}

/// Completes on SIGTERM and on Ctrl-C. From this call on neither ends the process, even before the
/// first poll.
fn stop_signal() -> impl Future<Output = ()> {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [terminate, interrupt] = signals.map(async |signal| match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => pending().await,
    });
    async {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
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
