//! The name of a host, as an operator or a tenant writes it.

use std::fmt;

use thiserror::Error;

/// Longest DNS name in text form, in bytes (RFC 1035: 255 on the wire).
const MAXIMUM_NAME_BYTES: usize = 253;
/// Longest label of a DNS name, in bytes (RFC 1035).
const MAXIMUM_LABEL_BYTES: usize = 63;

/// A full DNS name: lower-case ASCII, at least two labels, and nothing that a URL parser could read
/// as something else.
///
/// A host has exactly one spelling, so names can be compared as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Box<str>);

/// Why a text is not a [`HostName`].
///
/// No variant quotes the text: it may be a whole webhook URL, whose secret must not reach a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHostName {
    /// Nothing was given.
    #[error("is empty; give the host name only, for example acme.bitrix24.com")]
    Empty,
    /// White space or a control character.
    #[error("contains white space or a control character; remove it")]
    WhiteSpace,
    /// A scheme in front of the host.
    #[error("starts with a scheme; give the host name only, without https://")]
    Scheme,
    /// User name or password in front of the host.
    #[error("contains user information before an @; give the host name only")]
    UserInfo,
    /// A path, a query or a fragment after the host.
    #[error(
        "contains a path, a query or a fragment; give the host name only, and a webhook's user and \
         secret in their own fields"
    )]
    Path,
    /// A port after the host.
    #[error("contains a port; remove it")]
    Port,
    /// An IP address in a spelling that a resolver or URL parser accepts.
    #[error("is an IP address; give the DNS name of the portal")]
    IpLiteral,
    /// Characters outside ASCII.
    #[error("contains characters outside ASCII; write the name in its punycode form (xn--…)")]
    NotAscii,
    /// Capital letters.
    #[error("contains capital letters; write the name in lower case")]
    UpperCase,
    /// A dot at the end.
    #[error("ends with a dot; remove it")]
    TrailingDot,
    /// No dot at all.
    #[error("has no dot; give the full DNS name, for example acme.bitrix24.com")]
    SingleLabel,
    /// More than 253 bytes.
    #[error("is longer than the 253 characters a DNS name may have; shorten it")]
    TooLong,
    /// Two dots in a row, or a dot at the start.
    #[error("has an empty part between two dots or before the first; remove the extra dot")]
    EmptyLabel,
    /// A label of more than 63 bytes.
    #[error("has a part longer than the 63 characters DNS allows between two dots; shorten it")]
    LabelTooLong,
    /// A label that starts or ends with a hyphen.
    #[error("has a part that starts or ends with a hyphen; check the spelling")]
    HyphenAtEdge,
    /// A label that starts with `xn--` and does not decode.
    #[error("has a part that starts with xn-- and is not valid punycode; check the spelling")]
    Punycode,
    /// Any other character.
    #[error(
        "contains a character that no host name has; use letters, digits, hyphens and dots only"
    )]
    Character,
}

impl HostName {
    /// Reads a host name.
    ///
    /// # Errors
    ///
    /// Names the first rule that the text breaks.
    pub fn parse(text: &str) -> Result<Self, InvalidHostName> {
        refuse_url_parts(text)?;
        refuse_spelling(text)?;
        for label in text.split('.') {
            refuse_label(label)?;
        }
        refuse_broken_punycode(text)?;
        Ok(Self(text.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Refuses other parts of a URL.
fn refuse_url_parts(text: &str) -> Result<(), InvalidHostName> {
    if text.is_empty() {
        return Err(InvalidHostName::Empty);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(InvalidHostName::WhiteSpace);
    }
    if text.contains("://") {
        return Err(InvalidHostName::Scheme);
    }
    if text.contains('@') {
        return Err(InvalidHostName::UserInfo);
    }
    if text.contains(['/', '\\', '?', '#']) {
        return Err(InvalidHostName::Path);
    }
    if text.contains(['[', ']']) || text.matches(':').count() > 1 {
        return Err(InvalidHostName::IpLiteral);
    }
    if text.contains(':') {
        return Err(InvalidHostName::Port);
    }
    Ok(())
}

/// Refuses names that have several spellings, and texts that are not names.
fn refuse_spelling(text: &str) -> Result<(), InvalidHostName> {
    if !text.is_ascii() {
        return Err(InvalidHostName::NotAscii);
    }
    // Before the case is checked, because `0X7F.1` is an address first.
    if is_address_spelling(text) {
        return Err(InvalidHostName::IpLiteral);
    }
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(InvalidHostName::UpperCase);
    }
    if text.ends_with('.') {
        return Err(InvalidHostName::TrailingDot);
    }
    if !text.contains('.') {
        return Err(InvalidHostName::SingleLabel);
    }
    if text.len() > MAXIMUM_NAME_BYTES {
        return Err(InvalidHostName::TooLong);
    }
    Ok(())
}

fn refuse_label(label: &str) -> Result<(), InvalidHostName> {
    if label.is_empty() {
        return Err(InvalidHostName::EmptyLabel);
    }
    if label.len() > MAXIMUM_LABEL_BYTES {
        return Err(InvalidHostName::LabelTooLong);
    }
    if !label
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    {
        return Err(InvalidHostName::Character);
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(InvalidHostName::HyphenAtEdge);
    }
    Ok(())
}

/// Whether a URL parser or `inet_aton` would take the text for an IPv4 address.
///
/// The WHATWG rule: a host whose last label is a number is an address. That covers `127.1`,
/// `0x7f.1`, `0177.0.0.1` and `2130706433`, each also with a trailing dot.
fn is_address_spelling(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// Refuses a name that a URL parser would refuse or change: no request could be made to it.
fn refuse_broken_punycode(text: &str) -> Result<(), InvalidHostName> {
    if !text.split('.').any(|label| label.starts_with("xn--")) {
        return Ok(());
    }
    let url = url::Url::parse(&format!("https://{text}/"));
    url.is_ok_and(|url| url.host_str() == Some(text))
        .then_some(())
        .ok_or(InvalidHostName::Punycode)
}

#[cfg(test)]
mod tests {
    use super::{HostName, InvalidHostName as Invalid};

    #[test]
    fn plain_dns_names_are_accepted() {
        for name in [
            "acme.bitrix24.com",
            "a.b",
            "b24-x1.bitrix24.com.br",
            "xn--80akhbyknj4f.bitrix24.ru",
            "1c.example.org",
            "0x7f.example",
        ] {
            assert_eq!(
                HostName::parse(name).map(|host| host.to_string()),
                Ok(name.to_owned())
            );
        }
    }

    #[test]
    fn each_broken_rule_is_named() {
        let long_label = format!("{}.bitrix24.com", "a".repeat(64));
        let long_name = format!("{}com", "a23456789.".repeat(26));
        for (text, expected) in [
            ("", Invalid::Empty),
            (" acme.bitrix24.com", Invalid::WhiteSpace),
            ("acme.bitrix24.com\n", Invalid::WhiteSpace),
            ("acme\u{a0}.bitrix24.com", Invalid::WhiteSpace),
            ("acme\0.bitrix24.com", Invalid::WhiteSpace),
            ("https://acme.bitrix24.com", Invalid::Scheme),
            ("user@acme.bitrix24.com", Invalid::UserInfo),
            ("acme.bitrix24.com/rest/1/secret", Invalid::Path),
            ("acme.bitrix24.com\\x", Invalid::Path),
            ("acme.bitrix24.com?x", Invalid::Path),
            ("acme.bitrix24.com#x", Invalid::Path),
            ("acme.bitrix24.com:443", Invalid::Port),
            ("127.0.0.1:443", Invalid::Port),
            ("127.0.0.1", Invalid::IpLiteral),
            ("127.0.0.1.", Invalid::IpLiteral),
            ("127.1", Invalid::IpLiteral),
            ("0x7f.1", Invalid::IpLiteral),
            ("0X7F.0X1", Invalid::IpLiteral),
            ("0x7f000001", Invalid::IpLiteral),
            ("0177.0.0.01", Invalid::IpLiteral),
            ("2130706433", Invalid::IpLiteral),
            ("acme.bitrix24.0x", Invalid::IpLiteral),
            ("[::1]", Invalid::IpLiteral),
            ("::1", Invalid::IpLiteral),
            ("fe80::1%eth0", Invalid::IpLiteral),
            ("пример.bitrix24.ru", Invalid::NotAscii),
            ("acme。bitrix24.com", Invalid::NotAscii),
            ("Acme.bitrix24.com", Invalid::UpperCase),
            ("acme.bitrix24.com.", Invalid::TrailingDot),
            ("localhost", Invalid::SingleLabel),
            (long_name.as_str(), Invalid::TooLong),
            ("acme..bitrix24.com", Invalid::EmptyLabel),
            (".bitrix24.com", Invalid::EmptyLabel),
            (long_label.as_str(), Invalid::LabelTooLong),
            ("-acme.bitrix24.com", Invalid::HyphenAtEdge),
            ("acme-.bitrix24.com", Invalid::HyphenAtEdge),
            ("ac_me.bitrix24.com", Invalid::Character),
            ("acme%2e.bitrix24.com", Invalid::Character),
            ("*.bitrix24.com", Invalid::Character),
            // Found by fuzzing: every request would have failed.
            ("xn--e0afmkfd.bitrix28.com", Invalid::Punycode),
            ("xn--.bitrix24.com", Invalid::HyphenAtEdge),
        ] {
            assert_eq!(HostName::parse(text), Err(expected), "{text:?}");
        }
    }
}
