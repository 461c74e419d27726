//! Forms of events. PHP's brackets are not interpreted: `auth[member_id]` is an ordinary name.

use std::collections::HashMap;

use secrecy::SecretString;

/// The most fields. Events have fewer than 30.
const MAXIMUM_FIELDS: usize = 200;

/// The fields of a form. They hold secrets, so there is no `Debug` form.
pub(super) struct Form(HashMap<String, String>);

/// The body is not the form of an event: not text, too many fields, or a duplicate field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Form {
    pub(super) fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fields = HashMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            let is_text = ![&name, &value]
                .iter()
                .any(|text| text.contains(char::REPLACEMENT_CHARACTER));
            let before = fields.insert(name.into_owned(), value.into_owned());
            // Two readers could use different ones of duplicate fields.
            if !is_text || before.is_some() || fields.len() > MAXIMUM_FIELDS {
                return Err(Malformed);
            }
        }
        Ok(Self(fields))
    }

    /// A field; `None` if it is missing or empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// A required field.
    pub(super) fn require(&self, name: &str) -> Result<&str, Malformed> {
        self.get(name).ok_or(Malformed)
    }

    /// A required secret: visible ASCII characters, because requests will contain it.
    pub(super) fn require_secret(&self, name: &str) -> Result<SecretString, Malformed> {
        let value = self.require(name)?;
        let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic());
        is_visible.then(|| value.into()).ok_or(Malformed)
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn names_with_brackets_are_read_encoded_or_not() {
        for body in ["auth%5Bmember_id%5D=a+b&ts=5", "auth[member_id]=a%20b&ts=5"] {
            let form = Form::read(body.as_bytes()).unwrap();
            assert_eq!(form.get("auth[member_id]"), Some("a b"));
            assert_eq!(form.integer("ts"), Some(5));
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for body in ["a=1&a=2", "a=%ff", "%ff=a"] {
            assert!(Form::read(body.as_bytes()).is_err(), "{body}");
        }
        let many: String = (0..201).map(|number| format!("f{number}=1&")).collect();
        assert!(Form::read(many.as_bytes()).is_err());
        let form = Form::read(b"a=&b").unwrap();
        assert_eq!((form.get("a"), form.get("b")), (None, None));
        assert!(form.require("a").is_err());
    }
}
