//! What traces and metrics come from: the resource of OpenTelemetry.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue as ProtoKeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource as ProtoResource;
use opentelemetry_sdk::Resource;
use uuid::Uuid;

use super::given::Attribute;
use super::{CollectorSettings, OtelVariables};
use crate::version::VERSION;

/// This process, if nobody names it: the same for traces and metrics.
static INSTANCE: LazyLock<String> = LazyLock::new(|| Uuid::new_v4().to_string());

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
    use crate::telemetry::variables::{ATTRIBUTES, SERVICE_NAME, variables};

    #[test]
    fn settings_come_before_variables_and_these_before_what_is_detected() {
        let settings = collector(&[]);
        let (variables, _) = variables(
            &settings,
            &[
                (SERVICE_NAME, "from-variable"),
                (
                    ATTRIBUTES,
                    "service.name=x,k8s.pod.name=pod-1,team=a%2Cb, zone = z1 ",
                ),
            ],
        );
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
}
