//! Keys of the file and variables of the environment that no setting has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::VARIABLE_PREFIX;
use super::document::Document;
use super::environment::Environment;
use super::error::{SettingError, SettingErrors};
use super::key::{nested, shown};
use super::setting::{Setting, variable};

/// Most letters that differ between an unknown name and the one that is suggested.
const MAXIMUM_DISTANCE: usize = 3;

/// The errors of keys in the settings file.
pub(super) fn keys(document: &Document, known: &[Setting]) -> SettingErrors {
    let mut judged = Keys {
        document,
        known,
        errors: SettingErrors::default(),
    };
    let root = document.value();
    if root.is_object() || root.is_null() {
        judged.section("", root);
    } else {
        judged.errors.push(SettingError::new(
            document.name(),
            "is not a mapping",
            "give sections, like `server:` with `listen:` below it",
        ));
    }
    judged.errors
}

struct Keys<'a> {
    document: &'a Document,
    known: &'a [Setting],
    errors: SettingErrors,
}

impl Keys<'_> {
    /// Judges the keys of the section at `prefix`, which is empty or ends with a dot.
    fn section(&mut self, prefix: &str, section: &Value) {
        for (key, value) in section.as_object().into_iter().flatten() {
            let path = format!("{prefix}{key}");
            if key.contains('.') {
                // Never looked up: the dots of a path stand for nested keys.
                self.unknown(prefix, key);
            } else if self.is_section(&path) {
                if value.is_object() || value.is_null() {
                    self.section(&format!("{path}."), value);
                } else {
                    let place = self.place(&path);
                    let remedy = "give its settings below it";
                    self.errors
                        .push(SettingError::new(place, "is a section", remedy));
                }
            } else if !self.is_setting(&path) {
                self.unknown(prefix, key);
            }
        }
    }

    fn unknown(&mut self, prefix: &str, key: &str) {
        let path = format!("{prefix}{}", shown(key));
        let remedy = if self.is_setting(&path) || self.is_section(&path) {
            format!("nest the keys: {}", nested(&path))
        } else {
            match closest(&path, self.known.iter().map(|setting| setting.path)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "remove it; docs/settings.md lists all settings".to_owned(),
            }
        };
        let place = self.place(&path);
        self.errors
            .push(SettingError::new(place, "is an unknown setting", remedy));
    }

    fn is_setting(&self, path: &str) -> bool {
        self.known.iter().any(|setting| setting.path == path)
    }

    fn is_section(&self, path: &str) -> bool {
        let mut below = self
            .known
            .iter()
            .filter_map(|known| known.path.strip_prefix(path));
        below.any(|rest| rest.starts_with('.'))
    }

    fn place(&self, path: &str) -> String {
        format!("{path} in {}", self.document.name())
    }
}

/// The errors of environment variables that look like settings. `others` are known not to be ones,
/// for example those that a tenants file takes secrets from.
pub(super) fn variables(
    environment: &Environment,
    known: &[Setting],
    others: &BTreeSet<String>,
) -> SettingErrors {
    let mut errors = SettingErrors::default();
    let names = || {
        known
            .iter()
            .filter_map(|setting| setting.variable.as_deref())
    };
    for name in environment.names_with(VARIABLE_PREFIX) {
        let value = environment.get(name).and_then(Result::ok);
        if names().any(|known| known == name)
            || others.contains(name)
            || is_service_link(name, value.unwrap_or_default())
        {
            continue;
        }
        let structure = known.iter().find(|setting| variable(setting.path) == name);
        let remedy = match (structure, closest(name, names())) {
            (Some(setting), _) => {
                let file = format!("{name}_FILE");
                let file = names().find(|known| *known == file);
                let or = file.map(|file| format!(", or a file with it in {file}"));
                let or = or.unwrap_or_default();
                format!("give {} in the settings file{or}", setting.path)
            }
            (None, Some(meant)) => format!("did you mean {meant}?"),
            (None, None) => "unset it; docs/settings.md lists all settings".to_owned(),
        };
        errors.push(SettingError::new(
            format!("environment variable {name}"),
            format!("is not a setting, but starts with {VARIABLE_PREFIX}"),
            remedy,
        ));
    }
    errors
}

/// The candidate closest to `name`, if few letters differ.
fn closest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= MAXIMUM_DISTANCE)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether Kubernetes sets the variable: it describes each Service of the namespace to each
/// container, and a Service named `openlines` gives `OPENLINES_SERVICE_HOST`,
/// `OPENLINES_PORT_50051_TCP_ADDR` and the like.
pub(crate) fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    // The name alone does not tell it from `OPENLINES_SERVER_PORT`. Such a variable holds a URL.
    if name.ends_with("_PORT") && !name.contains("_PORT_") {
        return value.contains("://");
    }
    name.split_once("_PORT_").is_some_and(|(_, rest)| {
        let protocol = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        protocol != rest
            && ["_TCP", "_UDP", "_SCTP"]
                .iter()
                .any(|end| protocol.starts_with(end))
    })
}

#[cfg(test)]
mod tests {
    use super::{closest, is_service_link};

    #[test]
    fn a_typing_error_gets_a_suggestion_and_nonsense_gets_none() {
        let names = || ["server.listen", "server.reflection"].into_iter();
        assert_eq!(closest("server.lisen", names()), Some("server.listen"));
        assert_eq!(closest("something.else", names()), None);
    }

    #[test]
    fn variables_that_kubernetes_sets_for_a_service_of_our_name_are_no_errors() {
        let link = "tcp://10.0.0.1:50051";
        for (name, value) in [
            ("OPENLINES_SERVICE_HOST", "10.0.0.1"),
            ("OPENLINES_SERVICE_PORT", "50051"),
            ("OPENLINES_SERVICE_PORT_GRPC", "50051"),
            ("OPENLINES_PORT", link),
            ("OPENLINES_PORT_50051_TCP", link),
            ("OPENLINES_PORT_50051_TCP_PROTO", "tcp"),
            ("OPENLINES_PORT_50051_TCP_PORT", "50051"),
            ("OPENLINES_PORT_50051_TCP_ADDR", "10.0.0.1"),
            ("OPENLINES_HEADLESS_SERVICE_HOST", "10.0.0.1"),
            ("OPENLINES_HEADLESS_PORT", link),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
    }

    #[test]
    fn misspelt_settings_are_not_taken_for_those() {
        for name in [
            "OPENLINES_SERVER_LISTN",
            "OPENLINES_SERVER_PORT",
            "OPENLINES_PORT_TCP",
        ] {
            assert!(!is_service_link(name, "50051"), "{name}");
        }
    }
}
