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
        Auth::ApiKeys(callers) if callers.len() == 1
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
        Auth::ApiKeys(callers) if callers.len() == 1
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
    let Auth::ApiKeys(read) = bench.load(&callers).unwrap().auth else {
        panic!("API keys are the default")
    };
    let manages: Vec<bool> = read.iter().map(|caller| caller.manages_tenants).collect();
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
