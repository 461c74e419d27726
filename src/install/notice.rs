//! An event, with unverified claims.

use jiff::Timestamp;
use secrecy::SecretString;

use super::event_result::Kind;
use super::form::{Form, Malformed};
use bitrix24::{MemberId, advertised};

/// Longest member id, in characters: the length of real ones. It becomes a part of a tenant id.
const MAXIMUM_MEMBER_ID_CHARACTERS: usize = 32;

#[derive(Debug)]
pub(super) enum Notice {
    Installed(Box<Installed>),
    Removed(Removed),
    /// Another event, which is ignored.
    Other,
}

/// `ONAPPINSTALL`. Its `Debug` form shows no secret.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) sent_at: Timestamp,
    pub(super) member_id: MemberId,
    pub(super) server_endpoint: String,
    /// The portal's address from `client_endpoint` and from `domain`, if present.
    pub(super) portals: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) expires_in_seconds: Option<i64>,
    pub(super) access_token: SecretString,
    pub(super) refresh_token: SecretString,
    pub(super) application_token: SecretString,
}

/// `ONAPPUNINSTALL`. Its `Debug` form shows no secret.
#[derive(Debug)]
pub(super) struct Removed {
    pub(super) sent_at: Timestamp,
    pub(super) member_id: MemberId,
    /// Whether the administrator wants the application's settings removed too.
    pub(super) clean: bool,
    pub(super) application_token: SecretString,
}

impl Notice {
    pub(super) fn read(form: &Form) -> Result<Self, Malformed> {
        let event = form.require("event")?;
        if event.eq_ignore_ascii_case("ONAPPINSTALL") {
            Installed::read(form).map(|installed| Self::Installed(Box::new(installed)))
        } else if event.eq_ignore_ascii_case("ONAPPUNINSTALL") {
            Removed::read(form).map(Self::Removed)
        } else {
            Ok(Self::Other)
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Installed(_) => Kind::Install,
            Self::Removed(_) => Kind::Uninstall,
            Self::Other => Kind::Other,
        }
    }

    pub(super) fn sent_at(&self) -> Option<Timestamp> {
        match self {
            Self::Installed(installed) => Some(installed.sent_at),
            Self::Removed(removed) => Some(removed.sent_at),
            Self::Other => None,
        }
    }

    pub(super) fn member_id(&self) -> Option<&MemberId> {
        match self {
            Self::Installed(installed) => Some(&installed.member_id),
            Self::Removed(removed) => Some(&removed.member_id),
            Self::Other => None,
        }
    }
}

impl Installed {
    fn read(form: &Form) -> Result<Self, Malformed> {
        // An unreadable address stays as it is, and is not allowed later.
        let by_endpoint = form.get("auth[client_endpoint]");
        let by_endpoint =
            by_endpoint.map(|url| advertised::address(url).unwrap_or_else(|| url.to_owned()));
        let by_domain = form.get("auth[domain]");
        let by_domain =
            by_domain.map(|text| advertised::domain(text).unwrap_or_else(|| text.to_owned()));
        Ok(Self {
            sent_at: sent_at(form)?,
            member_id: member_id(form)?,
            server_endpoint: form.require("auth[server_endpoint]")?.to_owned(),
            portals: by_endpoint.into_iter().chain(by_domain).collect(),
            scopes: advertised::scopes(form.get("auth[scope]").unwrap_or_default()),
            expires_in_seconds: form.integer("auth[expires_in]"),
            access_token: form.require_secret("auth[access_token]")?,
            refresh_token: form.require_secret("auth[refresh_token]")?,
            application_token: form.require_secret("auth[application_token]")?,
        })
    }
}

impl Removed {
    fn read(form: &Form) -> Result<Self, Malformed> {
        Ok(Self {
            sent_at: sent_at(form)?,
            member_id: member_id(form)?,
            clean: matches!(form.get("data[CLEAN]"), Some("1" | "Y" | "true")),
            application_token: form.require_secret("auth[application_token]")?,
        })
    }
}

fn sent_at(form: &Form) -> Result<Timestamp, Malformed> {
    let seconds = form.integer("ts").ok_or(Malformed)?;
    Timestamp::from_second(seconds).map_err(|_| Malformed)
}

fn member_id(form: &Form) -> Result<MemberId, Malformed> {
    let text = form.require("auth[member_id]")?;
    if text.len() > MAXIMUM_MEMBER_ID_CHARACTERS {
        return Err(Malformed);
    }
    MemberId::parse(text).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::super::form::Form;
    use super::Notice;

    const INSTALL: [(&str, &str); 8] = [
        ("event", "ONAPPINSTALL"),
        ("ts", "1696527000"),
        ("auth[member_id]", "a223c6b3710f85df22e9377d6c4f7553"),
        ("auth[server_endpoint]", "https://oauth.bitrix.info/rest/"),
        ("auth[domain]", "acme.bitrix24.com"),
        ("auth[access_token]", "s3cr3tcanary"),
        ("auth[refresh_token]", "s3cr3tcanary"),
        ("auth[application_token]", "s3cr3tcanary"),
    ];

    fn read(replaced: &str, value: &str) -> Option<Notice> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        for (name, known) in INSTALL {
            body.append_pair(name, if name == replaced { value } else { known });
        }
        if INSTALL.iter().all(|(name, _)| *name != replaced) {
            body.append_pair(replaced, value);
        }
        let form = Form::read(body.finish().as_bytes()).ok()?;
        Notice::read(&form).ok()
    }

    #[test]
    fn an_installation_needs_the_fields_that_are_verified() {
        assert!(matches!(read("more", "x"), Some(Notice::Installed(_))));
        for (name, _) in INSTALL {
            let is_optional = name == "auth[domain]";
            assert_eq!(read(name, "").is_some(), is_optional, "{name}");
        }
        for (name, value) in [
            ("ts", "yesterday"),
            ("ts", "99999999999999999"),
            ("auth[member_id]", "a/b"),
            ("auth[member_id]", "a223c6b3710f85df22e9377d6c4f7553f"),
            ("auth[access_token]", "a b"),
        ] {
            assert!(read(name, value).is_none(), "{name} {value}");
        }
    }

    #[test]
    fn other_events_are_read_as_such() {
        for name in ["ONAPPUPDATE", "ONIMCONNECTORMESSAGEADD"] {
            assert!(matches!(read("event", name), Some(Notice::Other)), "{name}");
        }
    }

    #[test]
    fn an_event_shows_no_secret() {
        for notice in [read("more", "x"), read("event", "onappuninstall")] {
            let shown = format!("{:?}", notice.unwrap());
            assert!(!shown.contains("s3cr3tcanary"), "{shown}");
        }
    }
}
