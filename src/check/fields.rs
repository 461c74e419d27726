//! The rules that a field can be checked against.
//!
//! The same rules stand in the .proto as buf.validate options, for clients that want to check
//! before they send. A test lets a real protovalidate and the server judge the same requests.

use super::address::{is_absolute, is_portal_path};
use super::path::Path;
use super::violations::Violations;
use bitrix24::{InvalidTenantId, TenantId};

/// The longest address, in characters. Ours: the limit of browsers and proxies.
const URL_CHARACTERS: usize = 2048;

/// A walk over a request that collects its violations.
#[derive(Debug, Default)]
pub(crate) struct Check {
    violations: Violations,
}

impl Check {
    pub(super) fn into_violations(self) -> Violations {
        self.violations
    }

    pub(crate) fn wrong(
        &mut self,
        path: Path<'_>,
        rule: &'static str,
        description: impl Into<String>,
    ) {
        self.violations.add(path.to_string(), rule, description);
    }

    fn is_given(&mut self, path: Path<'_>, value: &str) -> bool {
        if value.is_empty() {
            self.wrong(path, "REQUIRED", "is required; it is empty");
        }
        !value.is_empty()
    }

    /// The id of a tenant, required.
    pub(crate) fn tenant_id(&mut self, path: Path<'_>, value: &str) -> Option<TenantId> {
        match TenantId::parse(value) {
            Ok(id) => return Some(id),
            Err(InvalidTenantId::Empty) => {
                self.wrong(path, "REQUIRED", "is required; it is empty");
            }
            Err(error) => self.wrong(path, "TENANT_ID", error.to_string()),
        }
        None
    }

    /// A message field that must be set.
    pub(crate) fn required<'m, M>(
        &mut self,
        path: Path<'_>,
        message: Option<&'m M>,
    ) -> Option<&'m M> {
        if message.is_none() {
            self.wrong(path, "REQUIRED", "is required; it is missing");
        }
        message
    }

    /// A required text of at most `limit` characters.
    pub(crate) fn required_text(&mut self, path: Path<'_>, value: &str, limit: usize) {
        if self.is_given(path, value) {
            self.text(path, value, limit);
        }
    }

    /// A required text of any length: the whole that it belongs to has a limit.
    pub(crate) fn nonempty(&mut self, path: Path<'_>, value: &str) {
        self.is_given(path, value);
    }

    /// A text of at most `limit` characters.
    pub(crate) fn text(&mut self, path: Path<'_>, value: &str, limit: usize) {
        // A text cannot have more characters than bytes.
        if value.len() > limit {
            let found = value.chars().count();
            if found > limit {
                self.wrong(
                    path,
                    "TOO_LONG",
                    format!("has {found} characters; at most {limit}: shorten it"),
                );
            }
        }
    }

    /// An identifier of Bitrix24 that must be above 0.
    pub(crate) fn required_id(&mut self, path: Path<'_>, value: i64) {
        if value <= 0 {
            self.wrong(path, "NOT_POSITIVE", "is required, above 0");
        }
    }

    /// An identifier or a size that is left out when 0.
    pub(crate) fn not_negative(&mut self, path: Path<'_>, value: impl Into<i64>) {
        if value.into() < 0 {
            self.wrong(path, "NEGATIVE", "is below 0; give 0 or more");
        }
    }

    /// A list of at least one item.
    pub(crate) fn some<T>(&mut self, path: Path<'_>, items: &[T]) {
        if items.is_empty() {
            self.wrong(path, "REQUIRED", "is required; it has no items");
        }
    }

    /// A list of at most `limit` items.
    pub(crate) fn at_most<T>(&mut self, path: Path<'_>, items: &[T], limit: usize) {
        let found = items.len();
        if found > limit {
            self.wrong(
                path,
                "TOO_MANY",
                format!("has {found} items; at most {limit}: split the call"),
            );
        }
    }

    /// An enum value that the API knows, where leaving it out is allowed.
    pub(crate) fn known<E: TryFrom<i32>>(&mut self, path: Path<'_>, value: i32) {
        if E::try_from(value).is_err() {
            self.wrong(
                path,
                "UNKNOWN_VALUE",
                format!("{value} is not a value of its enum"),
            );
        }
    }

    /// An enum value that the API knows and that is given.
    pub(crate) fn required_value<E: TryFrom<i32>>(&mut self, path: Path<'_>, value: i32) {
        if value == 0 {
            self.wrong(path, "REQUIRED", "is required; choose a value of its enum");
        } else {
            self.known::<E>(path, value);
        }
    }

    /// An optional address, absolute http or https.
    pub(crate) fn url(&mut self, path: Path<'_>, value: &str) {
        if !value.is_empty() {
            self.address(
                path,
                value,
                is_absolute(value),
                "is not an absolute http or https address; give one without spaces",
            );
        }
    }

    /// A required address, absolute http or https.
    pub(crate) fn required_url(&mut self, path: Path<'_>, value: &str) {
        if self.is_given(path, value) {
            self.url(path, value);
        }
    }

    /// An optional address, absolute or a path on the portal.
    pub(crate) fn link(&mut self, path: Path<'_>, value: &str) {
        if !value.is_empty() {
            self.address(
                path,
                value,
                is_absolute(value) || is_portal_path(value),
                "is neither an absolute http or https address nor a path that begins with one slash",
            );
        }
    }

    /// A required address, absolute or a path on the portal.
    pub(crate) fn required_link(&mut self, path: Path<'_>, value: &str) {
        if self.is_given(path, value) {
            self.link(path, value);
        }
    }

    fn address(&mut self, path: Path<'_>, value: &str, is_good: bool, description: &str) {
        self.text(path, value, URL_CHARACTERS);
        if !is_good {
            self.wrong(path, "ADDRESS", description);
        }
    }

    /// An optional colour, `#RGB` or `#RRGGBB`.
    pub(crate) fn color(&mut self, path: Path<'_>, value: &str) {
        let is_color = |digits: &str| {
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if !value.is_empty() && !value.strip_prefix('#').is_some_and(is_color) {
            self.wrong(path, "COLOR", "is not a colour; give #RGB or #RRGGBB");
        }
    }
}
