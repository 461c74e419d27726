//! The tenants file.

use std::collections::BTreeSet;
use std::path::Path;

use super::directory::{Directory, Record};
use super::id::TenantId;
use super::secret_source::{self, Alphabet};
use crate::bitrix24::{Credential, Policy, PortalAddress};
use crate::config::{Document, Environment, Faults, Node};

/// What reading a tenants file gave.
#[derive(Debug, Default)]
pub(crate) struct TenantsFile {
    /// The tenants without faults; all of them, if there are no faults.
    pub(crate) directory: Directory,
    /// Names of the environment variables that the file takes secrets from.
    pub(crate) variables: BTreeSet<String>,
    /// Everything that is wrong with the file.
    pub(crate) faults: Faults,
}

impl TenantsFile {
    /// Reads a file with the tenants' secrets, wherever they come from. Without a policy the
    /// portals are not judged.
    pub(crate) fn read(path: &Path, policy: Option<&Policy>, environment: &Environment) -> Self {
        let mut file = Self::default();
        match Document::read(path, "tenants file") {
            Ok(document) => {
                file.directory = Directory::new(file.records(&document, policy, environment))
            }
            Err(fault) => file.faults.push(fault),
        }
        file
    }

    fn records(
        &mut self,
        document: &Document,
        policy: Option<&Policy>,
        environment: &Environment,
    ) -> Vec<Record> {
        let fields = document.root().fields(&["tenants"], &mut self.faults);
        let list = fields.and_then(|fields| fields.required("tenants", &mut self.faults));
        let items = list
            .and_then(|list| list.items(&mut self.faults))
            .unwrap_or_default();
        let mut ids = BTreeSet::new();
        items
            .iter()
            .filter_map(|item| self.record(item, &mut ids, policy, environment))
            .collect()
    }

    fn record(
        &mut self,
        item: &Node<'_>,
        ids: &mut BTreeSet<TenantId>,
        policy: Option<&Policy>,
        environment: &Environment,
    ) -> Option<Record> {
        let fields = item.fields(
            &["id", "portal", "webhook", "application"],
            &mut self.faults,
        )?;
        let id = fields
            .required("id", &mut self.faults)
            .and_then(|node| self.id(&node, ids));
        let portal = fields
            .required("portal", &mut self.faults)
            .and_then(|node| self.portal(&node, policy));
        let credential = fields
            .exactly_one(&["webhook", "application"], &mut self.faults)
            .and_then(|(kind, node)| match kind {
                "webhook" => self.webhook(&node, environment),
                _ => self.application(&node, environment),
            });
        Some(Record {
            id: id?,
            portal: portal?,
            credential: credential?,
        })
    }

    fn id(&mut self, node: &Node<'_>, ids: &mut BTreeSet<TenantId>) -> Option<TenantId> {
        match TenantId::parse(node.text(&mut self.faults)?) {
            Ok(id) if ids.insert(id.clone()) => Some(id),
            Ok(id) => {
                let problem = format!("is the id `{id}`, which another tenant has already");
                self.faults
                    .push(node.fault(problem, "give each tenant its own id"));
                None
            }
            Err(error) => {
                self.faults
                    .push(node.fault("is no tenant id", error.to_string()));
                None
            }
        }
    }

    fn portal(&mut self, node: &Node<'_>, policy: Option<&Policy>) -> Option<PortalAddress> {
        let text = node.text(&mut self.faults)?;
        PortalAddress::parse(text, policy?)
            .map_err(|error| self.faults.push(node.fault(error.to_string(), "")))
            .ok()
    }

    fn webhook(&mut self, node: &Node<'_>, environment: &Environment) -> Option<Credential> {
        let fields = node.fields(&["user_id", "secret"], &mut self.faults)?;
        let user_id = fields
            .required("user_id", &mut self.faults)
            .and_then(|node| node.whole(1, &mut self.faults));
        let secret = fields
            .required("secret", &mut self.faults)
            .and_then(|node| self.secret(&node, Alphabet::LettersAndDigits, environment));
        Some(Credential::Webhook {
            user_id: user_id?,
            secret: secret?,
        })
    }

    fn application(&mut self, node: &Node<'_>, environment: &Environment) -> Option<Credential> {
        let fields = node.fields(&["access_token"], &mut self.faults)?;
        let access_token = fields
            .required("access_token", &mut self.faults)
            .and_then(|node| self.secret(&node, Alphabet::Visible, environment))?;
        Some(Credential::Application { access_token })
    }

    fn secret(
        &mut self,
        node: &Node<'_>,
        alphabet: Alphabet,
        environment: &Environment,
    ) -> Option<secrecy::SecretString> {
        secret_source::read(
            node,
            alphabet,
            environment,
            &mut self.variables,
            &mut self.faults,
        )
    }
}

#[cfg(test)]
mod tests {
    use secrecy::{ExposeSecret, SecretString};

    use super::TenantsFile;
    use crate::bitrix24::Credential;
    use crate::bitrix24::Policy;
    use crate::bitrix24::Suffix;
    use crate::config::{Auth, Environment};
    use crate::tenant::{Tenant, TenantId};

    const CANARY: &str = "s3cr3t/canary";

    fn read(text: &str) -> TenantsFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenants.yaml");
        std::fs::write(&path, text).unwrap();
        let suffixes = ["bitrix24.com", "bitrix24.de"].map(|text| Suffix::parse(text).unwrap());
        let policy = Policy {
            allowed_suffixes: suffixes.into(),
            ..Policy::default()
        };
        let environment = Environment::from_iter(
            [("ACME", "abc123"), ("EMPTY", ""), ("WRONG", CANARY)]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        TenantsFile::read(&path, Some(&policy), &environment)
    }

    fn tenant(file: &TenantsFile, id: &str) -> Tenant {
        let callers = crate::auth::Callers::new(&Auth::DangerousNone);
        let caller = callers.authenticate(["x"]).unwrap();
        file.directory
            .resolve(&caller, &TenantId::parse(id).unwrap())
            .unwrap()
    }

    fn exposed(tenant: &Tenant) -> String {
        let secret: &SecretString = match tenant.credential() {
            Credential::Webhook { secret, .. } => secret,
            Credential::Application { access_token } => access_token,
        };
        secret.expose_secret().to_owned()
    }

    /// A tenants file with one webhook whose secret is `source`.
    fn with_secret(source: &str) -> TenantsFile {
        read(&format!(
            "tenants: [{{id: a, portal: a.bitrix24.com, webhook: {{user_id: 1, secret: {source}}}}}]\n"
        ))
    }

    fn report(file: &TenantsFile) -> String {
        assert!(!file.faults.is_empty());
        let report = file.faults.to_string();
        assert!(!report.contains(CANARY), "{report}");
        report
    }

    #[test]
    fn webhooks_and_applications_are_read_with_secrets_from_all_sources() {
        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, "t0ken-x.y\r\n").unwrap();
        let file = read(&format!(
            "tenants:\n\
             \x20 - id: acme\n    portal: acme.bitrix24.com\n    webhook:\n      user_id: 17\n\
             \x20     secret: {{environment: ACME}}\n\
             \x20 - id: beta\n    portal: beta.bitrix24.de\n    application:\n\
             \x20     access_token: {{file: {}}}\n\
             \x20 - id: beta2\n    portal: beta.bitrix24.de\n    webhook:\n      user_id: 1\n\
             \x20     secret: {{inline: \"0123\"}}\n",
            token.display()
        ));
        assert!(file.faults.is_empty(), "{}", file.faults);
        assert_eq!(file.directory.len(), 3);
        assert!(file.variables.contains("ACME"));
        let acme = tenant(&file, "acme");
        assert!(matches!(
            acme.credential(),
            Credential::Webhook { user_id: 17, .. }
        ));
        assert_eq!(exposed(&acme), "abc123");
        assert_eq!(exposed(&tenant(&file, "beta")), "t0ken-x.y");
        assert_eq!(exposed(&tenant(&file, "beta2")), "0123");
        assert_eq!(
            tenant(&file, "beta2").portal(),
            tenant(&file, "beta").portal()
        );
    }

    #[test]
    fn all_faults_are_found_each_with_its_path() {
        let file = read(
            "tenants:\n\
             \x20 - {id: acme, portal: acme.bitrix24.com, webhook: {user_id: 0, secret: {inline: a}}}\n\
             \x20 - {id: acme, portal: acme.bitrix24.com, webhook: {user_id: 1, secret: {inline: a}}}\n\
             \x20 - {id: 5, portal: evilbitrix24.com, webhook: {}, application: {}}\n\
             \x20 - {id: b, portal: b.bitrix24.com, application: {acces_token: {inline: a}}}\n\
             \x20 - {portl: b.bitrix24.com}\n\
             \x20 - text\n\
             extra: 1\n",
        );
        let places: Vec<&str> = file
            .faults
            .iter()
            .map(|fault| fault.place().split(' ').next().unwrap_or_default())
            .collect();
        let expected = [
            "extra",
            "tenants[0].webhook.user_id",
            "tenants[1].id",
            "tenants[2].id",
            "tenants[2].portal",
            "tenants[2]",
            "tenants[3].application.acces_token",
            "tenants[3].application",
            "tenants[4].portl",
            "tenants[4]",
            "tenants[4]",
            "tenants[4]",
            "tenants[5]",
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn a_secret_has_exactly_one_source() {
        assert!(report(&with_secret("{}")).contains("none of"));
        let two = report(&with_secret("{inline: a, environment: ACME}"));
        assert!(two.contains("more than one of"), "{two}");
        assert!(report(&with_secret(&format!("\"{CANARY}\""))).contains("is a text"));
        assert!(report(&with_secret("{inlin: a}")).contains("unknown key"));
    }

    #[test]
    fn a_source_that_gives_nothing_is_a_fault_that_names_it() {
        let missing = report(&with_secret("{environment: NOT_SET}"));
        assert!(
            missing.contains("the environment variable NOT_SET, which is not set"),
            "{missing}"
        );
        let missing = report(&with_secret("{file: /does/not/exist}"));
        assert!(
            missing.contains("the file /does/not/exist, which cannot be read"),
            "{missing}"
        );
        for source in ["{environment: EMPTY}", "{inline: \"\"}"] {
            assert!(
                report(&with_secret(source)).contains("an empty secret"),
                "{source}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty");
        std::fs::write(&path, "\n").unwrap();
        let source = format!("{{file: {}}}", path.display());
        assert!(report(&with_secret(&source)).contains("an empty secret"));
    }

    #[test]
    fn a_webhook_secret_cannot_change_the_path_it_stands_in() {
        for secret in [
            "a/b", "a.b", "..", "a?b", "a%2fb", "a b", "a\\n", "ä", CANARY,
        ] {
            let report = report(&with_secret(&format!("{{inline: \"{secret}\"}}")));
            assert!(
                report.contains("characters that it cannot have"),
                "{report}"
            );
        }
        report(&with_secret("{environment: WRONG}"));
    }

    #[test]
    fn a_secret_that_yaml_takes_for_a_number_must_be_quoted() {
        let report = report(&with_secret("{inline: 0123}"));
        assert!(report.contains("put it in quotes"), "{report}");
    }

    #[test]
    fn a_secret_pasted_in_the_wrong_place_is_not_quoted() {
        for text in [
            format!(
                "tenants: [{{id: \"{CANARY}\", portal: \"https://a.bitrix24.com/rest/1/{CANARY}\"}}]"
            ),
            format!("tenants: {CANARY}"),
            format!("{CANARY}: 1"),
            format!("tenants: [{{{CANARY}: 1}}]"),
            format!("tenants: [{{webhook: {{user_id: \"{CANARY}\"}}}}]"),
            format!("- {CANARY}"),
            CANARY.to_owned(),
        ] {
            report(&read(&text));
        }
        for source in ["environment", "file"] {
            let file = with_secret(&format!("{{{source}: \"s3cr3tcanary\"}}"));
            assert!(!report(&file).contains("s3cr3tcanary"));
        }
    }

    #[test]
    fn an_empty_file_has_no_list_of_tenants() {
        report(&read(""));
        assert!(read("tenants: []").faults.is_empty());
    }
}
