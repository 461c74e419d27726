//! What was written somewhere, and whether a secret is in it, in plain or in disguise.

use std::collections::BTreeMap;

/// Everything that was found, by the place it was found in.
#[derive(Default)]
pub(super) struct Haystack {
    places: Vec<(String, String)>,
}

impl Haystack {
    pub(super) fn add(&mut self, place: &str, bytes: &[u8]) {
        // Secrets are ASCII: no replacement can hide one.
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.places.push((place.to_owned(), text));
    }

    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn size(&self) -> usize {
        self.places.iter().map(|(_, text)| text.len()).sum()
    }

    /// Where these secrets are, by their names.
    pub(super) fn find(&self, secrets: &BTreeMap<String, String>) -> Vec<String> {
        let mut found = Vec::new();
        for (name, secret) in secrets {
            for (form, disguise) in disguises(secret) {
                let here = self
                    .places
                    .iter()
                    .filter(|(_, text)| text.contains(&disguise));
                found.extend(here.map(|(place, text)| {
                    let line = text.lines().find(|line| line.contains(&disguise));
                    let line: String = line.unwrap_or_default().chars().take(600).collect();
                    format!("{name} ({form}) is in {place}: {line}")
                }));
            }
        }
        found
    }
}

/// The forms in which a secret could stand somewhere.
fn disguises(secret: &str) -> Vec<(String, String)> {
    assert!(secret.len() >= 12, "too short to be searched for: {secret}");
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        ("plain".to_owned(), secret.to_owned()),
        ("upper hex".to_owned(), hex.to_uppercase()),
        ("hex".to_owned(), hex),
        // A list of bytes, as `Debug` writes it.
        (
            "bytes".to_owned(),
            format!("{:?}", secret.as_bytes()).replace(['[', ']'], ""),
        ),
        ("backwards".to_owned(), secret.chars().rev().collect()),
    ];
    for shift in 0..3 {
        let core = base64_core(secret.as_bytes(), shift);
        let url_safe = core.replace('+', "-").replace('/', "_");
        forms.push((format!("base64 {shift}"), core));
        forms.push((format!("base64url {shift}"), url_safe));
    }
    forms
}

/// The letters of base64 that depend on nothing but the secret, when `shift` bytes stand before it.
fn base64_core(secret: &[u8], shift: usize) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = std::iter::repeat_n(0, shift)
        .chain(secret.iter().copied())
        .collect();
    let bit = |at: usize| usize::from(bytes[at / 8] >> (7 - at % 8) & 1);
    let first = (shift * 8).div_ceil(6);
    let last = bytes.len() * 8 / 6;
    let letter = |at: usize| {
        let value = (0..6).fold(0, |value, place| value << 1 | bit(at * 6 + place));
        char::from(ALPHABET[value])
    };
    (first..last).map(letter).collect()
}

#[test]
fn a_secret_is_found_in_every_disguise() {
    let secrets = BTreeMap::from([("canary".to_owned(), "canary-in-the-mine".to_owned())]);
    for hidden in [
        "xx canary-in-the-mine xx",
        "63616e6172792d696e2d7468652d6d696e65",
        // base64 of "canary-in-the-mine", of ".canary-in-the-mine." and of "..canary-in-the-mine."
        "Y2FuYXJ5LWluLXRoZS1taW5l",
        "LmNhbmFyeS1pbi10aGUtbWluZS4=",
        "Li5jYW5hcnktaW4tdGhlLW1pbmUu",
    ] {
        let mut haystack = Haystack::default();
        haystack.add("here", hidden.as_bytes());
        assert!(!haystack.find(&secrets).is_empty(), "{hidden}");
    }
    let mut haystack = Haystack::default();
    haystack.add("here", b"canary-in-the-min, and nothing else");
    assert!(haystack.find(&secrets).is_empty());
}
