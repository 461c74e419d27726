//! Sealed values that open, and those that do not.

use proptest::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::{Binding, CURRENT, Destination, DoesNotOpen, Field, Forms, Key, Keyring};
use bitrix24::TenantId;

const FIELDS: [Field; 5] = [
    Field::WebhookSecret,
    Field::ClientSecret,
    Field::ApplicationToken,
    Field::AccessToken,
    Field::RefreshToken,
];

const HERE: Destination<'static> = Destination {
    portal: "acme.bitrix24.com",
    member_id: Some("a223c6b3710f85df22e9377d6c4f7553"),
    credentials: "application",
    webhook_user_id: None,
    client_id: Some("local.1"),
    authorization_server: Some("oauth.bitrix.info"),
};

fn key() -> Key {
    Key::generate().unwrap()
}

fn keyring(keys: &[&Key]) -> Keyring {
    let text: Vec<String> = keys
        .iter()
        .map(|key| key.expose().expose_secret().to_owned())
        .collect();
    Keyring::parse(&text.join("\n")).unwrap()
}

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

fn opened(keyring: &Keyring, sealed: &[u8], binding: Binding<'_>) -> Result<String, DoesNotOpen> {
    let opened = keyring.open(sealed, binding, Forms::Current)?;
    Ok(opened.expose_secret().to_owned())
}

proptest! {
    #[test]
    fn what_was_sealed_opens_for_its_tenant_and_field_only(
        text in any::<String>(),
        id in "[a-z0-9][a-z0-9._-]{0,62}",
        other in "[a-z0-9][a-z0-9._-]{0,62}",
        field in 0_usize..5,
        other_field in 0_usize..5,
    ) {
        let keyring = Keyring::from(key());
        let binding = Binding { tenant: &tenant(&id), field: FIELDS[field], destination: HERE };
        let sealed = keyring.seal(&secret(&text), binding).unwrap();
        prop_assert_eq!(opened(&keyring, &sealed, binding), Ok(text));

        let there = Binding { tenant: &tenant(&other), field: FIELDS[other_field], destination: HERE };
        if id != other || field != other_field {
            prop_assert_eq!(opened(&keyring, &sealed, there), Err(DoesNotOpen::Forged));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_lost_or_added_byte_does_not_open(
        text in ".{0,40}",
        position in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let keyring = Keyring::from(key());
        let binding = Binding { tenant: &tenant("acme"), field: Field::RefreshToken, destination: HERE };
        let sealed = keyring.seal(&secret(&text), binding).unwrap();

        let mut flipped = sealed.clone();
        flipped[position.index(sealed.len())] ^= 1 << bit;
        prop_assert!(keyring.open(&flipped, binding, Forms::All).is_err());
        prop_assert!(keyring.open(&sealed[..position.index(sealed.len())], binding, Forms::All).is_err());
        let mut longer = sealed;
        longer.push(0);
        prop_assert!(keyring.open(&longer, binding, Forms::All).is_err());
    }
}

#[test]
fn every_byte_of_a_sealed_value_counts() {
    let keyring = Keyring::from(key());
    let binding = Binding {
        tenant: &tenant("acme"),
        field: Field::AccessToken,
        destination: HERE,
    };
    let sealed = keyring.seal(&secret("s3cr3tcanary"), binding).unwrap();
    for position in 0..sealed.len() {
        let mut flipped = sealed.clone();
        flipped[position] ^= 1;
        assert!(
            keyring.open(&flipped, binding, Forms::All).is_err(),
            "{position}"
        );
    }
}

#[test]
fn tenant_and_field_do_not_run_into_each_other() {
    let keyring = Keyring::from(key());
    let binding = Binding {
        tenant: &tenant("a"),
        field: Field::ClientSecret,
        destination: HERE,
    };
    let longer = Binding {
        tenant: &tenant("aclient_secret"),
        field: Field::ClientSecret,
        destination: HERE,
    };
    assert_ne!(binding.bytes(CURRENT, b""), longer.bytes(CURRENT, b""));
    let sealed = keyring.seal(&secret("x"), binding).unwrap();
    assert_eq!(opened(&keyring, &sealed, longer), Err(DoesNotOpen::Forged));
}

#[test]
fn a_value_opens_for_its_destination_only_and_no_two_destinations_run_into_each_other() {
    let keyring = Keyring::from(key());
    let id = tenant("acme");
    let to = |destination| Binding {
        tenant: &id,
        field: Field::AccessToken,
        destination,
    };
    let sealed = keyring.seal(&secret("token"), to(HERE)).unwrap();
    assert!(opened(&keyring, &sealed, to(HERE)).is_ok());
    for elsewhere in [
        Destination {
            portal: "thief.bitrix24.com",
            ..HERE
        },
        Destination {
            member_id: None,
            ..HERE
        },
        Destination {
            member_id: Some("b223c6b3710f85df22e9377d6c4f7553"),
            ..HERE
        },
        Destination {
            credentials: "webhook",
            ..HERE
        },
        Destination {
            webhook_user_id: Some(1),
            ..HERE
        },
        Destination {
            client_id: Some(""),
            ..HERE
        },
        Destination {
            client_id: Some("oauth.bitrix.info"),
            authorization_server: Some("local.1"),
            ..HERE
        },
        Destination {
            authorization_server: None,
            ..HERE
        },
    ] {
        let refused = opened(&keyring, &sealed, to(elsewhere));
        assert_eq!(refused, Err(DoesNotOpen::Forged), "{elsewhere:?}");
    }
}

#[test]
fn the_same_secret_never_looks_the_same() {
    let keyring = Keyring::from(key());
    let binding = Binding {
        tenant: &tenant("acme"),
        field: Field::AccessToken,
        destination: HERE,
    };
    let sealed = keyring.seal(&secret("s3cr3tcanary"), binding).unwrap();
    assert_ne!(
        sealed,
        keyring.seal(&secret("s3cr3tcanary"), binding).unwrap()
    );
    let shown = String::from_utf8_lossy(&sealed).into_owned();
    assert!(!shown.contains("s3cr3tcanary"), "{shown}");
}

#[test]
fn a_value_opens_with_its_key_wherever_that_stands_and_names_the_key_that_is_missing() {
    let (old, new) = (key(), key());
    let binding = Binding {
        tenant: &tenant("acme"),
        field: Field::AccessToken,
        destination: HERE,
    };
    let sealed = Keyring::from(old.clone())
        .seal(&secret("token"), binding)
        .unwrap();

    let both = keyring(&[&new, &old]);
    assert_eq!(opened(&both, &sealed, binding), Ok("token".to_owned()));
    let missing = opened(&Keyring::from(new.clone()), &sealed, binding);
    assert_eq!(missing, Err(DoesNotOpen::NoKey(old.id().clone())));

    let again = both.open(&sealed, binding, Forms::Current).unwrap();
    let resealed = both.seal(&again, binding).unwrap();
    assert_eq!(
        opened(&Keyring::from(new), &resealed, binding),
        Ok("token".to_owned())
    );
}

#[test]
fn a_key_with_the_id_of_another_opens_nothing() {
    let real = key();
    let text = real.expose();
    let (start, _) = text.expose_secret().rsplit_once('_').unwrap();
    let impostor = Key::parse(&format!("{start}_{}", "a".repeat(52))).unwrap();
    let binding = Binding {
        tenant: &tenant("acme"),
        field: Field::AccessToken,
        destination: HERE,
    };
    let sealed = Keyring::from(real).seal(&secret("token"), binding).unwrap();
    assert_eq!(
        opened(&Keyring::from(impostor), &sealed, binding),
        Err(DoesNotOpen::Forged)
    );
}

#[test]
fn what_was_never_sealed_is_of_no_known_form() {
    let keyring = Keyring::from(key());
    let binding = Binding {
        tenant: &tenant("acme"),
        field: Field::AccessToken,
        destination: HERE,
    };
    for sealed in [
        &b""[..],
        b"\x01",
        b"token in clear text, long enough to be a value",
    ] {
        assert_eq!(opened(&keyring, sealed, binding), Err(DoesNotOpen::Unknown));
    }
}
