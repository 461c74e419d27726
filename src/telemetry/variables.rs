//! Variables of the environment that OpenTelemetry names, as far as the service goes by them.

use percent_encoding::percent_decode_str;

use super::CollectorSettings;
use super::given::Attribute;
use super::headers::Headers;
use super::settings::HEADERS;
use crate::settings::{Environment, NotUnicode, Reader, SettingError};

/// Names the service, if the settings do not.
pub(super) const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

/// Attributes of the resource: `name=value`, separated by commas, percent-encoded.
pub(super) const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Headers of each transmission, if the settings have none: as the attributes.
const HEADERS_VARIABLE: &str = "OTEL_EXPORTER_OTLP_HEADERS";

/// What the names of OpenTelemetry's variables begin with.
const PREFIX: &str = "OTEL_";

/// What OpenTelemetry's variables say.
#[derive(Clone, Debug, Default)]
pub struct OtelVariables {
    pub(super) service_name: Option<String>,
    pub(super) attributes: Vec<Attribute>,
    headers: Option<Headers>,
    /// Variables that change nothing.
    ignored: Vec<String>,
}

impl OtelVariables {
    /// Headers that cannot be sent, or that everybody could read, are an error: without its key the
    /// service would lose every trace. `settings` are those of the collector, if they are valid.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        environment: &Environment,
        settings: Option<&CollectorSettings>,
    ) -> Self {
        let text = |name| environment.get(name).and_then(Result::ok);
        let service_name = text(SERVICE_NAME).filter(|name| !name.is_empty());
        let given = text(ATTRIBUTES).unwrap_or_default();
        let attributes = given.split(',').filter(|entry| !entry.trim().is_empty());
        let attributes: Option<Vec<Attribute>> = attributes
            .map(|entry| percent_decoded(Attribute::parse(entry).ok()?))
            .collect();
        // The specification: one that cannot be read makes all of them void.
        let is_void = attributes.is_none();
        let headers = settings.and_then(|settings| headers(reader, environment, settings));
        let ignored = environment
            .names_with(PREFIX)
            .filter(|name| match *name {
                SERVICE_NAME => service_name.is_none(),
                ATTRIBUTES => is_void,
                HEADERS_VARIABLE => headers.is_none(),
                _ => true,
            })
            .map(str::to_owned);
        Self {
            service_name: service_name.map(str::to_owned),
            attributes: attributes.unwrap_or_default(),
            ignored: ignored.collect(),
            headers,
        }
    }

    /// The headers in force: of the settings, or of the variable.
    pub(super) fn headers(&self, settings: &CollectorSettings) -> Headers {
        let of_settings = settings.headers().map(|(_, headers)| headers);
        of_settings
            .or(self.headers.as_ref())
            .cloned()
            .unwrap_or_default()
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

fn percent_decoded(attribute: Attribute) -> Option<Attribute> {
    let value = percent_decode_str(&attribute.value).decode_utf8().ok()?;
    let value = value.into_owned();
    Some(Attribute { value, ..attribute })
}

/// Those of the variable, if they count: there is a collector, and the settings have none. An empty
/// variable is as good as none.
fn headers(
    reader: &mut Reader<'_>,
    environment: &Environment,
    settings: &CollectorSettings,
) -> Option<Headers> {
    settings.otlp_endpoint.as_ref()?;
    if let Some((setting, _)) = settings.headers() {
        refuse_if_exposed(reader, settings, setting);
        return None;
    }
    let headers = match environment.get(HEADERS_VARIABLE)? {
        Ok(text) if text.trim().is_empty() => return None,
        Ok(text) => Headers::parse(text).map_err(|problem| problem.to_string()),
        Err(NotUnicode) => Err("is not Unicode text".to_owned()),
    };
    match headers {
        Ok(headers) => {
            refuse_if_exposed(reader, settings, HEADERS_VARIABLE);
            Some(headers)
        }
        Err(problem) => {
            let remedy = format!("give {HEADERS}, or unset it");
            let error = SettingError::new(HEADERS_VARIABLE, problem, remedy);
            reader.errors.push(error);
            None
        }
    }
}

fn refuse_if_exposed(reader: &mut Reader<'_>, settings: &CollectorSettings, place: &str) {
    if settings.exposes_headers() {
        let problem = "would be sent without TLS to another machine, and everybody on the way can \
                       read it";
        let remedy = "give telemetry.otlp_endpoint with https://; if a mesh or a proxy encrypts, \
                      or they hold no secret, set telemetry.dangerous_plaintext_headers";
        reader.refuse(place, problem, remedy);
    }
}

/// What variables say beside these settings, and the errors.
#[cfg(test)]
pub(super) fn variables(
    settings: &CollectorSettings,
    pairs: &[(&str, &str)],
) -> (OtelVariables, String) {
    use crate::settings::Document;
    let pairs = pairs.iter();
    let pairs = pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: Environment = pairs.collect();
    let document = Document::without_file(serde_json::Value::Null);
    let mut reader = Reader::new(&document, &environment);
    let variables = OtelVariables::read(&mut reader, &environment, Some(settings));
    (variables, reader.errors.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::settings::collector;

    const HEADERS_SETTING: &str = "TELEMETRY_OTLP_HEADERS";

    /// A collector at this address, with these settings beside it.
    fn at(endpoint: &str, others: &[(&str, &str)]) -> CollectorSettings {
        let endpoint = [("TELEMETRY_OTLP_ENDPOINT", endpoint)];
        collector(&[&endpoint[..], others].concat())
    }

    #[test]
    fn variables_that_change_nothing_are_known() {
        let settings = collector(&[]);
        let (variables, errors) = variables(
            &settings,
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x"),
                // Without a collector it is nobody's.
                (HEADERS_VARIABLE, "s3cr3tcanary"),
                (ATTRIBUTES, "no value"),
                (SERVICE_NAME, "x"),
                ("OTHER", "x"),
            ],
        );
        assert_eq!(
            variables.ignored,
            ["OTEL_EXPORTER_OTLP_ENDPOINT", HEADERS_VARIABLE, ATTRIBUTES]
        );
        assert!(variables.attributes.is_empty());
        assert!(errors.contains("0 errors"), "{errors}");
    }

    #[test]
    fn headers_come_from_the_settings_or_from_the_variable() {
        let given = [(HEADERS_VARIABLE, "key=of%20variable")];
        let settings = at("https://collector", &[]);
        let (of_variable, _) = variables(&settings, &given);
        assert_eq!(
            of_variable.headers(&settings).to_map()["key"],
            "of variable"
        );
        assert!(of_variable.ignored.is_empty());
        let settings = at(
            "https://collector",
            &[(HEADERS_SETTING, "other=of-settings")],
        );
        let (ignored, _) = variables(&settings, &given);
        let headers = ignored.headers(&settings).to_map();
        assert_eq!(headers.len(), 1);
        assert_eq!(headers["other"], "of-settings");
        assert_eq!(ignored.ignored, [HEADERS_VARIABLE]);
        let settings = at("https://collector", &[]);
        let (empty, errors) = variables(&settings, &[(HEADERS_VARIABLE, " ")]);
        assert!(empty.headers(&settings).is_empty());
        assert!(errors.contains("0 errors"), "{errors}");
    }

    #[test]
    fn headers_of_the_variable_that_cannot_be_sent_are_an_error_without_their_text() {
        let settings = at("https://collector", &[]);
        let (_, errors) = variables(&settings, &[(HEADERS_VARIABLE, "s3cr3tcanary")]);
        assert!(
            errors.contains("OTEL_EXPORTER_OTLP_HEADERS: has no `=` in entry 1; give headers like"),
            "{errors}"
        );
        assert!(!errors.contains("s3cr3t"), "{errors}");
    }

    #[test]
    fn headers_do_not_cross_a_network_in_plain_text_unless_that_is_said() {
        let variable = [(HEADERS_VARIABLE, "key=s3cr3tcanary")];
        let setting = [(HEADERS_SETTING, "key=s3cr3tcanary")];
        let allowed = ("TELEMETRY_DANGEROUS_PLAINTEXT_HEADERS", "true");
        for (endpoint, is_exposed) in [
            ("http://collector:4317", true),
            ("http://192.0.2.1:4317", true),
            ("http://localhost.example:4317", true),
            ("https://collector:4317", false),
            ("http://LocalHost:4317", false),
            ("http://127.1.2.3:4317", false),
            ("http://[::1]:4317", false),
        ] {
            for (settings, variable, place) in [
                (at(endpoint, &[]), &variable[..], HEADERS_VARIABLE),
                (at(endpoint, &setting), &[][..], "telemetry.otlp_headers"),
            ] {
                let (_, errors) = variables(&settings, variable);
                let expected = format!("{place}: would be sent without TLS");
                assert_eq!(
                    errors.contains(&expected),
                    is_exposed,
                    "{endpoint} {errors}"
                );
                assert!(!errors.contains("s3cr3t"), "{errors}");
            }
            let settings = at(endpoint, &[setting[0], allowed]);
            let (_, errors) = variables(&settings, &[]);
            assert!(errors.contains("0 errors"), "{endpoint} {errors}");
        }
    }
}
