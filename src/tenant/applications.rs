//! The applications that the operator of this service has registered at Bitrix24.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretString;
use thiserror::Error;

use bitrix24::ClientId;

/// Longest name, in characters: with a dot and a member id of 32 it fits into a tenant id of 63.
const MAXIMUM_CHARACTERS: usize = 30;

/// The name of an application in the settings, in the URL that Bitrix24 calls, and in tenant ids:
/// 1–30 lower-case ASCII letters, digits and `-`, starting with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApplicationName(Box<str>);

/// The text breaks the rule of [`ApplicationName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "is not an application name; give 1 to 30 lower-case ASCII letters, digits and '-', starting with a letter"
)]
pub struct InvalidApplicationName;

/// An application with its secret.
#[derive(Clone, Debug)]
pub struct Application {
    pub name: ApplicationName,
    pub client_id: ClientId,
    pub client_secret: SecretString,
}

/// The applications of the settings, with distinct names and client ids. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Applications(Arc<Vec<Application>>);

impl ApplicationName {
    pub fn parse(text: &str) -> Result<Self, InvalidApplicationName> {
        let starts = text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_lowercase());
        let sound = text.len() <= MAXIMUM_CHARACTERS
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        (starts && sound)
            .then(|| Self(text.into()))
            .ok_or(InvalidApplicationName)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ApplicationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Applications {
    /// The names and client ids must be distinct.
    pub fn new(applications: Vec<Application>) -> Self {
        Self(Arc::new(applications))
    }

    pub fn by_name(&self, name: &str) -> Option<&Application> {
        self.iter().find(|known| known.name.as_str() == name)
    }

    pub fn by_client_id(&self, client_id: &ClientId) -> Option<&Application> {
        self.iter().find(|known| known.client_id == *client_id)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Application> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::ApplicationName;

    #[test]
    fn a_name_fits_into_an_address_and_into_a_tenant_id() {
        for good in ["chat", "a", "chat-2"] {
            assert!(ApplicationName::parse(good).is_ok(), "{good}");
        }
        let long = "a".repeat(31);
        for wrong in ["", "2chat", "-", "Chat", "a.b", "a/b", long.as_str()] {
            assert!(ApplicationName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
