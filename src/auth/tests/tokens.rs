//! JWTs, right ones and each way to cheat with one.

use serde_json::{Value, json};

use super::signer::{
    AUDIENCE, ISSUER, SUBJECT, Signer, claims, claims_with, encoded, key_set, now,
};
use super::{callers, present, tenant};
use crate::auth::caller::Credential;
use crate::auth::key_set::{InvalidKeySet, KeySet};
use crate::auth::{Caller, Callers, Rejected};

/// A service that accepts tokens signed with these keys.
fn accepting(signers: &[&Signer], more: &str) -> Callers {
    accepting_set(&key_set(signers), more)
}

fn accepting_set(set: &str, more: &str) -> Callers {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, set).unwrap();
    callers(&format!(
        "issuers:\n- {{issuer: '{ISSUER}', audience: {AUDIENCE}, keys_file: '{}'{more}}}\n\
         callers:\n- {{name: shop, tenants: [acme], tokens: [{{issuer: '{ISSUER}', subject: '{SUBJECT}'}}]}}\n",
        file.display()
    ))
}

fn show(callers: &Callers, token: &str) -> Result<Caller, Rejected> {
    present(callers, [format!("Bearer {token}")])
}

#[test]
fn a_token_of_a_service_account_proves_its_caller_with_each_usual_algorithm() {
    let signers = [
        Signer::rs256("rsa"),
        Signer::es256("ec"),
        Signer::ed_dsa("ed"),
    ];
    let callers = accepting(&signers.each_ref(), "");
    for signer in &signers {
        let token = signer.token(&claims());
        // The second time it is known already.
        for _ in 0..2 {
            let caller = show(&callers, &token).unwrap();
            assert_eq!(caller.name(), "shop");
            assert_eq!(*caller.credential(), Credential::Token(ISSUER.into()));
            assert!(caller.may_act_for(&tenant("acme")));
        }
    }
}

#[test]
fn each_claim_is_judged() {
    let signer = Signer::es256("a");
    let callers = accepting(&[&signer], "");
    let elsewhere = "https://elsewhere.example";
    for (name, value, expected) in [
        ("iss", Value::Null, Rejected::TokenNotAccepted),
        ("iss", json!(elsewhere), Rejected::TokenNotAccepted),
        (
            "iss",
            json!(format!("{ISSUER}/")),
            Rejected::TokenNotAccepted,
        ),
        (
            "iss",
            json!([ISSUER, elsewhere]),
            Rejected::TokenNotAccepted,
        ),
        ("aud", Value::Null, Rejected::ClaimMissing),
        ("aud", json!("other"), Rejected::WrongAudience),
        ("aud", json!([]), Rejected::WrongAudience),
        ("aud", json!(7), Rejected::ClaimMissing),
        ("exp", Value::Null, Rejected::ClaimMissing),
        ("exp", json!("soon"), Rejected::ClaimMissing),
        ("exp", json!(now() - 31), Rejected::TokenExpired),
        ("nbf", json!(now() + 60), Rejected::TokenNotYetValid),
        ("nbf", json!("soon"), Rejected::ClaimMissing),
        ("sub", Value::Null, Rejected::ClaimMissing),
        ("sub", json!(7), Rejected::ClaimMissing),
        ("sub", json!(""), Rejected::ClaimMissing),
        (
            "sub",
            json!("system:serviceaccount:shop:sender2"),
            Rejected::SubjectUnknown,
        ),
        (
            "sub",
            json!("system:serviceaccount:Shop:sender"),
            Rejected::SubjectUnknown,
        ),
    ] {
        let token = signer.token(&claims_with(name, value.clone()));
        let rejected = show(&callers, &token).unwrap_err();
        assert_eq!(rejected, expected, "{name}: {value}");
    }
    for (name, value) in [
        ("aud", json!(AUDIENCE)),
        ("aud", json!(["other", AUDIENCE])),
        ("nbf", Value::Null),
        // Within the clock skew.
        ("exp", json!(now() - 5)),
        ("nbf", json!(now() + 10)),
    ] {
        let token = signer.token(&claims_with(name, value.clone()));
        assert!(show(&callers, &token).is_ok(), "{name}: {value}");
    }
}

#[test]
fn a_signature_or_a_part_that_was_changed_is_not_accepted() {
    let (signer, other) = (Signer::es256("a"), Signer::es256("a"));
    let callers = accepting(&[&signer], "");
    let token = signer.token(&claims());
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let more = encoded(&claims_with("sub", json!("admin")));
    for token in [
        other.token(&claims()),
        format!("{header}.{more}.{signature}"),
        format!("{header}.{payload}.{}", &signature[..signature.len() - 2]),
        format!("{header}.{payload}.AAAA"),
    ] {
        let rejected = show(&callers, &token).unwrap_err();
        assert_eq!(rejected, Rejected::TokenNotAccepted);
    }
    for token in [
        format!("{header}.{payload}"),
        format!("{header}.{payload}."),
        format!("{token}.x"),
        format!("{token}=="),
        format!("{token} "),
        format!("{header}.{}.{signature}", "A".repeat(9000)),
    ] {
        let rejected = show(&callers, &token).unwrap_err();
        assert!(matches!(rejected, Rejected::Malformed(_)), "{token}");
    }
}

#[test]
fn the_algorithm_is_the_keys_and_never_none_or_symmetric() {
    let (rsa, ec) = (Signer::rs256("rsa"), Signer::es256("ec"));
    let callers = accepting(&[&rsa, &ec], "");
    let unsigned = |algorithm: &str| {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": "rsa"});
        format!("{}.{}.AAAA", encoded(&header), encoded(&claims()))
    };
    let lying = |algorithm: &str, id: &str| {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": id});
        ec.token_with(&header, &claims())
    };
    // The public key as the secret of an HMAC, which is what confused verifiers accept.
    let confused = {
        let header = json!({"alg": "HS256", "typ": "JWT", "kid": "rsa"});
        let message = format!("{}.{}", encoded(&header), encoded(&claims()));
        let modulus = rsa.jwk()["n"].as_str().unwrap().to_owned();
        let secret = jsonwebtoken::EncodingKey::from_secret(modulus.as_bytes()).unwrap();
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &secret, jsonwebtoken::Algorithm::HS256);
        format!("{message}.{}", signature.unwrap())
    };
    for token in [
        unsigned("none"),
        unsigned("None"),
        unsigned("RS256"),
        // Not in the issuer's list, though the key could.
        unsigned("RS512"),
        lying("RS256", "rsa"),
        lying("RS256", "ec"),
        lying("ES384", "ec"),
        lying("EdDSA", "ec"),
        confused,
    ] {
        let rejected = show(&callers, &token).unwrap_err();
        assert_eq!(rejected, Rejected::TokenNotAccepted, "{token}");
    }
    let only_rsa = accepting(&[&rsa, &ec], ", algorithms: [RS256]");
    assert!(show(&only_rsa, &rsa.token(&claims())).is_ok());
    let rejected = show(&only_rsa, &ec.token(&claims())).unwrap_err();
    assert_eq!(rejected, Rejected::TokenNotAccepted);
}

#[test]
fn headers_that_bring_their_own_key_or_ask_for_more_are_not_obeyed() {
    let (signer, stranger) = (Signer::es256("a"), Signer::es256("stranger"));
    let callers = accepting(&[&signer], "");
    let own_key = json!({"alg": "ES256", "kid": "a", "jwk": stranger.jwk()});
    let rejected = show(&callers, &stranger.token_with(&own_key, &claims())).unwrap_err();
    assert_eq!(rejected, Rejected::TokenNotAccepted);
    let critical = json!({"alg": "ES256", "kid": "a", "crit": ["exp"], "exp": 1});
    let rejected = show(&callers, &signer.token_with(&critical, &claims())).unwrap_err();
    assert_eq!(rejected, Rejected::TokenNotAccepted);
}

#[test]
fn a_token_without_a_key_id_needs_the_only_key_of_its_algorithm() {
    let (first, second) = (Signer::es256("a"), Signer::es256("b"));
    let header = json!({"alg": "ES256", "typ": "JWT"});
    let token = first.token_with(&header, &claims());
    assert!(show(&accepting(&[&first], ""), &token).is_ok());
    let rejected = show(&accepting(&[&first, &second], ""), &token).unwrap_err();
    assert_eq!(rejected, Rejected::TokenNotAccepted);
    let unknown = second.token(&claims());
    let rejected = show(&accepting(&[&first], ""), &unknown).unwrap_err();
    assert_eq!(rejected, Rejected::SigningKeyUnknown);
}

#[test]
fn a_set_keeps_the_keys_that_verify_and_leaves_out_the_others() {
    let signer = Signer::es256("a");
    let symmetric = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0"});
    let mut encryption = Signer::es256("e").jwk();
    encryption["use"] = json!("enc");
    let set = json!({"keys": [symmetric, encryption, {"kty": "new"}, 7, signer.jwk()]});
    let set = KeySet::parse(set.to_string().as_bytes()).unwrap();
    assert_eq!(set.len(), 1);
    for (document, expected) in [
        ("", InvalidKeySet::Form),
        ("[]", InvalidKeySet::Form),
        ("{}", InvalidKeySet::Form),
        (r#"{"keys": {}}"#, InvalidKeySet::Form),
        (r#"{"keys": []}"#, InvalidKeySet::NoKey),
        (
            r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#,
            InvalidKeySet::NoKey,
        ),
    ] {
        let refused = KeySet::parse(document.as_bytes()).unwrap_err();
        assert_eq!(refused, expected, "{document}");
    }
    let many = json!({"keys": vec![signer.jwk(); 101]}).to_string();
    let refused = KeySet::parse(many.as_bytes()).unwrap_err();
    assert_eq!(refused, InvalidKeySet::TooMany);
}

#[test]
fn another_claim_can_name_the_caller() {
    let signer = Signer::es256("a");
    let callers = accepting(&[&signer], ", claim: client_id");
    let token = signer.token(&claims_with("client_id", json!(SUBJECT)));
    assert_eq!(show(&callers, &token).unwrap().name(), "shop");
    let rejected = show(&callers, &signer.token(&claims())).unwrap_err();
    assert_eq!(rejected, Rejected::ClaimMissing);
}

#[test]
fn no_debug_output_shows_a_token() {
    let signer = Signer::es256("a");
    let callers = accepting(&[&signer], "");
    let token = signer.token(&claims());
    let caller = show(&callers, &token).unwrap();
    let shown = format!("{callers:?} {caller:?}");
    for part in token.split('.') {
        assert!(!shown.contains(part), "{shown}");
    }
}
