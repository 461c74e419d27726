//! The form of an event, which anyone can send.

use bitrix24_openlines::testing::install::read_event;
use form_urlencoded::Serializer;

const SECRETS: [&str; 3] = [
    "auth[access_token]",
    "auth[refresh_token]",
    "auth[application_token]",
];
const SECRET: &str = "s3cr3tcanary";

/// An event is read or refused, means the same in its plain spelling, and shows no secret.
pub fn event_form(body: &[u8]) {
    let Some(shown) = read_event(body) else {
        return;
    };
    let pairs = || form_urlencoded::parse(body);
    let plain = Serializer::new(String::new())
        .extend_pairs(pairs())
        .finish();
    assert_eq!(read_event(plain.as_bytes()).as_ref(), Some(&shown));

    // It may stand in another field, whose capitals need not stay.
    if pairs().any(|(_, value)| value.to_ascii_lowercase().contains(SECRET)) {
        return;
    }
    let secret = pairs().map(|(name, value)| {
        let is_secret = SECRETS.contains(&name.as_ref());
        (name, if is_secret { SECRET.into() } else { value })
    });
    let secret = Serializer::new(String::new()).extend_pairs(secret).finish();
    if let Some(shown) = read_event(secret.as_bytes()) {
        assert!(!shown.contains(SECRET), "{shown}");
    }
}
