//! `openlines serve --check --store`: what is in the store, and whether the service would start.

use std::fmt::Write as _;
use std::io::{self, Write};

use store::{Found, Inspection, Keyring};
use thiserror::Error;

use crate::app::StoreSettings;
use crate::cli::Failure;
use crate::cli::progress::grouped;

#[derive(Debug, Error)]
enum NotUsable {
    #[error(
        "the service would not start: the keyring lacks keys that seal secrets in the store; add them after the \
         first one"
    )]
    MissingKeys,
    #[error("the service would not start: the store takes no writes")]
    ReadOnly,
}

/// Looks at the store and prints what it found.
pub(super) async fn check(settings: &StoreSettings) -> Result<(), Failure> {
    let found = Inspection::of(&settings.url).await?;
    let mut text = format!("The store {} can be reached.\n", settings.url);
    let problem = match &found {
        Inspection::Empty => {
            text.push_str("  It is empty: the service creates its tables.\n");
            None
        }
        Inspection::Found(found) => {
            describe(&mut text, found, &settings.keyring);
            problem(found, &settings.keyring)
        }
    };
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    problem.map_or(Ok(()), |problem| Err(problem.into()))
}

fn describe(text: &mut String, found: &Found, keyring: &Keyring) {
    let Found {
        version,
        known,
        tenants,
        keys,
        serving,
        is_read_only: _,
    } = found;
    // Writing into a text cannot fail, here and below.
    let _ = if version == known {
        writeln!(text, "  tables: version {version}, that of this program")
    } else {
        writeln!(
            text,
            "  tables: version {version}; the service changes them to version {known}"
        )
    };
    let _ = writeln!(
        text,
        "  tenants: {}, of which {} are disabled and {} need reauthorization",
        grouped(tenants.tenants),
        grouped(tenants.disabled),
        grouped(tenants.reauthorization_required),
    );
    let first = keyring.first();
    let _ = writeln!(
        text,
        "  keyring: {first} seals, {} keys open",
        keyring.ids().len()
    );
    for (id, secrets) in keys {
        let has = if keyring.holds(id) {
            ""
        } else {
            ", and is MISSING in the keyring"
        };
        let _ = writeln!(text, "  key {id}: seals {} secrets{has}", grouped(*secrets));
    }
    let _ = if serving.is_empty() {
        writeln!(text, "  no service runs on it")
    } else {
        writeln!(
            text,
            "  services that run on it: {}, on {}",
            serving.len(),
            serving.join(", ")
        )
    };
}

fn problem(found: &Found, keyring: &Keyring) -> Option<NotUsable> {
    if found.keys.iter().any(|(id, _)| !keyring.holds(id)) {
        return Some(NotUsable::MissingKeys);
    }
    found.is_read_only.then_some(NotUsable::ReadOnly)
}
