//! What traces and metrics come from: the resource of OpenTelemetry.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as ProtoKeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_sdk::Resource;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use super::CollectorSettings;
use super::given::Attribute;
use crate::settings::Environment;
use crate::version::VERSION;

/// Names the service, if the settings do not.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Attributes of the resource: `name=value`, separated by commas, percent-encoded.
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// What the names of OpenTelemetry's variables begin with.
const PREFIX: &str = "OTEL_";

/// This process, if nobody names it: the same for traces and metrics.
static INSTANCE: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().to_string());

/// What OpenTelemetry's variables say, as far as the service goes by them.
#[derive(Clone, Debug, Default)]
pub struct OtelVariables {
    service_name: Option<String>,
    attributes: Vec<Attribute>,
    /// Variables that change nothing.
    ignored: Vec<String>,
}

fn percent_decoded(attribute: Attribute) -> Option<Attribute> {
    let value = percent_decode_str(&attribute.value).decode_utf8().ok()?;
    let value = value.into_owned();
    Some(Attribute { value, ..attribute })
}

impl OtelVariables {
    pub(crate) fn read(environment: &Environment) -> Self {
        let text = |name| environment.get(name).and_then(Result::ok);
        let service_name = text(SERVICE_NAME).filter(|name| !name.is_empty());
        let given = text(ATTRIBUTES).unwrap_or_default();
        let attributes = given.split(',').filter(|entry| !entry.trim().is_empty());
        let attributes: Option<Vec<Attribute>> = attributes
            .map(|entry| percent_decoded(Attribute::parse(entry).ok()?))
            .collect();
        // The specification: one that cannot be read makes all of them void.
        let is_void = attributes.is_none();
        let ignored = environment
            .names_with(PREFIX)
            .filter(|name| match *name {
                SERVICE_NAME => service_name.is_none(),
                ATTRIBUTES => is_void,
                _ => true,
            })
            .map(str::to_owned);
        Self {
            service_name: service_name.map(str::to_owned),
            attributes: attributes.unwrap_or_default(),
            ignored: ignored.collect(),
        }
    }

    /// Tells of variables that change nothing, once.
    pub(super) fn tell(&self) {
        if !self.ignored.is_empty() {
            tracing::warn!(
                variables = self.ignored.join(", "),
                "environment variables of OpenTelemetry are ignored; set telemetry.* in their place"
            );
        }
    }
}

/// The attributes of the resource by name.
#[derive(Clone, Debug)]
pub(super) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    /// What is given later takes the place of what is given before.
    pub(super) fn of(settings: &CollectorSettings, variables: &OtelVariables) -> Self {
        let own = |name: &str, value: &str| Attribute {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let host = rustix::system::uname();
        let host = host
            .nodename()
            .to_str()
            .ok()
            .filter(|name| !name.is_empty());
        let detected = [
            own("service.name", env!("CARGO_PKG_NAME")),
            own("service.version", VERSION),
            own("service.instance.id", &INSTANCE),
        ];
        let host = host.map(|name| own("host.name", name));
        let name = (variables.service_name.as_ref()).map(|name| own("service.name", name));
        let set_name = (settings.service_name.as_ref()).map(|name| own("service.name", name));
        let attributes = detected
            .into_iter()
            .chain(host)
            .chain(variables.attributes.iter().cloned())
            .chain(name)
            .chain(settings.resource_attributes.iter().cloned())
            .chain(set_name);
        Self(
            attributes
                .map(|Attribute { name, value }| (name, value))
                .collect(),
        )
    }

    pub(super) fn of_sdk(&self) -> Resource {
        let attributes = self.0.iter();
        let attributes = attributes.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
        // Empty, because the library's detectors would read the environment.
        Resource::builder_empty()
            .with_attributes(attributes)
            .build()
    }

    pub(super) fn of_proto(&self) -> ProtoResource {
        let attributes = self.0.iter().map(|(name, value)| ProtoKeyValue {
            key: name.clone(),
            value: Some(AnyValue {
                value: Some(Value::StringValue(value.clone())),
            }),
            ..ProtoKeyValue::default()
        });
        ProtoResource {
            attributes: attributes.collect(),
            ..ProtoResource::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::settings::collector;

    fn variables(pairs: &[(&str, &str)]) -> OtelVariables {
        let pairs = pairs.iter();
        let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        OtelVariables::read(&pairs.collect())
    }

    #[test]
    fn settings_come_before_variables_and_these_before_what_is_detected() {
        let variables = variables(&[
            (SERVICE_NAME, "from-variable"),
            (
                ATTRIBUTES,
                "service.name=x,k8s.pod.name=pod-1,team=a%2Cb, zone = z1 ",
            ),
        ]);
        let attributes = Attributes::of(&collector(&[]), &variables).0;
        assert_eq!(attributes["service.name"], "from-variable");
        assert_eq!(attributes["k8s.pod.name"], "pod-1");
        assert_eq!(attributes["team"], "a,b");
        assert_eq!(attributes["zone"], "z1");
        assert_eq!(attributes["service.version"], VERSION);
        assert_eq!(attributes["service.instance.id"].len(), 36);
        let settings = collector(&[
            ("TELEMETRY_SERVICE_NAME", "from-settings"),
            (
                "TELEMETRY_RESOURCE_ATTRIBUTES",
                "team=c,service.instance.id=1",
            ),
        ]);
        let attributes = Attributes::of(&settings, &variables).0;
        assert_eq!(attributes["service.name"], "from-settings");
        assert_eq!(attributes["team"], "c");
        assert_eq!(attributes["service.instance.id"], "1");
        let attributes = Attributes::of(&collector(&[]), &OtelVariables::default()).0;
        assert_eq!(attributes["service.name"], "bitrix24-openlines");
    }

    #[test]
    fn variables_that_change_nothing_are_known() {
        let variables = variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"),
            (ATTRIBUTES, "no value"),
            (SERVICE_NAME, "x"),
            ("OTHER", "x"),
        ]);
        assert_eq!(
            variables.ignored,
            ["OTEL_EXPORTER_OTLP_ENDPOINT", ATTRIBUTES]
        );
        assert!(variables.attributes.is_empty());
    }
}
