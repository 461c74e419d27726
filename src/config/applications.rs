//! `applications`: the applications that the operator has registered at Bitrix24.

use std::collections::BTreeSet;

use super::environment::Environment;
use super::fault::Faults;
use super::node::Node;
use super::reader::{Origin, Reader};
use super::setting::{Form, Setting};
use crate::tenant::{Alphabet, Application, ApplicationName, Applications, secret_source};
use bitrix24::ClientId;

pub(super) const SETTINGS: &[&Setting] = &[&APPLICATIONS];

static APPLICATIONS: Setting = Setting {
    path: "applications",
    form: Form::Applications,
    default: None,
    meaning: "Applications registered at Bitrix24, described below. Their secrets refresh the access tokens of the tenants that \
              name their client id, and their installations are accepted at `installation.listen`.",
};

/// Reads the applications; none is none.
pub(super) fn read(reader: &mut Reader<'_>, environment: &Environment) -> Applications {
    let mut faults = Faults::default();
    let mut variables = BTreeSet::new();
    let list = reader.structure(&APPLICATIONS);
    let origin = list.as_ref().map_or(Origin::Default, |_| Origin::File);
    let items = list
        .and_then(|list| list.items(&mut faults))
        .unwrap_or_default();
    let mut known: Vec<Application> = Vec::new();
    for item in &items {
        let application = application(item, &known, environment, &mut variables, &mut faults);
        known.extend(application);
    }
    reader.foreign_variables.extend(variables);
    reader.faults.extend(faults);
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    reader.record(&APPLICATIONS, names.join(","), origin);
    Applications::new(known)
}

fn application(
    item: &Node<'_>,
    known: &[Application],
    environment: &Environment,
    variables: &mut BTreeSet<String>,
    faults: &mut Faults,
) -> Option<Application> {
    let fields = item.fields(&["name", "client_id", "client_secret"], faults)?;
    let name = fields.required("name", faults).and_then(|node| {
        let name = ApplicationName::parse(node.text(faults)?)
            .map_err(|error| faults.push(node.fault(error.to_string(), "")))
            .ok()?;
        if known.iter().any(|other| other.name == name) {
            let remedy = "give each application its own name";
            faults.push(node.fault(
                format!("is the name `{name}`, which another application has already"),
                remedy,
            ));
            return None;
        }
        Some(name)
    });
    let client_id = fields.required("client_id", faults).and_then(|node| {
        let client_id = ClientId::parse(node.text(faults)?)
            .map_err(|error| faults.push(node.fault(error.to_string(), "")))
            .ok()?;
        if known.iter().any(|other| other.client_id == client_id) {
            let remedy = "remove one of the two";
            faults.push(node.fault("is the client id of another application", remedy));
            return None;
        }
        Some(client_id)
    });
    let client_secret = fields.required("client_secret", faults).and_then(|node| {
        secret_source::read(&node, Alphabet::Visible, environment, variables, faults)
    });
    Some(Application {
        name: name?,
        client_id: client_id?,
        client_secret: client_secret?,
    })
}
