//! The methods of the sending service that a caller may call.

use std::fmt;

use thiserror::Error;

use crate::api::METHODS;
use crate::api::openlines::v1::open_lines_service_server::SERVICE_NAME;

/// The methods of `OpenLinesService` that a caller may call. Managing tenants is a right of its
/// own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Methods {
    /// All, those of later versions included.
    Every,
    Only(Vec<&'static str>),
}

/// A text that names no method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is not a method of OpenLinesService")]
pub(crate) struct UnknownMethod;

impl Methods {
    /// The name of a method as the service has it.
    ///
    /// # Errors
    ///
    /// There is no such method.
    pub(crate) fn named(text: &str) -> Result<&'static str, UnknownMethod> {
        known().find(|known| *known == text).ok_or(UnknownMethod)
    }

    /// All names, to follow "give".
    pub(super) fn allowed() -> String {
        Self::names().collect::<Vec<_>>().join(", ")
    }

    /// All names.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        known()
    }

    pub(super) fn include(&self, method: &str) -> bool {
        match self {
            Self::Every => true,
            Self::Only(methods) => methods.contains(&method),
        }
    }
}

/// Methods that every caller may call: they concern no tenant.
const FREE: [&str; 1] = ["ListErrorReasons"];

/// What a stream may bring is granted by the methods of its items.
const STREAM: &str = "StreamingSendMessages";

fn known() -> impl Iterator<Item = &'static str> {
    METHODS
        .iter()
        .filter(|(service, method)| {
            *service == SERVICE_NAME && *method != STREAM && !FREE.contains(method)
        })
        .map(|(_, method)| *method)
}

/// Writes the list as in the settings, in YAML.
impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every => f.write_str("all"),
            Self::Only(methods) => write!(f, "[{}]", methods.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Methods, STREAM, UnknownMethod};

    #[test]
    fn only_methods_that_send_can_be_granted() {
        assert_eq!(Methods::named("SendCrmMessage"), Ok("SendCrmMessage"));
        for text in [
            "",
            "sendcrmmessage",
            "CreateTenant",
            STREAM,
            "SendCrmMessage ",
            "ListErrorReasons",
        ] {
            assert_eq!(Methods::named(text), Err(UnknownMethod), "{text}");
        }
        let allowed = Methods::allowed();
        assert_eq!(
            allowed,
            "SendConnectorMessages, SendCrmMessage, SendNetworkMessage, GetSendStatus"
        );
    }

    #[test]
    fn a_list_includes_what_it_names_and_no_more() {
        let only = Methods::Only(vec!["SendCrmMessage"]);
        assert!(only.include("SendCrmMessage"));
        assert!(!only.include("SendNetworkMessage"));
        assert!(Methods::Every.include("SendNetworkMessage"));
    }
}
