//! Bitrix24's ids of portals and applications.

use std::fmt;

use thiserror::Error;

/// Longest id, in characters. Member ids have 32 and client ids about 35.
const MAXIMUM_CHARACTERS: usize = 100;

/// The id that a portal keeps when it is renamed: ASCII letters and digits, in practice 32
/// hexadecimal digits.
///
/// Source: page "oauth", field `member_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(Box<str>);

/// The id of an application: ASCII letters, digits, `.`, `-` and `_`, like `local.5a6d….1000` or
/// `app.5a6d….1000`.
///
/// Source: page "oauth", field `client_id`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Box<str>);

/// The text is empty, longer than 100 characters, or has a character that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidIdentity {
    /// See [`MemberId`].
    #[error("is not a member id; give 1 to 100 ASCII letters and digits")]
    MemberId,
    /// See [`ClientId`].
    #[error("is not a client id; give 1 to 100 ASCII letters, digits, '.', '-' and '_'")]
    ClientId,
}

impl MemberId {
    /// Reads a member id.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity::MemberId`].
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let sound = is_sound(text, |byte| byte.is_ascii_alphanumeric());
        sound
            .then(|| Self(text.into()))
            .ok_or(InvalidIdentity::MemberId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl ClientId {
    /// Reads a client id.
    ///
    /// # Errors
    ///
    /// [`InvalidIdentity::ClientId`].
    pub fn parse(text: &str) -> Result<Self, InvalidIdentity> {
        let sound = is_sound(text, |byte| {
            byte.is_ascii_alphanumeric() || b".-_".contains(&byte)
        });
        sound
            .then(|| Self(text.into()))
            .ok_or(InvalidIdentity::ClientId)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sound(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.len() <= MAXIMUM_CHARACTERS && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::{ClientId, MemberId};

    #[test]
    fn ids_have_the_characters_of_bitrix24s_ids_only() {
        assert!(MemberId::parse("a223c6b3710f85df22e9377d6c4f7553").is_ok());
        assert!(ClientId::parse("local.5a6d0b0c8e1f27.10000001").is_ok());
        let long = "a".repeat(101);
        for wrong in ["", "a b", "a/b", "é", long.as_str()] {
            assert!(MemberId::parse(wrong).is_err(), "{wrong}");
            assert!(ClientId::parse(wrong).is_err(), "{wrong}");
        }
        assert!(MemberId::parse("a.b").is_err());
    }
}
