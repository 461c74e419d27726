//! Authenticates callers by API keys. A [`Caller`] is the first proof of a call.
//!
//! The layer around every call authenticates it by its headers, before it gets a place and before
//! its body is read. Services take the [`Caller`] from the request's extensions.

mod api_key;
mod caller;
mod caller_name;
mod grants;
mod key_entry;
mod new_key;
mod presented;
mod rejected;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use api_key::ApiKey;
pub use caller::Caller;
pub(crate) use caller::Grant;
use caller::Identity;
pub(crate) use caller_name::CallerName;
pub(crate) use grants::{GrantedTo, Grants};
pub(crate) use key_entry::{KeyEntry, KeyHash};
pub use new_key::NewKey;
pub use presented::{PeerCertificate, Presented};
pub(crate) use store::key_text::KeyId;

pub use rejected::Rejected;
pub use settings::Auth;
pub(crate) use settings::ConfiguredCaller;

/// The callers of the settings. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Admission>);

#[derive(Debug)]
enum Admission {
    ApiKeys(HashMap<KeyId, Registered>),
    Everybody(Arc<Identity>),
}

#[derive(Debug)]
struct Registered {
    hash: KeyHash,
    identity: Arc<Identity>,
}

impl Callers {
    pub fn new(settings: &Auth) -> Self {
        Self(Arc::new(match settings {
            Auth::DangerousNone => Admission::Everybody(Arc::new(Identity::anonymous())),
            Auth::ApiKeys(callers) => {
                Admission::ApiKeys(callers.iter().flat_map(Registered::of).collect())
            }
        }))
    }

    /// Authenticates a call by the credentials that it presents.
    ///
    /// Expects one `authorization` header of the form `Bearer b24f_<id>_<secret>`. Refuses a second
    /// one, because the two ends of a proxy chain could each use another one.
    ///
    /// # Errors
    ///
    /// Names the problem without distinguishing an unknown key from a wrong secret.
    pub fn authenticate(&self, presented: &Presented<'_>) -> Result<Caller, Rejected> {
        let registered = match self.0.as_ref() {
            Admission::Everybody(identity) => return Ok(Caller::prove(Arc::clone(identity))),
            Admission::ApiKeys(registered) => registered,
        };
        let mut values = presented.authorization();
        let value = values.next().ok_or(Rejected::Missing)?;
        if values.next().is_some() {
            return Err(Rejected::DuplicateHeader);
        }
        let text = std::str::from_utf8(value).map_err(|_| Rejected::Malformed)?;
        let key = ApiKey::parse(bearer(text)?).ok_or(Rejected::Malformed)?;
        match registered.get(key.id()) {
            Some(found) if found.hash.matches(&key) => {
                Ok(Caller::prove(Arc::clone(&found.identity)))
            }
            Some(_) | None => Err(Rejected::Unknown),
        }
    }
}

impl Registered {
    fn of(caller: &ConfiguredCaller) -> impl Iterator<Item = (KeyId, Self)> {
        caller.keys.iter().map(|entry| {
            let identity = Identity {
                name: caller.name.as_str().into(),
                key_id: Some(entry.id().clone()),
                grants: caller.grants.clone(),
                manages_tenants: caller.manages_tenants,
            };
            let registered = Self {
                hash: entry.hash().clone(),
                identity: Arc::new(identity),
            };
            (entry.id().clone(), registered)
        })
    }
}

/// The credential after the scheme `Bearer`, which is case-insensitive (RFC 9110, 11.1).
fn bearer(header: &str) -> Result<&str, Rejected> {
    match header.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential),
        Some(_) | None => Err(Rejected::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Auth, Caller, CallerName, Callers, ConfiguredCaller, Grants, NewKey, Presented, Rejected,
    };
    use bitrix24::TenantId;
    use http::{HeaderMap, HeaderValue, header};

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn callers(key: &NewKey) -> Callers {
        Callers::new(&Auth::ApiKeys(vec![ConfiguredCaller {
            name: CallerName::parse("shop").unwrap(),
            grants: Grants::only([tenant("acme")]),
            manages_tenants: false,
            keys: vec![key.entry()],
        }]))
    }

    /// Presents these `authorization` headers.
    fn present<Value: AsRef<[u8]>>(
        callers: &Callers,
        authorization: impl IntoIterator<Item = Value>,
    ) -> Result<Caller, Rejected> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
            headers.append(header::AUTHORIZATION, value);
        }
        let peer = None;
        let headers = &headers;
        callers.authenticate(&Presented { headers, peer })
    }

    fn bearer(key: &NewKey) -> String {
        format!("Bearer {}", key.expose())
    }

    #[test]
    fn a_known_key_proves_its_caller() {
        let key = NewKey::generate().unwrap();
        let caller = present(&callers(&key), [bearer(&key)]).unwrap();
        assert_eq!(caller.name(), "shop");
        assert_eq!(caller.key_id(), Some(key.entry().id()));
        assert!(caller.may_act_for(&tenant("acme")));
        assert!(!caller.may_act_for(&tenant("beta")));
        assert!(!caller.manages_tenants());
    }

    #[test]
    fn the_scheme_has_no_case() {
        let key = NewKey::generate().unwrap();
        let header = format!("bEARER {}", key.expose());
        assert!(present(&callers(&key), [header]).is_ok());
    }

    #[test]
    fn a_call_without_the_header_is_missing_its_credential() {
        let key = NewKey::generate().unwrap();
        let none: [&str; 0] = [];
        assert_eq!(
            present(&callers(&key), none).unwrap_err(),
            Rejected::Missing
        );
    }

    #[test]
    fn two_headers_are_refused_even_if_both_are_right() {
        let key = NewKey::generate().unwrap();
        let twice = [bearer(&key), bearer(&key)];
        assert_eq!(
            present(&callers(&key), twice).unwrap_err(),
            Rejected::DuplicateHeader
        );
    }

    #[test]
    fn anything_but_one_key_behind_bearer_is_malformed() {
        let key = NewKey::generate().unwrap();
        let callers = callers(&key);
        let whole = key.expose();
        for header in [
            String::new(),
            "Bearer".to_owned(),
            "Bearer ".to_owned(),
            whole.to_owned(),
            format!("Basic {whole}"),
            format!("Bearer  {whole}"),
            format!("Bearer {whole} "),
            format!("Bearer {whole}, Bearer {whole}"),
            format!("Bearer {}", whole.to_uppercase()),
            "Bearer \u{fc}".to_owned(),
        ] {
            assert_eq!(
                present(&callers, [&header]).unwrap_err(),
                Rejected::Malformed,
                "{header:?}"
            );
        }
        assert_eq!(
            present(&callers, [b"Bearer \xff"]).unwrap_err(),
            Rejected::Malformed
        );
    }

    #[test]
    fn a_wrong_secret_and_an_unknown_key_look_the_same() {
        let key = NewKey::generate().unwrap();
        let other = NewKey::generate().unwrap();
        let callers = callers(&key);
        let crossed = {
            let (id, _) = key.expose().rsplit_once('_').unwrap();
            let (_, secret) = other.expose().rsplit_once('_').unwrap();
            format!("Bearer {id}_{secret}")
        };
        assert_eq!(present(&callers, [crossed]).unwrap_err(), Rejected::Unknown);
        assert_eq!(
            present(&callers, [bearer(&other)]).unwrap_err(),
            Rejected::Unknown
        );
    }

    #[test]
    fn both_keys_of_a_caller_work_during_rotation() {
        let old = NewKey::generate().unwrap();
        let new = NewKey::generate().unwrap();
        let callers = Callers::new(&Auth::ApiKeys(vec![ConfiguredCaller {
            name: CallerName::parse("shop").unwrap(),
            grants: Grants::Every,
            manages_tenants: true,
            keys: vec![old.entry(), new.entry()],
        }]));
        for key in [&old, &new] {
            let caller = present(&callers, [bearer(key)]).unwrap();
            assert_eq!(caller.key_id(), Some(key.entry().id()));
            assert!(caller.may_act_for(&tenant("anybody")));
            assert!(caller.manages_tenants());
        }
    }

    #[test]
    fn without_authentication_everybody_is_anonymous_and_may_everything() {
        let callers = Callers::new(&Auth::DangerousNone);
        let none: [&str; 0] = [];
        let caller = present(&callers, none).unwrap();
        assert_eq!(caller.name(), "anonymous");
        assert_eq!(caller.key_id(), None);
        assert!(caller.may_act_for(&tenant("acme")));
        assert!(caller.manages_tenants());
        assert!(present(&callers, ["nonsense", "twice"]).is_ok());
    }

    #[test]
    fn no_debug_output_shows_a_key() {
        let key = NewKey::generate().unwrap();
        let callers = callers(&key);
        let caller = present(&callers, [bearer(&key)]).unwrap();
        let (_, secret) = key.expose().rsplit_once('_').unwrap();
        let shown = format!("{key:?} {callers:?} {caller:?}");
        assert!(!shown.contains(secret), "{shown}");
    }
}
