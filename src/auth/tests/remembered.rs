//! What a connection remembers of its credential.

use http::{HeaderMap, HeaderValue, header};

use super::signer::{AUDIENCE, ISSUER, SUBJECT, Signer, claims, key_set};
use super::{auth, callers};
use crate::auth::expiry::Moment;
use crate::auth::key_set::KeySet;
use crate::auth::settings::Auth;
use crate::auth::{Admission, Caller, Callers, NewKey, Presented, Rejected, Remembered};

/// A connection that shows this credential with each call.
struct Connection {
    headers: HeaderMap,
    remembered: Remembered,
}

impl Connection {
    fn of(credential: &str) -> Self {
        let connection = Self {
            headers: HeaderMap::new(),
            remembered: Remembered::default(),
        };
        connection.showing(credential)
    }

    /// From now on it shows this one.
    fn showing(mut self, credential: &str) -> Self {
        let value = HeaderValue::try_from(format!("Bearer {credential}")).unwrap();
        self.headers.insert(header::AUTHORIZATION, value);
        self
    }

    fn call(&self, callers: &Callers) -> Result<Caller, Rejected> {
        let presented = Presented {
            headers: &self.headers,
            peer: None,
        };
        callers.recognize(&presented, &self.remembered)
    }

    /// Whether the next call's credential would only be compared, at this moment.
    fn remembers(&self, callers: &Callers, now: Moment) -> bool {
        let Admission::Listed(listed) = callers.0.as_ref() else {
            return false;
        };
        let header = self.headers[header::AUTHORIZATION].as_bytes();
        let number = listed.registry.load().number();
        let generation = |place| listed.generation(place);
        let known = self.remembered.caller(header, number, now, generation);
        known.is_some()
    }
}

fn section(key: &NewKey, more: &str) -> String {
    format!(
        "callers: [{{name: shop, tenants: [acme], keys: [{{entry: '{}'{more}}}]}}]",
        key.entry()
    )
}

#[test]
fn a_credential_is_remembered_and_another_one_is_not_taken_for_it() {
    let (key, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let callers = callers(&section(&key, ""));
    let connection = Connection::of(key.expose());
    assert!(!connection.remembers(&callers, Moment::now()));
    assert_eq!(connection.call(&callers).unwrap().name(), "shop");
    assert!(connection.remembers(&callers, Moment::now()));
    let wrong = format!("{}0", &key.expose()[..key.expose().len() - 1]);
    let mut connection = connection;
    for stranger in [other.expose(), &wrong, "", &key.expose()[..20]] {
        connection = connection.showing(stranger);
        assert!(!connection.remembers(&callers, Moment::now()));
        assert!(connection.call(&callers).is_err(), "{stranger:?}");
    }
    assert!(connection.showing(key.expose()).call(&callers).is_ok());
}

#[test]
fn a_caller_that_is_taken_out_of_the_list_is_refused_at_once() {
    let (key, other) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let callers = callers(&section(&key, ""));
    let connection = Connection::of(key.expose());
    connection.call(&callers).unwrap();
    let Auth::Callers(others) = auth(&section(&other, "")) else {
        panic!("callers");
    };
    callers.replace(&others.callers);
    assert_eq!(connection.call(&callers).unwrap_err(), Rejected::Unknown);
}

#[test]
fn a_key_that_has_expired_is_judged_again() {
    let key = NewKey::generate().unwrap();
    let callers = callers(&section(&key, ", expires: '2126-01-01'"));
    let connection = Connection::of(key.expose());
    connection.call(&callers).unwrap();
    let end = Moment::parse("2126-01-01").unwrap();
    assert!(connection.remembers(&callers, Moment(end.0 - 1)));
    assert!(!connection.remembers(&callers, end));
}

#[test]
fn a_token_is_verified_again_when_its_issuer_has_other_keys() {
    let (signer, next) = (Signer::es256("a"), Signer::es256("b"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, key_set(&[&signer])).unwrap();
    let callers = callers(&format!(
        "issuers:\n- {{issuer: '{ISSUER}', audience: {AUDIENCE}, keys_file: '{}'}}\n\
         callers:\n- {{name: shop, tenants: [acme], tokens: [{{issuer: '{ISSUER}', subject: '{SUBJECT}'}}]}}\n",
        file.display()
    ));
    let connection = Connection::of(&signer.token(&claims()));
    connection.call(&callers).unwrap();
    assert!(connection.remembers(&callers, Moment::now()));
    assert!(!connection.remembers(&callers, Moment(Moment::now().0 + 86_400)));
    let Admission::Listed(listed) = callers.0.as_ref() else {
        panic!("a list");
    };
    let keys = KeySet::parse(key_set(&[&next]).as_bytes()).unwrap();
    assert!(listed.issuers[0].replace(keys));
    assert!(!connection.remembers(&callers, Moment::now()));
    assert!(connection.call(&callers).is_err());
}

#[test]
fn a_credential_that_no_call_shows_for_a_while_is_forgotten() {
    let key = NewKey::generate().unwrap();
    let callers = callers(&section(&key, ""));
    let connection = Connection::of(key.expose());
    connection.call(&callers).unwrap();
    connection.remembered.forget_idle();
    assert!(connection.call(&callers).is_ok());
    connection.remembered.forget_idle();
    assert!(connection.remembers(&callers, Moment::now()));
    connection.remembered.forget_idle();
    connection.remembered.forget_idle();
    assert!(!connection.remembers(&callers, Moment::now()));
}

#[test]
fn no_debug_output_shows_what_is_remembered() {
    let key = NewKey::generate().unwrap();
    let callers = callers(&section(&key, ""));
    let connection = Connection::of(key.expose());
    connection.call(&callers).unwrap();
    let shown = format!("{:?}", connection.remembered);
    assert!(!shown.contains(key.expose()), "{shown}");
}
