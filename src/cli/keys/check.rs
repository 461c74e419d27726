//! `openlines keys check`: reads a callers file as the service does.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::auth::{CallersFile, ConfiguredCaller};
use crate::cli::Failure;

/// Lists the callers of a file with their credentials, or fails with all errors of the file.
pub(super) fn check(path: PathBuf, output: &mut impl Write) -> Result<(), Failure> {
    let callers = CallersFile::alone(path).read()?;
    for caller in &callers {
        list(caller, output)?;
    }
    let counted = match callers.len() {
        1 => "1 caller".to_owned(),
        other => format!("{other} callers"),
    };
    writeln!(output, "The file is valid and has {counted}.")?;
    if callers.iter().any(|caller| !caller.tokens.is_empty()) {
        writeln!(
            output,
            "Not checked here: each issuer must be one of auth.issuers."
        )?;
    }
    Ok(())
}

fn list(caller: &ConfiguredCaller, output: &mut impl Write) -> io::Result<()> {
    let manages = if caller.manages_tenants {
        ", manages them"
    } else {
        ""
    };
    writeln!(
        output,
        "{}: tenants {}{manages}; methods {}",
        caller.name, caller.grants, caller.methods
    )?;
    for key in &caller.keys {
        match key.expires {
            None => writeln!(output, "  key {}, does not expire", key.entry.id())?,
            Some(moment) => writeln!(output, "  key {}, expires {moment}", key.entry.id())?,
        }
    }
    for token in &caller.tokens {
        writeln!(output, "  token of {}: {}", token.issuer, token.subject)?;
    }
    for uri in &caller.certificates {
        writeln!(output, "  certificate {uri}")?;
    }
    Ok(())
}
