//! `openlines settings`.

use std::io::{self, Write};

use clap::Subcommand;

use super::Failure;
use crate::app::OperatorsFile;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the JSON Schema of the settings file, the callers file or the tenants file, for
    /// editors.
    Schema {
        /// The file.
        #[arg(value_enum, value_name = "FILE", default_value = "settings")]
        file: OperatorsFile,
    },
}

pub(super) fn run(command: &Command) -> Result<(), Failure> {
    let Command::Schema { file } = command;
    let mut output = io::stdout().lock();
    writeln!(output, "{:#}", file.schema())?;
    Ok(output.flush()?)
}
