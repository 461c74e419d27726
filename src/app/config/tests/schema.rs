//! The JSON Schemas for editors, with a validator beside the service's own reader.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::Value;

use super::page::example;
use super::{Bench, NO_TENANTS};
use crate::app::config::OperatorsFile;
use crate::settings::{Document, Environment};

const FILES: [(OperatorsFile, &str); 3] = [
    (OperatorsFile::Settings, "settings"),
    (OperatorsFile::Callers, "callers"),
    (OperatorsFile::Tenants, "tenants"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A validator of the schema in docs/schemas, which is the one that the program writes.
fn validator(file: OperatorsFile) -> Validator {
    jsonschema::validator_for(&file.schema()).unwrap()
}

fn tree(text: &str) -> Value {
    let document = Document::of_text("a file".to_owned(), text).unwrap();
    let value = document.value();
    if value.is_null() {
        return Value::Object(serde_json::Map::new());
    }
    value.clone()
}

#[test]
fn the_schemas_in_the_docs_are_those_of_the_program() {
    for (file, name) in FILES {
        let path = root().join(format!("docs/schemas/{name}.schema.json"));
        let expected = format!("{:#}\n", file.schema());
        if Environment::of_process().get("UPDATE_DOCS").is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            let found = std::fs::read_to_string(path).unwrap_or_default();
            let remedy = "is out of date; run UPDATE_DOCS=1 cargo test --lib schema";
            assert!(
                found == expected,
                "docs/schemas/{name}.schema.json {remedy}"
            );
        }
    }
}

#[test]
fn a_schema_is_a_schema_of_draft_7() {
    for (file, name) in FILES {
        let schema = file.schema();
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{name}");
    }
}

/// Settings files in folders that the project ships.
fn shipped(folder: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let is_settings = path.file_name().is_some_and(|name| name == "settings.yaml");
        if is_settings {
            found.push(path);
        }
    }
}

#[test]
fn every_file_that_the_project_shows_is_valid() {
    let mut settings = Vec::new();
    for folder in ["examples", "packaging/compose", "packaging/systemd"] {
        if root().join(folder).exists() {
            shipped(folder, &mut settings);
        }
    }
    assert!(!settings.is_empty());
    let read = |path: &Path| tree(&std::fs::read_to_string(path).unwrap());
    let validator = self::validator(OperatorsFile::Settings);
    for path in settings {
        let told: Vec<_> = validator
            .iter_errors(&read(&path))
            .map(|e| e.to_string())
            .collect();
        assert!(told.is_empty(), "{}: {told:?}", path.display());
    }
    for (file, name) in FILES {
        let shown = tree(&example(name));
        let told: Vec<_> = self::validator(file)
            .iter_errors(&shown)
            .map(|e| e.to_string())
            .collect();
        assert!(told.is_empty(), "{name} in docs/settings.md: {told:?}");
    }
    let tenants = read(&root().join("examples/tenants.yaml"));
    assert!(self::validator(OperatorsFile::Tenants).is_valid(&tenants));
}

/// The chart's values hold settings; those of its examples are valid.
#[test]
fn the_settings_of_the_chart_s_examples_are_valid() {
    let validator = validator(OperatorsFile::Settings);
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("helm/bitrix24-openlines/ci")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|kind| kind != "yaml") {
            continue;
        }
        let values = tree(&std::fs::read_to_string(&path).unwrap());
        let Some(settings) = values.get("settings") else {
            continue;
        };
        seen += 1;
        let told: Vec<_> = validator
            .iter_errors(settings)
            .map(|e| e.to_string())
            .collect();
        assert!(told.is_empty(), "{}: {told:?}", path.display());
    }
    assert!(seen > 1, "{seen}");
}

/// What is wrong in a settings file, and the editor can know.
const WRONG: &[&str] = &[
    "servr: {}",
    "server: {listn: '127.0.0.1:1'}",
    "server: {tls.certificate_file: x}",
    "server.listen: '127.0.0.1:1'",
    "server: 5",
    "server: [listen]",
    "server: {tls: x}",
    "server: {drain_seconds: 0}",
    "server: {drain_seconds: 601}",
    "server: {drain_seconds: 1.5}",
    "server: {drain_seconds: -1}",
    "server: {drain_seconds: '30'}",
    "server: {drain_seconds: }",
    "server: {reflection: yes}",
    "server: {reflection: 1}",
    "server: {listen: localhost}",
    "server: {listen: 50051}",
    "server: {tls: {client_certificates: none}}",
    "log: {format: xml}",
    "telemetry: {otlp_endpoint: 'collector:4317'}",
    "portals: {self_hosted: crm.example}",
    "portals: {self_hosted: [1]}",
    "portals: {self_hosted: ['']}",
    "store: {url: ''}",
    "validation: {names: none}",
    "auth: {callers: {}}",
    "auth: {callers: []}",
    "auth: {callers: [{}]}",
    "auth: {callers: [{name: a b, tenants: ['*'], certificates: ['spiffe://a/b']}]}",
    "auth: {callers: [{name: anonymous, tenants: ['*'], certificates: ['spiffe://a/b']}]}",
    "auth: {callers: [{name: a, tenants: ['*']}]}",
    "auth: {callers: [{name: a, tenants: [], certificates: ['spiffe://a/b']}]}",
    "auth: {callers: [{name: a, tenants: [A], certificates: ['spiffe://a/b']}]}",
    "auth: {callers: [{name: a, tenants: ['*'], keys: []}]}",
    "auth: {callers: [{name: a, tenants: ['*'], keys: ['b24f_x']}]}",
    "auth: {callers: [{name: a, tenants: ['*'], keys: [{expires: 2027-01-01}]}]}",
    "auth: {callers: [{name: a, tenants: ['*'], certificates: ['spiffe://a/b'], methods: [Send]}]}",
    "auth: {callers: [{name: a, tenants: ['*'], certificates: ['spiffe://a/b'], key: x}]}",
    "auth: {callers: [{name: a, tenants: ['*'], tokens: [{issuer: x}]}]}",
    "auth: {issuers: [{issuer: x, keys_url: 'https://x/y'}]}",
    "auth: {issuers: [{issuer: x, audience: y}]}",
    "auth: {issuers: [{issuer: x, audience: y, audiences: [z], keys_url: 'https://x/y'}]}",
    "auth: {issuers: [{issuer: x, audience: y, keys_url: 'https://x/y', keys_file: z}]}",
    "auth: {issuers: [{issuer: x, audience: y, keys_url: 'https://x/y', algorithms: [HS256]}]}",
    "applications: {}",
    "applications: [{name: chat}]",
    "applications: [{name: Chat, client_id: app.1.2, client_secret: {inline: a}}]",
    "applications: [{name: chat, client_id: app.1.2, client_secret: a}]",
    "applications: [{name: chat, client_id: app.1.2, client_secret: {}}]",
    "applications: [{name: chat, client_id: app.1.2, client_secret: {inline: a, file: b}}]",
];

#[test]
fn the_editor_refuses_what_the_service_refuses() {
    let validator = validator(OperatorsFile::Settings);
    for text in WRONG {
        assert!(!validator.is_valid(&tree(text)), "accepted: {text}");
        let bench = Bench::open(NO_TENANTS);
        assert!(
            bench.load(&format!("{text}\n")).is_err(),
            "the service: {text}"
        );
    }
}

/// What is right, and could be taken for wrong.
#[test]
fn the_editor_accepts_what_the_service_accepts() {
    let validator = validator(OperatorsFile::Settings);
    for text in [
        "",
        "server:",
        "server: {tls: , drain_seconds: 30}",
        "server: {listen: '[::1]:50051', reflection: true}",
        "portals: {self_hosted: [], allowed_suffixes: [bitrix24.com]}",
        "log: {format: text, filter: 'warn,openlines=debug'}",
        "telemetry: {otlp_endpoint: 'http://[::1]:4317', sample_percent: 0}",
        "store: {url: 'sqlite:a.db'}",
        "applications: [{name: chat-2, client_id: app.1.2, client_secret: {inline: a}}]",
    ] {
        let told: Vec<_> = validator
            .iter_errors(&tree(text))
            .map(|e| e.to_string())
            .collect();
        assert!(told.is_empty(), "{text}: {told:?}");
        let bench = Bench::open(NO_TENANTS);
        let loaded = bench.load(&format!("{text}\n"));
        assert!(loaded.is_ok(), "{text}: {}", loaded.unwrap_err());
    }
}

#[test]
fn every_setting_is_in_the_schema_with_its_meaning_and_its_default() {
    let schema = OperatorsFile::Settings.schema();
    for setting in crate::app::Config::settings() {
        let path = setting.path.replace('.', "/properties/");
        let found = schema.pointer(&format!("/properties/{path}"));
        let found = found.unwrap_or_else(|| panic!("{}", setting.path));
        assert_eq!(found["description"], setting.meaning, "{}", setting.path);
        if let Some(default) = found.get("default") {
            let validator = jsonschema::validator_for(found).unwrap();
            assert!(validator.is_valid(default), "{}: {default}", setting.path);
        }
    }
}

#[test]
fn a_wrong_tenants_file_is_refused_by_the_editor_and_by_the_service() {
    let validator = validator(OperatorsFile::Tenants);
    let right = "id: a, portal: a.bitrix24.com, webhook: {user_id: 1, secret: {inline: a}}";
    assert!(validator.is_valid(&tree(&format!("tenants: [{{{right}}}]"))));
    for text in [
        "tenants: {}",
        "tenant: []",
        "tenants: [{id: a, portal: a.bitrix24.com}]",
        "tenants: [{id: A, portal: a.bitrix24.com, webhook: {user_id: 1, secret: {inline: a}}}]",
        "tenants: [{id: a, webhook: {user_id: 1, secret: {inline: a}}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, webhook: {user_id: 0, secret: {inline: a}}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, webhook: {user_id: 1, secret: a}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, plan: gold, webhook: {user_id: 1, secret: {inline: a}}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, plan: {burst: 1}, webhook: {user_id: 1, secret: {inline: a}}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, application: {client_id: app.1.2}}]",
        "tenants: [{id: a, portal: a.bitrix24.com, application: {access_token: {inline: a}}, webhook: {user_id: 1, secret: {inline: a}}}]",
    ] {
        assert!(!validator.is_valid(&tree(text)), "accepted: {text}");
        assert!(
            Bench::open(&format!("{text}\n")).load("").is_err(),
            "the service: {text}"
        );
    }
}
