//! `openlines store copy`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::cli::usage::Usage;
use store::{CopyStep, StoreCopy, StoreUrl};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The store to copy: `sqlite:PATH` or `postgresql://…`. Other users of the machine can see
    /// arguments: if it has a password, use the file.
    // clap would quote a text that the parser refuses, so it refuses none.
    #[arg(long, value_name = "URL", conflicts_with = "from_file", value_parser = secret)]
    from: Option<SecretString>,
    /// A file with the URL of the store to copy.
    #[arg(long, value_name = "FILE", required_unless_present = "from")]
    from_file: Option<PathBuf>,
    /// The store to copy into. It must be empty, or a file that does not exist.
    #[arg(long, value_name = "URL", conflicts_with = "to_file", value_parser = secret)]
    to: Option<SecretString>,
    /// A file with the URL of the store to copy into.
    #[arg(long, value_name = "FILE", required_unless_present = "to")]
    to_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let from = url(
        ("--from", arguments.from),
        ("--from-file", arguments.from_file),
    )?;
    let to = url(("--to", arguments.to), ("--to-file", arguments.to_file))?;
    let copy = StoreCopy::open(&from, &to).await?;
    let mut output = io::stdout();
    if copy.is_resumed() {
        writeln!(output, "Going on with the copy that was broken off.")?;
        output.flush()?;
    }
    let mut copied = Progress::of("rows copied");
    let mut compared = Progress::of("rows compared");
    let tables = copy
        .run(|step, done, all| match step {
            CopyStep::Copy => copied.tell(done, all),
            CopyStep::Compare => compared.tell(done, all),
        })
        .await?;
    drop((copied, compared));
    for table in tables {
        writeln!(output, "{table}")?;
    }
    writeln!(
        output,
        "{to} is a copy of {from}. Services can use it, with the same keyring. Start none on {from} any more: its \
         refresh tokens are used up as soon as the copy refreshes one."
    )?;
    Ok(output.flush()?)
}

fn url(
    (option, text): (&str, Option<SecretString>),
    (file_option, file): (&str, Option<PathBuf>),
) -> Result<StoreUrl, Usage> {
    let (name, text) = match (text, file) {
        (Some(text), _) => (option.to_owned(), text),
        (None, Some(file)) => content(file_option, &file)?,
        (None, None) => return Err(Usage(format!("give {option} or {file_option}"))),
    };
    StoreUrl::parse(text.expose_secret().trim()).map_err(|error| Usage(format!("{name} {error}")))
}

fn content(option: &str, file: &Path) -> Result<(String, SecretString), Usage> {
    let name = format!("{option} ({})", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => Ok((name, text.into())),
        Err(error) => Err(Usage(format!("{name} cannot be read: {}", error.kind()))),
    }
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}
