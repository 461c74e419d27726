//! Values in a digest of rows.

use sha2::{Digest, Sha256};

/// A value in a digest: two different values never look the same, wherever one ends.
pub(crate) trait Fed {
    fn feed(&self, digest: &mut Sha256);
}

impl Fed for [u8] {
    fn feed(&self, digest: &mut Sha256) {
        digest.update(u64::try_from(self.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(self);
    }
}

impl Fed for Vec<u8> {
    fn feed(&self, digest: &mut Sha256) {
        self.as_slice().feed(digest);
    }
}

impl Fed for String {
    fn feed(&self, digest: &mut Sha256) {
        self.as_bytes().feed(digest);
    }
}

impl Fed for i64 {
    fn feed(&self, digest: &mut Sha256) {
        digest.update(self.to_be_bytes());
    }
}

impl Fed for bool {
    fn feed(&self, digest: &mut Sha256) {
        digest.update([u8::from(*self)]);
    }
}

impl Fed for f64 {
    fn feed(&self, digest: &mut Sha256) {
        digest.update(self.to_bits().to_be_bytes());
    }
}

impl<T: Fed> Fed for Option<T> {
    fn feed(&self, digest: &mut Sha256) {
        digest.update([u8::from(self.is_some())]);
        if let Some(value) = self {
            value.feed(digest);
        }
    }
}
