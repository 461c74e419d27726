//! Who may call, as the settings say it.

use super::{Bench, NO_TENANTS};
use crate::auth::Auth;
use crate::auth::NewKey;

#[test]
fn no_authentication_is_possible_on_loopback_only() {
    let bench = Bench::open(NO_TENANTS);
    for listen in ["127.0.0.1:1", "127.5.5.5:1", "[::1]:1"] {
        assert!(
            bench
                .load(&format!("server: {{listen: '{listen}'}}\n"))
                .is_ok(),
            "{listen}"
        );
    }
    for listen in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(
            bench.faulty(&format!("server: {{listen: '{listen}'}}\n")),
            ["auth.mode"]
        );
    }
    // Also if the rest of the section is wrong.
    let settings = "server: {listen: '0.0.0.0:1', drain_seconds: 0}\n";
    assert_eq!(
        bench.faulty(settings),
        ["server.drain_seconds", "auth.mode"]
    );
}

#[test]
fn callers_beside_no_authentication_are_refused() {
    let entry = NewKey::generate().unwrap().entry();
    let callers = format!("auth: {{callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]}}\n");
    assert_eq!(Bench::open(NO_TENANTS).faulty(&callers), ["auth.callers"]);
    assert!(matches!(
        Bench::new(NO_TENANTS).load(&callers).unwrap().auth,
        Auth::Callers(read) if read.callers.len() == 1
    ));
}

#[test]
fn callers_may_stand_in_a_file_of_their_own() {
    let bench = Bench::new(NO_TENANTS);
    let entry = NewKey::generate().unwrap().entry();
    let callers = format!("callers: [{{name: a, tenants: ['*'], keys: ['{entry}']}}]\n");
    let file = bench.file("callers.yaml", &callers);
    let settings = format!("auth: {{callers_file: {}}}\n", file.display());
    assert!(matches!(
        bench.load(&settings).unwrap().auth,
        Auth::Callers(read) if read.callers.len() == 1
    ));
    let both = format!("auth: {{callers: [], callers_file: {}}}\n", file.display());
    assert_eq!(bench.faulty(&both), ["auth.callers_file"]);
    bench.file("callers.yaml", "calers: []\n");
    assert_eq!(bench.faulty(&settings), ["calers", "callers"]);
}

#[test]
fn every_fault_of_the_callers_is_found() {
    let key = NewKey::generate().unwrap();
    let (clear, entry) = (key.expose().to_owned(), key.entry());
    let callers = format!(
        "auth:\n  callers:\n\
         \x20   - {{name: a, tenants: [x], keys: ['{entry}']}}\n\
         \x20   - {{name: a, tenants: [], keys: []}}\n\
         \x20   - {{name: 'b c', tenants: ['x*', 5], keys: ['{entry}', '{clear}', nonsense]}}\n\
         \x20   - {{name: d, tenant: [x], keys: ['{entry}']}}\n\
         \x20   - text\n"
    );
    let bench = Bench::new(NO_TENANTS);
    let places = bench.faulty(&callers);
    let expected = [
        "auth.callers[1].name",
        "auth.callers[1].tenants",
        "auth.callers[1].keys",
        "auth.callers[2].name",
        "auth.callers[2].tenants[0]",
        "auth.callers[2].tenants[1]",
        "auth.callers[2].keys[0]",
        "auth.callers[2].keys[1]",
        "auth.callers[2].keys[2]",
        "auth.callers[3].tenant",
        "auth.callers[3]",
        "auth.callers[3].keys[0]",
        "auth.callers[4]",
    ];
    assert_eq!(places, expected);
    let report = bench.report(&callers);
    assert!(!report.contains(&clear), "{report}");
}

#[test]
fn a_caller_manages_tenants_only_if_its_entry_says_so() {
    let entries: Vec<_> = (0..3)
        .map(|_| NewKey::generate().unwrap().entry())
        .collect();
    let callers = format!(
        "auth:\n  callers:\n\
         \x20   - {{name: a, tenants: [x], keys: ['{}']}}\n\
         \x20   - {{name: b, tenants: [x], manages_tenants: false, keys: ['{}']}}\n\
         \x20   - {{name: c, tenants: [x], manages_tenants: true, keys: ['{}']}}\n",
        entries[0], entries[1], entries[2]
    );
    let bench = Bench::new(NO_TENANTS);
    let Auth::Callers(read) = bench.load(&callers).unwrap().auth else {
        panic!("callers are the default")
    };
    let manages: Vec<bool> = read
        .callers
        .iter()
        .map(|caller| caller.manages_tenants)
        .collect();
    assert_eq!(manages, [false, false, true]);

    for wrong in ["'true'", "1", "[]", "null"] {
        let callers = callers.replace(": true", &format!(": {wrong}"));
        let places = bench.faulty(&callers);
        assert_eq!(places, ["auth.callers[2].manages_tenants"], "{wrong}");
    }
}

#[test]
fn callers_have_no_variable() {
    let bench = Bench::open(NO_TENANTS).variable("OPENLINES_AUTH_CALLERS", "[]");
    let report = bench.report("");
    assert!(report.contains("OPENLINES_AUTH_CALLERS_FILE"), "{report}");
}

/// A set with one public key (RFC 7517, appendix A.1).
pub(super) const SET: &str = r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "1", "use": "sig",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4", "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

#[test]
fn each_means_alone_is_enough_for_a_caller_and_none_is_not() {
    let bench = Bench::new(NO_TENANTS);
    let set = bench.file("set.json", SET);
    let issuers = format!(
        "  issuers: [{{issuer: 'https://a', audience: x, keys_file: '{}'}}]\n",
        set.display()
    );
    let entry = NewKey::generate().unwrap().entry();
    let with =
        |means: &str| format!("auth:\n{issuers}  callers: [{{name: a, tenants: [x]{means}}}]\n");
    for means in [
        &*format!(", keys: ['{entry}']"),
        &format!(", keys: [{{entry: '{entry}'}}]"),
        &format!(", keys: [{{entry: '{entry}', expires: 2027-01-31}}]"),
        ", tokens: [{issuer: 'https://a', subject: s}]",
    ] {
        let loaded = bench.load(&with(means));
        assert!(loaded.is_ok(), "{means}: {}", loaded.unwrap_err());
    }
    let certificate = with(", certificates: ['spiffe://example.org/a']");
    assert_eq!(bench.faulty(&certificate), ["server.tls.client_ca_file"]);
    let pem = bench.file("any.pem", "").display().to_string();
    let tls = format!(
        "server: {{tls: {{certificate_file: {pem}, private_key_file: {pem}, client_ca_file: {pem}}}}}\n"
    );
    bench.load(&format!("{tls}{certificate}")).unwrap();
    assert_eq!(bench.faulty(&with("")), ["auth.callers[0]"]);
}

#[test]
fn every_fault_of_the_newer_means_is_found() {
    let bench = Bench::new(NO_TENANTS);
    let set = bench.file("set.json", SET);
    let entry = NewKey::generate().unwrap().entry();
    let settings = format!(
        "auth:\n  issuers: [{{issuer: 'https://a', audience: x, keys_file: '{}'}}]\n  callers:\n\
         \x20   - {{name: a, tenants: [x], methods: [], tokens: [], certificates: []}}\n\
         \x20   - {{name: b, tenants: [x], methods: [CreateTenant, 7], keys: [{{entry: '{entry}', expires: soon}}, {{expires: 2027-01-31}}]}}\n\
         \x20   - {{name: c, tenants: [x], tokens: [{{issuer: 'https://b', subject: s}}, {{issuer: 'https://a'}}, {{issuer: 'https://a', subject: ''}}]}}\n\
         \x20   - {{name: d, tenants: [x], tokens: [{{issuer: 'https://a', subject: s}}], certificates: ['spiffe://a/b', shop.example]}}\n\
         \x20   - {{name: e, tenants: [x], tokens: [{{issuer: 'https://a', subject: s}}], certificates: ['spiffe://a/b']}}\n",
        set.display()
    );
    let expected = [
        "auth.callers[0].methods",
        "auth.callers[0].tokens",
        "auth.callers[0].certificates",
        "auth.callers[1].methods[0]",
        "auth.callers[1].methods[1]",
        "auth.callers[1].keys[0].expires",
        "auth.callers[1].keys[1]",
        "auth.callers[2].tokens[0].issuer",
        "auth.callers[2].tokens[1]",
        "auth.callers[2].tokens[2].subject",
        "auth.callers[3].certificates[1]",
        "auth.callers[4].tokens[0].subject",
        "auth.callers[4].certificates[0]",
        "server.tls.client_ca_file",
    ];
    assert_eq!(bench.faulty(&settings), expected);
}

#[test]
fn every_fault_of_the_issuers_is_found() {
    let bench = Bench::new(NO_TENANTS);
    let set = bench.file("set.json", SET).display().to_string();
    let broken = bench.file("broken.json", "{}").display().to_string();
    let entry = NewKey::generate().unwrap().entry();
    let settings = format!(
        "auth:\n  callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]\n  issuers:\n\
         \x20   - {{issuer: 'https://a', audience: x, keys_file: '{set}', algorithms: [none, HS256, RS256]}}\n\
         \x20   - {{issuer: 'https://a', audience: x, keys_file: '{set}'}}\n\
         \x20   - {{issuer: 'https://b', audience: x, audiences: [y], keys_file: '{set}'}}\n\
         \x20   - {{issuer: 'https://c', audience: x}}\n\
         \x20   - {{issuer: 'https://d', audience: x, keys_url: 'http://d.example/jwks'}}\n\
         \x20   - {{issuer: 'https://e', audience: x, keys_url: 'https://e/jwks', ca_file: /does/not/exist}}\n\
         \x20   - {{issuer: 'https://f', audience: x, keys_file: '{broken}'}}\n\
         \x20   - {{issuer: 'https://g', audience: x, keys_file: '{set}', bearer_token_file: '{set}'}}\n\
         \x20   - {{issuer: 'https://h', audiences: [], keys_file: '{set}', algorithms: []}}\n\
         \x20   - {{issuer: 'https://i', audience: '', claim: 7, keys_file: '{set}'}}\n"
    );
    let expected = [
        "auth.issuers[0].algorithms[0]",
        "auth.issuers[0].algorithms[1]",
        "auth.issuers[1].issuer",
        "auth.issuers[2]",
        "auth.issuers[3]",
        "auth.issuers[4].keys_url",
        "auth.issuers[5].ca_file",
        "auth.issuers[6].keys_file",
        "auth.issuers[7].bearer_token_file",
        "auth.issuers[8].audiences",
        "auth.issuers[8].algorithms",
        "auth.issuers[9].audience",
        "auth.issuers[9].claim",
    ];
    assert_eq!(bench.faulty(&settings), expected);
}

#[test]
fn the_older_name_of_the_mode_still_works_and_no_issuer_stands_beside_no_authentication() {
    let bench = Bench::new(NO_TENANTS);
    let entry = NewKey::generate().unwrap().entry();
    let callers = format!("callers: [{{name: a, tenants: [x], keys: ['{entry}']}}]");
    for mode in ["api_keys", "callers"] {
        assert!(
            bench
                .load(&format!("auth: {{mode: {mode}, {callers}}}\n"))
                .is_ok()
        );
    }
    let set = bench.file("set.json", SET);
    let issuers = format!(
        "auth: {{mode: dangerous_none, issuers: [{{issuer: a, audience: x, keys_file: '{}'}}]}}\n",
        set.display()
    );
    assert_eq!(bench.faulty(&issuers), ["auth.issuers"]);
}
