//! The credential that a connection has shown last. A client shows the same one with every call, so
//! it is compared and not judged anew, as long as what it was judged by stands (docs/adr/0053).

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use secrecy::{ExposeSecret, SecretSlice};
use subtle::ConstantTimeEq;

use super::caller::Caller;
use super::expiry::Moment;
use super::registry::Proof;

/// What a connection has shown.
#[derive(Default)]
pub(crate) struct Remembered(Mutex<Option<Shown>>);

struct Shown {
    /// The whole value of the header.
    header: SecretSlice<u8>,
    /// The number of the registry that it was judged by.
    registry: u64,
    proof: Proof,
    /// Whether a call has shown it since [`Remembered::forget_idle`].
    is_in_use: bool,
}

impl Remembered {
    /// The caller, if it was this header that proved it to this registry, with the set of keys that
    /// its issuer still has, and has not ended since.
    pub(super) fn caller(
        &self,
        header: &[u8],
        registry: u64,
        now: Moment,
        generation: impl Fn(usize) -> Option<u64>,
    ) -> Option<Caller> {
        let mut shown = self.lock();
        let shown = shown.as_mut()?;
        let is_same: bool = shown.header.expose_secret().ct_eq(header).into();
        let stands = shown.registry == registry && shown.proof.stands(now, generation);
        if !(is_same && stands) {
            return None;
        }
        shown.is_in_use = true;
        Some(shown.proof.caller.clone())
    }

    /// Remembers a header that was judged now.
    pub(super) fn remember(&self, header: &[u8], registry: u64, proof: &Proof) {
        *self.lock() = Some(Shown {
            header: header.to_vec().into(),
            registry,
            proof: proof.clone(),
            is_in_use: true,
        });
    }

    /// Forgets the credential unless a call has shown it since the last time.
    pub(crate) fn forget_idle(&self) {
        let mut shown = self.lock();
        let is_in_use = shown
            .as_mut()
            .is_some_and(|shown| std::mem::take(&mut shown.is_in_use));
        if !is_in_use {
            *shown = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Shown>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered([redacted])")
    }
}
