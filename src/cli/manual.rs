//! `openlines completions` and `openlines man`: what a shell and `man` know of the command line.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Failure};

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// The folder to write the pages into, one for each command.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Prints the script that a shell reads.
pub(super) fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "openlines",
        &mut script,
    );
    let mut output = io::stdout().lock();
    output.write_all(&script)?;
    Ok(output.flush()?)
}

/// Writes a page for `man` for each command.
pub(super) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), folder))
        .map_err(|error| format!("{}: {}", folder.display(), error.kind()))?;
    Ok(())
}
