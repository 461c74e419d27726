//! Names in file and environment that no setting has.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::{Document, is_quotable};
use super::environment::Environment;
use super::fault::{Fault, Faults};
use super::suggestion::closest;
use super::{API_KEY_VARIABLE, FILE_VARIABLE, VARIABLE_PREFIX, settings};

/// The faults of keys in the settings file.
pub(super) fn keys(document: &Document) -> Faults {
    let mut faults = Faults::default();
    let root = document.value();
    if root.is_object() || root.is_null() {
        below("", root, document, &mut faults);
    } else {
        faults.push(Fault::new(
            document.name(),
            "is not a mapping",
            "give sections, like `server:` with `listen:` below it",
        ));
    }
    faults
}

/// Judges the keys of the section at `prefix`, which is empty or ends with a dot.
fn below(prefix: &str, section: &Value, document: &Document, faults: &mut Faults) {
    let Some(object) = section.as_object() else {
        return;
    };
    for (key, value) in object {
        let path = format!("{prefix}{key}");
        if settings().iter().any(|setting| setting.path == path) {
            continue;
        }
        let children = format!("{path}.");
        let is_section = settings()
            .iter()
            .any(|setting| setting.path.starts_with(&children));
        if is_section && (value.is_object() || value.is_null()) {
            below(&children, value, document, faults);
        } else if is_section {
            let place = format!("{path} in {}", document.name());
            faults.push(Fault::new(
                place,
                "is a section",
                "give its settings below it",
            ));
        } else {
            faults.push(unknown_key(prefix, key, document));
        }
    }
}

fn unknown_key(prefix: &str, key: &str, document: &Document) -> Fault {
    let shown = if is_quotable(key) {
        key
    } else {
        "(unprintable key)"
    };
    let path = format!("{prefix}{shown}");
    let meant = closest(&path, settings().iter().map(|setting| setting.path));
    let remedy = match meant {
        Some(meant) => format!("did you mean {meant}?"),
        None => "remove it; docs/settings.md lists all settings".to_owned(),
    };
    Fault::new(
        format!("{path} in {}", document.name()),
        "is an unknown setting",
        remedy,
    )
}

/// The faults of environment variables that look like settings and are none. `foreign` are the
/// variables that a tenants file names as the source of a secret.
pub(super) fn variables(environment: &Environment, foreign: &BTreeSet<String>) -> Faults {
    let known: BTreeSet<String> = settings()
        .iter()
        .filter_map(|setting| setting.variable())
        .collect();
    let mut faults = Faults::default();
    for name in environment.names_with(VARIABLE_PREFIX) {
        if name == FILE_VARIABLE
            || name == API_KEY_VARIABLE
            || known.contains(name)
            || foreign.contains(name)
            || is_service_link(
                name,
                environment
                    .get(name)
                    .and_then(Result::ok)
                    .unwrap_or_default(),
            )
        {
            continue;
        }
        let remedy = if name == "OPENLINES_AUTH_CALLERS" {
            "callers stand in a file only; name one in OPENLINES_AUTH_CALLERS_FILE".to_owned()
        } else {
            match closest(name, known.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "unset it; docs/settings.md lists all settings".to_owned(),
            }
        };
        faults.push(Fault::new(
            format!("environment variable {name}"),
            "is no setting, though its name starts like one",
            remedy,
        ));
    }
    faults
}

/// Whether Kubernetes made the variable up: it describes every Service of the namespace to every
/// container, and a Service named `openlines` gives `OPENLINES_SERVICE_HOST`,
/// `OPENLINES_PORT_50051_TCP_ADDR` and the like.
fn is_service_link(name: &str, value: &str) -> bool {
    if name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
    {
        return true;
    }
    // By its name alone `OPENLINES_SERVER_PORT` could be one; such a variable holds a URL.
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
    use std::collections::BTreeSet;

    use super::{is_service_link, variables};
    use crate::config::{Environment, settings};

    #[test]
    fn the_key_of_the_command_line_is_no_misspelt_setting() {
        let environment = Environment::from_iter(
            ["OPENLINES_API_KEY", "OPENLINES_API_KEYS"]
                .map(|name| (name.to_owned(), "x".to_owned())),
        );
        let faults = variables(&environment, &BTreeSet::new()).to_string();
        assert!(faults.contains("OPENLINES_API_KEYS"), "{faults}");
        assert_eq!(faults.matches("OPENLINES_API_KEY").count(), 1, "{faults}");
    }

    #[test]
    fn variables_that_kubernetes_makes_up_for_a_service_of_our_name_are_no_faults() {
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

    #[test]
    fn no_setting_has_a_name_that_kubernetes_makes_up() {
        for variable in settings().iter().filter_map(|setting| setting.variable()) {
            assert!(!is_service_link(&variable, "x"), "{variable}");
        }
    }
}
