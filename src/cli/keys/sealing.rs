//! `openlines keys new-sealing-key`.

use std::io::Write;

use secrecy::ExposeSecret;

use super::Error;
use store::sealing::Key;

/// Prints a new sealing key with instructions as comments, so the whole output is a keyring file.
pub(super) fn new(output: &mut impl Write) -> Result<(), Error> {
    let key = Key::generate()?;
    write!(
        output,
        "# Sealing key {id}, shown only once. Save it in a file that only the service can read: the keyring.\n\
         # Set store.keyring_file (OPENLINES_STORE_KEYRING_FILE) to that file. The first key seals, all keys open.\n\
         # Keep a copy apart from the backups of the store: without it, sealed secrets are lost.\n\
         # To replace another key, see docs/keys.md.\n\
         {key}\n",
        id = key.id(),
        key = key.expose().expose_secret(),
    )?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::new;
    use store::Keyring;

    #[test]
    fn what_is_printed_is_a_keyring_file() {
        let mut output = Vec::new();
        new(&mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        let ids = Keyring::parse(&output).unwrap().ids();
        assert_eq!(ids.len(), 1);
        assert!(output.starts_with(&format!("# Sealing key {}", ids[0])));
    }

    #[test]
    fn an_output_that_is_closed_is_an_error() {
        let mut full: &mut [u8] = &mut [0; 8];
        assert!(new(&mut full).is_err());
    }
}
