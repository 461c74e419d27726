//! The form of a JWT, before anyone verifies it.

/// The longest JWT, in bytes. Those of Kubernetes have about 1,000, those of identity providers
/// with many claims up to some thousands.
pub(super) const MAXIMUM_TOKEN_BYTES: usize = 8 * 1024;

/// Whether a text has the shape of a signed JWT: three parts in Base64 for URLs.
pub(super) fn is_token(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(is_allowed)
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}
