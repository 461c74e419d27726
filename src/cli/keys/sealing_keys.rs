//! `openlines keys sealing-keys`.

use std::collections::BTreeMap;
use std::io::Write;

use super::StoreArguments;
use crate::cli::Failure;
use store::sealing::{KeyId, Keyring};

/// Shows how many secrets each key seals, and which keys may be removed.
pub(super) async fn show(
    arguments: StoreArguments,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let (store, keyring) = arguments.open().await?;
    let used = store.key_use().await?;
    output.write_all(table(used, &keyring).as_bytes())?;
    output.flush()?;
    Ok(())
}

fn table(used: Vec<(KeyId, u64)>, keyring: &Keyring) -> String {
    let mut used: BTreeMap<KeyId, u64> = used.into_iter().collect();
    let first = keyring.first();
    let mut lines = vec![line("KEY", "SECRETS", "KEYRING")];
    let mut removable = Vec::new();
    let mut old = 0_u64;
    for id in keyring.ids() {
        let secrets = used.remove(&id).unwrap_or(0);
        let role = if id == first { "first, seals" } else { "opens" };
        lines.push(line(id.as_str(), &secrets.to_string(), role));
        if id != first {
            old = old.saturating_add(secrets);
            if secrets == 0 {
                removable.push(id.to_string());
            }
        }
    }
    for (id, secrets) in &used {
        lines.push(line(id.as_str(), &secrets.to_string(), "MISSING"));
    }
    lines.push(String::new());
    if !used.is_empty() {
        lines.push(
            "The service does not start without the missing keys: add them after the first one."
                .to_owned(),
        );
    }
    if old > 0 {
        lines.push(format!(
            "Run `openlines keys reseal` to re-seal {old} secrets with the first key."
        ));
    }
    lines.push(if removable.is_empty() {
        "No key may be removed from the keyring.".to_owned()
    } else {
        format!(
            "May be removed once every running service has {first} first: {}",
            removable.join(", ")
        )
    });
    lines.join("\n") + "\n"
}

fn line(id: &str, secrets: &str, keyring: &str) -> String {
    format!("{id:<12}  {secrets:>9}  {keyring}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::table;
    use store::sealing::{KeyId, Keyring};

    fn keyring(ids: &[&str]) -> Keyring {
        let keys = ids.iter().map(|id| format!("b24s_{id}_{}", "a".repeat(52)));
        Keyring::parse(&keys.collect::<Vec<_>>().join("\n")).unwrap()
    }

    fn used(keys: &[(&str, u64)]) -> Vec<(KeyId, u64)> {
        let keys = keys.iter();
        keys.map(|(id, secrets)| (KeyId::parse(id).unwrap(), *secrets))
            .collect()
    }

    #[test]
    fn a_keyring_in_the_middle_of_a_change_shows_what_is_left_to_do() {
        let keyring = keyring(&["newnewnewnew", "oldoldoldold", "ancientancie"]);
        let used = used(&[("newnewnewnew", 12), ("oldoldoldold", 3456)]);
        expect![[r#"
            KEY             SECRETS  KEYRING
            newnewnewnew         12  first, seals
            oldoldoldold       3456  opens
            ancientancie          0  opens

            Run `openlines keys reseal` to re-seal 3456 secrets with the first key.
            May be removed once every running service has newnewnewnew first: ancientancie
        "#]]
        .assert_eq(&table(used, &keyring));
    }

    #[test]
    fn a_missing_key_is_shown_as_missing() {
        let used = used(&[("oldoldoldold", 7)]);
        expect![[r#"
            KEY             SECRETS  KEYRING
            newnewnewnew          0  first, seals
            oldoldoldold          7  MISSING

            The service does not start without the missing keys: add them after the first one.
            No key may be removed from the keyring.
        "#]]
        .assert_eq(&table(used, &keyring(&["newnewnewnew"])));
    }
}
