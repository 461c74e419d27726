//! Authenticates callers by API keys, JWTs and client certificates. A [`Caller`] is the first proof
//! of a call.
//!
//! The layer around every call authenticates it by its headers, before it gets a place and before
//! its body is read. Services take the [`Caller`] from the request's extensions.
//!
//! All that a call needs is in memory: a [`Registry`] of the callers, which a changed callers file
//! replaces, and each issuer's set of keys, which a task keeps fresh. Only a token that is signed
//! with a key that the set does not have yet makes a call wait, see [`Callers::renewal`].

mod api_key;
mod caller;
mod caller_name;
mod expiry;
mod fetch;
mod flaw;
mod follow;
mod grants;
mod issuer;
mod key_entry;
mod key_set;
mod methods;
mod new_key;
mod peer_certificate;
mod presented;
mod registry;
mod rejected;
mod remembered;
mod settings;
#[cfg(test)]
mod tests;
mod token_form;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

pub use caller::Caller;
pub(crate) use caller::Grant;
use caller::Identity;
pub(crate) use caller_name::CallerName;
pub(crate) use expiry::Moment;
pub(crate) use flaw::Flaw;
pub(crate) use follow::Followed;
pub(crate) use grants::{GrantedTo, Grants};
use issuer::Issuer;
pub(crate) use key_entry::KeyEntry;
pub(crate) use methods::Methods;
pub use new_key::NewKey;
pub use peer_certificate::PeerCertificate;
pub use presented::Presented;
use presented::{Bearer, bearer};
use registry::{Proof, Registry, TokenHash};
pub(crate) use remembered::Remembered;
pub(crate) use store::key_text::KeyId;

use crate::metrics::Metrics;
use crate::tasks::Tasks;
pub use rejected::Rejected;
pub use settings::Auth;
pub(crate) use settings::AuthSettings;
pub(crate) use settings::{CallersFile, ConfiguredCaller, callers_schema};

/// Most calls that wait at once for a newer set of keys. Whoever waits has shown nothing yet;
/// beyond this, such calls are refused at once.
const MAXIMUM_RENEWALS: usize = 100;

/// The callers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Callers(Arc<Admission>);

#[derive(Debug)]
enum Admission {
    Everybody(Arc<Identity>),
    Listed(Listed),
}

#[derive(Debug)]
struct Listed {
    registry: ArcSwap<Registry>,
    /// How many registries there were.
    registries: AtomicU64,
    issuers: Vec<Arc<Issuer>>,
    maximum_tokens: u64,
    renewals: Arc<Semaphore>,
}

impl Callers {
    /// The callers of the settings, which stay as they are.
    pub fn new(settings: &Auth) -> Self {
        let settings = match settings {
            Auth::DangerousNone => {
                let everybody = Arc::new(Identity::anonymous());
                return Self(Arc::new(Admission::Everybody(everybody)));
            }
            Auth::Callers(settings) => settings,
        };
        let tokens = &settings.tokens;
        let registry = Registry::new(&settings.callers, tokens.maximum_cached, 0);
        let issuer = |issuer| Arc::new(Issuer::new(issuer, tokens.clock_skew.as_secs()));
        Self(Arc::new(Admission::Listed(Listed {
            registry: ArcSwap::from_pointee(registry),
            registries: AtomicU64::new(1),
            issuers: settings.issuers.iter().map(issuer).collect(),
            maximum_tokens: tokens.maximum_cached,
            renewals: Arc::new(Semaphore::new(MAXIMUM_RENEWALS)),
        })))
    }

    /// The callers of the settings, kept up to date by tasks.
    pub(crate) fn start(settings: Auth, metrics: &Metrics, tasks: &Tasks) -> (Self, Followed) {
        let callers = Self::new(&settings);
        let followed = callers.follow(settings, metrics, tasks);
        (callers, followed)
    }

    /// Follows the callers file and the files with sets of keys, and fetches the sets of keys that
    /// have an address, as tasks that last as long as the service.
    fn follow(&self, settings: Auth, metrics: &Metrics, tasks: &Tasks) -> Followed {
        match (self.0.as_ref(), settings) {
            (Admission::Listed(listed), Auth::Callers(settings)) => {
                follow::start(self, &listed.issuers, *settings, metrics, tasks)
            }
            _ => Followed::default(),
        }
    }

    /// Authenticates a call by the credentials that it presents, from memory.
    ///
    /// An `authorization` header decides alone, right or wrong: `Bearer b24f_<id>_<secret>` or
    /// `Bearer <JWT>`. A client certificate counts only without one.
    ///
    /// # Errors
    ///
    /// Names the problem without distinguishing an unknown key from a wrong secret. If
    /// [`Rejected::may_change`], the call may wait for [`renewal`](Self::renewal), and be
    /// authenticated once more.
    pub fn authenticate(&self, presented: &Presented<'_>) -> Result<Caller, Rejected> {
        let listed = match self.0.as_ref() {
            Admission::Everybody(identity) => return Ok(Caller::prove(Arc::clone(identity))),
            Admission::Listed(listed) => listed,
        };
        let registry = listed.registry.load();
        let now = Moment::now();
        match presented.authorization()? {
            Some(header) => Ok(listed.by_header(&registry, header, now)?.caller),
            None => match presented.peer {
                Some(certificate) => registry.by_certificate(certificate, now),
                None => Err(presented.missing()),
            },
        }
    }

    /// The same for a call of a connection that shows the same credential with each call. Says what
    /// [`authenticate`](Self::authenticate) would say.
    ///
    /// # Errors
    ///
    /// Those of [`authenticate`](Self::authenticate).
    pub(crate) fn recognize(
        &self,
        presented: &Presented<'_>,
        remembered: &Remembered,
    ) -> Result<Caller, Rejected> {
        let (Admission::Listed(listed), Ok(Some(header))) =
            (self.0.as_ref(), presented.authorization())
        else {
            return self.authenticate(presented);
        };
        let registry = listed.registry.load();
        let (number, now) = (registry.number(), Moment::now());
        let generation = |place| listed.generation(place);
        if let Some(caller) = remembered.caller(header, number, now, generation) {
            return Ok(caller);
        }
        let proof = listed.by_header(&registry, header, now)?;
        remembered.remember(header, number, &proof);
        Ok(proof.caller)
    }

    /// Waits until the set of keys has been loaded anew that could verify the presented token.
    ///
    /// `None` if there is none, or if as many calls wait as may: then the rejection is final. Sets
    /// are fetched no more often than `auth.key_sets.minimum_interval_seconds`, whatever tokens
    /// name.
    pub(crate) fn renewal(
        &self,
        presented: &Presented<'_>,
    ) -> Option<impl Future<Output = ()> + Send + 'static> {
        let Admission::Listed(listed) = self.0.as_ref() else {
            return None;
        };
        let (_, issuer) = listed.issuer_of(presented.token()?)?;
        let renewal = Arc::clone(issuer).renewal()?;
        let place = Arc::clone(&listed.renewals).try_acquire_owned().ok()?;
        Some(async move {
            renewal.await;
            drop(place);
        })
    }

    /// Takes over a changed list. Calls in progress are not affected.
    fn replace(&self, callers: &[ConfiguredCaller]) {
        if let Admission::Listed(listed) = self.0.as_ref() {
            let number = listed.registries.fetch_add(1, Ordering::Relaxed);
            let registry = Registry::new(callers, listed.maximum_tokens, number);
            listed.registry.store(Arc::new(registry));
        }
    }
}

impl Listed {
    fn by_header(
        &self,
        registry: &Registry,
        header: &[u8],
        now: Moment,
    ) -> Result<Proof, Rejected> {
        match bearer(header)? {
            Bearer::ApiKey(key) => registry.by_key(&key, now),
            Bearer::Token(token) => self.by_token(registry, token, now),
        }
    }

    /// Counts the changes of an issuer's set of keys.
    fn generation(&self, place: usize) -> Option<u64> {
        self.issuers.get(place).map(|issuer| issuer.generation())
    }

    fn by_token(&self, registry: &Registry, token: &str, now: Moment) -> Result<Proof, Rejected> {
        if self.issuers.is_empty() {
            return Err(Rejected::Malformed(Flaw::NoTokens));
        }
        let hash = TokenHash::of(token);
        let generation = |place| self.generation(place);
        if let Some(proof) = registry.by_known_token(hash, now, generation) {
            return Ok(proof);
        }
        let (place, issuer) = self.issuer_of(token).ok_or(Rejected::TokenNotAccepted)?;
        let verified = issuer.verify(token)?;
        registry.by_token(hash, (place, issuer.name()), &verified)
    }

    fn issuer_of(&self, token: &str) -> Option<(usize, &Arc<Issuer>)> {
        let named = issuer::named_in(token)?;
        let mut issuers = self.issuers.iter().enumerate();
        issuers.find(|(_, issuer)| **issuer.name() == *named)
    }
}
