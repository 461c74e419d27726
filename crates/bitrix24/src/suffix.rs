//! A DNS suffix whose subdomains may be portals.

use std::fmt;

use crate::{HostName, InvalidHostName};

/// The end of a host name, in whole labels: `bitrix24.com` covers `acme.bitrix24.com` but neither
/// `evilbitrix24.com` nor `bitrix24.com` itself.
///
/// At least two labels: a whole top-level domain would be a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suffix(HostName);

impl Suffix {
    /// Reads a suffix, written without a leading dot or asterisk.
    ///
    /// # Errors
    ///
    /// Names the first rule of host names that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidHostName> {
        HostName::parse(text).map(Self)
    }

    /// Whether `host` is a subdomain of this suffix.
    pub fn covers(&self, host: &HostName) -> bool {
        host.as_str()
            .strip_suffix(self.0.as_str())
            .is_some_and(|before| before.ends_with('.'))
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Suffix;
    use crate::HostName;

    fn covers(suffix: &str, host: &str) -> bool {
        Suffix::parse(suffix)
            .unwrap()
            .covers(&HostName::parse(host).unwrap())
    }

    #[test]
    fn whole_labels_are_compared() {
        assert!(covers("bitrix24.com", "acme.bitrix24.com"));
        assert!(covers("bitrix24.com.br", "acme.bitrix24.com.br"));
        assert!(!covers("bitrix24.com", "evilbitrix24.com"));
        assert!(!covers("bitrix24.com", "bitrix24.com.evil.org"));
        assert!(!covers("bitrix24.com", "bitrix24.com"));
    }

    #[test]
    fn a_whole_top_level_domain_cannot_be_allowed() {
        for text in ["com", ".com", "*.com", "."] {
            assert!(Suffix::parse(text).is_err(), "{text}");
        }
    }
}
