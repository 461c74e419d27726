//! `openlines`: parses the command line, runs one command, turns its error into an exit code.

use std::process::ExitCode;

use bitrix24_openlines::cli::Cli;

/// The service allocates many small, short-lived objects on several threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    Cli::main()
}
