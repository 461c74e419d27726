//! `applications`: the applications that the operator registered at Bitrix24.

use std::collections::BTreeSet;

use bitrix24::ClientId;
use serde_json::{Value, json};

use crate::settings::schema::{fields, text};
use crate::settings::{Environment, Node, Origin, Reader, SettingErrors};
use crate::tenant::applications::{Application, ApplicationName, Applications};
use crate::tenant::secret_source::{self, Alphabet};

/// Reads the applications. An invalid one is left out.
pub(super) fn read(reader: &mut Reader<'_>, environment: &Environment) -> Applications {
    let list = reader.structure(
        "applications",
        "Applications registered at Bitrix24, described above. The secret of an application \
         refreshes the access tokens of the tenants with its client id. `installation.listen` \
         accepts its installations.",
        "a list of applications",
        schema(),
    );
    let origin = list.as_ref().map_or(Origin::Default, |_| Origin::File);
    let mut reading = Reading {
        environment,
        variables: BTreeSet::new(),
        errors: SettingErrors::default(),
        known: Vec::new(),
    };
    let items = list.and_then(|list| list.items(&mut reading.errors));
    for item in items.iter().flatten() {
        let application = reading.application(item);
        reading.known.extend(application);
    }
    reader.other_variables.extend(reading.variables);
    reader.errors.extend(reading.errors);
    let known = reading.known;
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    reader.record("applications", names.join(","), origin);
    Applications::new(known)
}

/// The JSON Schema of the list.
fn schema() -> Value {
    let application = fields(
        &[
            ("name", text("^[a-z][a-z0-9-]{0,29}$")),
            ("client_id", text("^\\S+$")),
            ("client_secret", secret_source::schema()),
        ],
        &["name", "client_id", "client_secret"],
    );
    json!({"type": "array", "items": application})
}

/// One pass over the list.
struct Reading<'a> {
    environment: &'a Environment,
    variables: BTreeSet<String>,
    errors: SettingErrors,
    known: Vec<Application>,
}

impl Reading<'_> {
    fn application(&mut self, item: &Node<'_>) -> Option<Application> {
        let known = ["name", "client_id", "client_secret"];
        let fields = item.fields(&known, &mut self.errors)?;
        let name = fields.required("name", &mut self.errors);
        let name = name.and_then(|node| self.name(&node));
        let client_id = fields.required("client_id", &mut self.errors);
        let client_id = client_id.and_then(|node| self.client_id(&node));
        let secret = fields.required("client_secret", &mut self.errors);
        let client_secret = secret.and_then(|node| {
            secret_source::read(
                &node,
                Alphabet::Visible,
                self.environment,
                &mut self.variables,
                &mut self.errors,
            )
        });
        Some(Application {
            name: name?,
            client_id: client_id?,
            client_secret: client_secret?,
        })
    }

    fn name(&mut self, node: &Node<'_>) -> Option<ApplicationName> {
        let error = match ApplicationName::parse(node.text(&mut self.errors)?) {
            Ok(name) if self.known.iter().all(|known| known.name != name) => return Some(name),
            Ok(name) => node.error(
                format!("is the name `{name}`, which another application already has"),
                "give each application its own name",
            ),
            Err(error) => node.error(error.to_string(), ""),
        };
        self.errors.push(error);
        None
    }

    fn client_id(&mut self, node: &Node<'_>) -> Option<ClientId> {
        let error = match ClientId::parse(node.text(&mut self.errors)?) {
            Ok(id) if self.known.iter().all(|known| known.client_id != id) => return Some(id),
            Ok(_) => node.error(
                "is the client id of another application",
                "remove one of the two",
            ),
            Err(error) => node.error(error.to_string(), ""),
        };
        self.errors.push(error);
        None
    }
}
