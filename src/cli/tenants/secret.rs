//! Secrets on the command line: files, never arguments, which every user of the machine can see.

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::usage::Usage;

/// Largest file that is read, in bytes: a secret has at most 4096.
const LARGEST: u64 = 64 * 1024;

/// Whether standard input has been read: it can give one secret only.
static STANDARD_INPUT_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Reads the secret in a file, or for `-` on standard input. Trailing line ends do not count: most
/// editors write one.
pub(super) fn read(option: &str, file: &Path) -> Result<String, Usage> {
    let text = if file == Path::new("-") {
        if STANDARD_INPUT_IS_TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Usage(format!(
                "{option} -: another option reads standard input already"
            )));
        }
        bounded(io::stdin().lock())
    } else {
        std::fs::File::open(file).and_then(bounded)
    };
    let text = text.map_err(|error| {
        Usage(format!(
            "{option} {}: cannot be read ({})",
            file.display(),
            error.kind()
        ))
    })?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Usage(format!("{option} {}: is empty", file.display())));
    }
    Ok(secret.to_owned())
}

fn bounded(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let read = source.take(LARGEST + 1).read_to_string(&mut text)?;
    if u64::try_from(read).is_ok_and(|read| read <= LARGEST) {
        Ok(text)
    } else {
        Err(io::ErrorKind::FileTooLarge.into())
    }
}
