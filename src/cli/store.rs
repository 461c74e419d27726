//! `openlines store`.

mod copy;

use clap::Subcommand;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Copy a store into an empty database of either kind, with all secrets sealed as they are. The
    /// services of both must be stopped. If it is broken off, run it again.
    Copy(copy::Arguments),
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Copy(arguments) => copy::run(arguments).await,
    }
}
