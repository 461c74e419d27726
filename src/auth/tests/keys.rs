//! API keys.

use http::HeaderMap;

use super::{NONE, callers, present, tenant};
use crate::auth::caller::Credential;
use crate::auth::{Callers, Flaw, NewKey, Presented, Rejected};

fn shop(key: &NewKey) -> Callers {
    callers(&format!(
        "callers: [{{name: shop, tenants: [acme], keys: ['{}']}}]",
        key.entry()
    ))
}

fn bearer(key: &NewKey) -> String {
    format!("Bearer {}", key.expose())
}

#[test]
fn a_known_key_proves_its_caller() {
    let key = NewKey::generate().unwrap();
    let caller = present(&shop(&key), [bearer(&key)]).unwrap();
    assert_eq!(caller.name(), "shop");
    let expected = Credential::ApiKey(key.entry().id().clone());
    assert_eq!(*caller.credential(), expected);
    assert!(caller.may_act_for(&tenant("acme")));
    assert!(!caller.may_act_for(&tenant("beta")));
    assert!(!caller.manages_tenants());
}

#[test]
fn the_scheme_has_no_case() {
    let key = NewKey::generate().unwrap();
    let header = format!("bEARER {}", key.expose());
    assert!(present(&shop(&key), [header]).is_ok());
}

#[test]
fn a_call_without_the_header_is_missing_its_credential() {
    let key = NewKey::generate().unwrap();
    let rejected = present(&shop(&key), NONE).unwrap_err();
    assert_eq!(rejected, Rejected::Missing);
}

#[test]
fn two_headers_are_refused_even_if_both_are_right() {
    let key = NewKey::generate().unwrap();
    let twice = [bearer(&key), bearer(&key)];
    let rejected = present(&shop(&key), twice).unwrap_err();
    assert_eq!(rejected, Rejected::DuplicateHeader);
}

#[test]
fn anything_but_one_key_behind_bearer_is_malformed_and_what_is_wrong_is_told() {
    let key = NewKey::generate().unwrap();
    let callers = shop(&key);
    let whole = key.expose();
    let (begin, secret) = whole.rsplit_once('_').unwrap();
    for (header, flaw) in [
        (String::new(), Flaw::Empty),
        ("Bearer".to_owned(), Flaw::Empty),
        ("Bearer ".to_owned(), Flaw::Empty),
        ("Bearer \"\"".to_owned(), Flaw::Empty),
        (whole.to_owned(), Flaw::NoScheme),
        (format!("Bearer{whole}"), Flaw::NoScheme),
        (format!("Basic {whole}"), Flaw::OtherScheme),
        (format!("Bearer: {whole}"), Flaw::OtherScheme),
        (format!("Bearer Bearer {whole}"), Flaw::SchemeTwice),
        (format!("Bearer  {whole}"), Flaw::Wrapped),
        (format!("Bearer {whole} "), Flaw::Wrapped),
        (format!(" Bearer {whole}"), Flaw::Wrapped),
        (format!("Bearer \"{whole}\""), Flaw::Wrapped),
        (format!("Bearer <{whole}>"), Flaw::Wrapped),
        (format!("Bearer {}", &whole[5..]), Flaw::NoPrefix),
        (format!("Bearer {}", &whole[1..]), Flaw::KeyNotWhole),
        (format!("Bearer {begin}"), Flaw::KeyNotWhole),
        (format!("Bearer {}", &whole[..40]), Flaw::KeyNotWhole),
        (format!("Bearer {whole}, Bearer {whole}"), Flaw::KeyNotWhole),
        (
            format!("Bearer {}", whole.to_uppercase()),
            Flaw::KeyNotWhole,
        ),
        (format!("Bearer {}", key.entry()), Flaw::Entry),
        (
            format!("Bearer {}", whole.replacen("b24f", "b24s", 1)),
            Flaw::SealingKey,
        ),
        (format!("Bearer {secret}"), Flaw::Other),
        ("Bearer \u{fc}".to_owned(), Flaw::NotText),
        ("Bearer a.b.c".to_owned(), Flaw::NoTokens),
        (
            format!("Bearer a.{}.c", "b".repeat(9_000)),
            Flaw::TokenTooLong,
        ),
    ] {
        let rejected = present(&callers, [&header]).unwrap_err();
        assert_eq!(rejected, Rejected::Malformed(flaw), "{header:?}");
        let told = rejected.to_string();
        assert!(
            !told.contains(secret) && !told.contains(&begin[5..]),
            "{told}"
        );
    }
    let rejected = present(&callers, [b"Bearer \xff"]).unwrap_err();
    assert_eq!(rejected, Rejected::Malformed(Flaw::NotText));
}

#[test]
fn a_key_in_another_header_is_told_where_it_belongs() {
    let key = NewKey::generate().unwrap();
    let callers = shop(&key);
    for name in ["x-api-key", "api-key"] {
        let mut headers = HeaderMap::new();
        headers.insert(name, key.expose().parse().unwrap());
        let presented = Presented {
            headers: &headers,
            peer: None,
        };
        let rejected = callers.authenticate(&presented).unwrap_err();
        assert_eq!(rejected, Rejected::OtherHeader);
        assert!(
            rejected
                .to_string()
                .contains("`authorization: Bearer <API key>`")
        );
        // The header that counts decides alone.
        headers.insert("authorization", bearer(&key).parse().unwrap());
        let presented = Presented {
            headers: &headers,
            peer: None,
        };
        assert!(callers.authenticate(&presented).is_ok());
    }
}

#[test]
fn a_wrong_secret_and_an_unknown_key_look_the_same() {
    let key = NewKey::generate().unwrap();
    let other = NewKey::generate().unwrap();
    let callers = shop(&key);
    let crossed = {
        let (id, _) = key.expose().rsplit_once('_').unwrap();
        let (_, secret) = other.expose().rsplit_once('_').unwrap();
        format!("Bearer {id}_{secret}")
    };
    for header in [crossed, bearer(&other)] {
        let rejected = present(&callers, [header]).unwrap_err();
        assert_eq!(rejected, Rejected::Unknown);
    }
}

#[test]
fn both_keys_of_a_caller_work_during_rotation() {
    let old = NewKey::generate().unwrap();
    let new = NewKey::generate().unwrap();
    let callers = callers(&format!(
        "callers: [{{name: shop, tenants: ['*'], manages_tenants: true, keys: ['{}', '{}']}}]",
        old.entry(),
        new.entry()
    ));
    for key in [&old, &new] {
        let caller = present(&callers, [bearer(key)]).unwrap();
        let expected = Credential::ApiKey(key.entry().id().clone());
        assert_eq!(*caller.credential(), expected);
        assert!(caller.may_act_for(&tenant("anybody")));
        assert!(caller.manages_tenants());
    }
}

#[test]
fn a_key_works_until_it_expires_and_a_wrong_secret_does_not_learn_that_it_has() {
    let key = NewKey::generate().unwrap();
    let until = |moment: &str| {
        callers(&format!(
            "callers: [{{name: shop, tenants: ['*'], keys: [{{entry: '{}', expires: '{moment}'}}]}}]",
            key.entry()
        ))
    };
    assert!(present(&until("2126-01-01"), [bearer(&key)]).is_ok());
    let past = until("2026-01-01");
    let rejected = present(&past, [bearer(&key)]).unwrap_err();
    assert_eq!(rejected, Rejected::KeyExpired);
    let (id, _) = key.expose().rsplit_once('_').unwrap();
    let other = NewKey::generate().unwrap();
    let (_, secret) = other.expose().rsplit_once('_').unwrap();
    let rejected = present(&past, [format!("Bearer {id}_{secret}")]).unwrap_err();
    assert_eq!(rejected, Rejected::Unknown);
}

#[test]
fn a_caller_is_permitted_the_methods_of_its_entry_and_grants_follow_from_them() {
    let key = NewKey::generate().unwrap();
    let callers = callers(&format!(
        "callers: [{{name: shop, tenants: [acme], methods: [SendCrmMessage], keys: ['{}']}}]",
        key.entry()
    ));
    let caller = present(&callers, [bearer(&key)]).unwrap();
    assert!(caller.permit("SendNetworkMessage").is_none());
    let permitted = caller.permit("SendCrmMessage").unwrap();
    assert!(permitted.grant(&tenant("acme")).is_some());
    assert!(permitted.grant(&tenant("beta")).is_none());
    // Who manages nothing is granted nothing by managing.
    assert!(caller.grant_managed(&tenant("acme")).is_none());
}

#[test]
fn without_authentication_everybody_is_anonymous_and_may_everything() {
    let callers = callers("mode: dangerous_none");
    let caller = present(&callers, NONE).unwrap();
    assert_eq!(caller.name(), "anonymous");
    assert_eq!(*caller.credential(), Credential::None);
    assert!(caller.may_act_for(&tenant("acme")));
    assert!(caller.permit("SendCrmMessage").is_some());
    assert!(caller.manages_tenants());
    assert!(present(&callers, ["nonsense", "twice"]).is_ok());
}

#[test]
fn no_debug_output_shows_a_key() {
    let key = NewKey::generate().unwrap();
    let callers = shop(&key);
    let caller = present(&callers, [bearer(&key)]).unwrap();
    let (_, secret) = key.expose().rsplit_once('_').unwrap();
    let shown = format!("{key:?} {callers:?} {caller:?}");
    assert!(!shown.contains(secret), "{shown}");
}
