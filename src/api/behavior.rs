//! What a comment says of a field ("Required.", "Optional.", …), its `google.api.field_behavior`
//! and its rule of `buf.validate` are three forms of one statement: they must agree.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    Cardinality, DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};
use regex::Regex;

use super::DESCRIPTORS;

/// Required of a tenant, and empty all the same in a change that does not name them: their rules
/// let the empty value pass.
const REQUIRED_OF_A_WHOLE_TENANT: &[&str] = &[
    "openlines.tenants.v1.Tenant.credentials",
    "openlines.tenants.v1.Tenant.portal",
    "openlines.tenants.v1.WebhookCredentials.secret",
    "openlines.tenants.v1.WebhookCredentials.user_id",
];

/// The first words of a comment, up to the first `.` or `;`, and the annotations that they ask for.
const WORDS: &[(&str, &[&str])] = &[
    ("Required", &["REQUIRED"]),
    ("Required, input only", &["REQUIRED", "INPUT_ONLY"]),
    ("Optional", &["OPTIONAL"]),
    ("Optional, input only", &["OPTIONAL", "INPUT_ONLY"]),
    ("Output only", &["OUTPUT_ONLY"]),
    ("Identifier", &["IDENTIFIER"]),
];

#[test]
fn comments_of_requests_say_what_the_annotations_say() {
    let api = Api::load();
    for message in api.of_requests() {
        for field in message.fields() {
            let name = field.full_name();
            let expected: &[&str] = if of_oneof(&field) {
                // One of several: the comment of the oneof says whether it must be set.
                &["OPTIONAL"]
            } else {
                let words = api.first_words(field.parent_file().name(), field.path());
                let found = WORDS.iter().find(|(known, _)| *known == words);
                found.map_or_else(|| panic!("{name} begins with `{words}`"), |(_, all)| *all)
            };
            assert_eq!(api.behaviors(&field), expected, "{name}");
        }
    }
}

#[test]
fn rules_refuse_an_empty_value_where_it_is_required() {
    let api = Api::load();
    let mut only_of_a_whole_tenant = BTreeSet::new();
    let mut judge = |name: &str, is_required: bool, is_refused: bool| {
        if is_required && !is_refused {
            only_of_a_whole_tenant.insert(name.to_owned());
        } else {
            assert_eq!(is_required, is_refused, "{name}: is it required, refused?");
        }
    };
    for message in api.of_requests() {
        for field in message.fields().filter(|field| !of_oneof(field)) {
            let is_required = api.behaviors(&field).contains(&"REQUIRED".to_owned());
            judge(field.full_name(), is_required, api.refuses_empty(&field));
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let words = api.first_words(message.parent_file().name(), oneof.path());
            assert!(
                ["Required", "Optional"].contains(&words.as_str()),
                "{words}"
            );
            let rules = api.extension(&oneof.options(), "buf.validate.oneof");
            let is_refused = rules.is_some_and(|rules| flag(message_of(&rules), "required"));
            judge(oneof.full_name(), words == "Required", is_refused);
        }
    }
    let known = REQUIRED_OF_A_WHOLE_TENANT.iter();
    assert_eq!(
        only_of_a_whole_tenant,
        known.map(|&name| name.to_owned()).collect()
    );
}

#[test]
fn fields_of_responses_alone_have_no_annotation() {
    let api = Api::load();
    let of_requests: BTreeSet<String> = api
        .of_requests()
        .map(|message| message.full_name().to_owned())
        .collect();
    let others = api.pool.all_messages().filter(|message| {
        is_ours(message) && !message.is_map_entry() && !of_requests.contains(message.full_name())
    });
    let mut fields = 0;
    for field in others.flat_map(|message| message.fields().collect::<Vec<_>>()) {
        assert!(api.behaviors(&field).is_empty(), "{}", field.full_name());
        fields += 1;
    }
    assert_ne!(fields, 0);
}

/// The described API, with what is read out of it once.
struct Api {
    pool: DescriptorPool,
    /// By the file's name and the element's path.
    comments: BTreeMap<(String, Vec<i32>), String>,
}

impl Api {
    fn load() -> Self {
        let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
        let mut comments = BTreeMap::new();
        for file in pool.files() {
            let source = file.file_descriptor_proto().source_code_info.as_ref();
            for location in source.into_iter().flat_map(|source| &source.location) {
                if let Some(comment) = &location.leading_comments {
                    let place = (file.name().to_owned(), location.path.clone());
                    comments.insert(place, comment.clone());
                }
            }
        }
        Self { pool, comments }
    }

    /// The messages that a request can hold. What is below an output only field is no part of it.
    fn of_requests(&self) -> impl Iterator<Item = MessageDescriptor> {
        let services = self.pool.services();
        let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
        let mut open: Vec<MessageDescriptor> = methods.map(|method| method.input()).collect();
        let mut found = BTreeMap::new();
        while let Some(message) = open.pop() {
            if !is_ours(&message) || found.contains_key(message.full_name()) {
                continue;
            }
            for field in message.fields() {
                if let Kind::Message(inner) = field.kind()
                    && self.behaviors(&field) != ["OUTPUT_ONLY"]
                {
                    open.push(inner);
                }
            }
            found.insert(message.full_name().to_owned(), message);
        }
        assert!(found.contains_key("openlines.v1.KeyboardButton"));
        assert!(found.contains_key("openlines.tenants.v1.Intensity"));
        found.into_values()
    }

    fn first_words(&self, file: &str, path: &[i32]) -> String {
        let comment = self.comments.get(&(file.to_owned(), path.to_vec()));
        let comment = comment.map(String::as_str).unwrap_or_default().trim_start();
        let words = comment.split(['.', ';']).next().unwrap_or_default();
        words.replace("\n ", " ")
    }

    fn extension(&self, options: &DynamicMessage, name: &str) -> Option<Value> {
        let extension = self.pool.get_extension_by_name(name).unwrap();
        options
            .has_extension(&extension)
            .then(|| options.get_extension(&extension).into_owned())
    }

    fn behaviors(&self, field: &FieldDescriptor) -> Vec<String> {
        let names = self.pool.get_enum_by_name("google.api.FieldBehavior");
        let names = names.unwrap();
        let values = self.extension(&field.options(), "google.api.field_behavior");
        let values = values.as_ref().and_then(Value::as_list).unwrap_or_default();
        let numbers = values.iter().filter_map(Value::as_enum_number);
        numbers
            .map(|number| names.get_value(number).unwrap().name().to_owned())
            .collect()
    }

    /// Whether the rules refuse a message in which the field is not set.
    fn refuses_empty(&self, field: &FieldDescriptor) -> bool {
        let Some(rules) = self.extension(&field.options(), "buf.validate.field") else {
            return false;
        };
        let rules = message_of(&rules);
        if flag(rules, "required") {
            return true;
        }
        let ignore = rules.get_field_by_name("ignore");
        let is_ignored = ignore.and_then(|ignore| ignore.as_enum_number()) != Some(0);
        // What is not set and could be is not judged by its value.
        if is_ignored || field.supports_presence() {
            return false;
        }
        rules
            .fields()
            .filter_map(|(_, value)| value.as_message())
            .any(|of_type| refuses_zero(of_type, field.cardinality() == Cardinality::Repeated))
    }
}

fn refuses_zero(rules: &DynamicMessage, is_repeated: bool) -> bool {
    rules.fields().any(|(rule, value)| match rule.name() {
        "min_len" | "min_items" => value.as_u64().is_some_and(|minimum| minimum > 0),
        "pattern" if !is_repeated => {
            let pattern = Regex::new(value.as_str().unwrap()).unwrap();
            !pattern.is_match("")
        }
        "uuid" => value.as_bool().unwrap(),
        "gt" => compared_to_zero(value).is_ge(),
        "gte" => compared_to_zero(value).is_gt(),
        "not_in" => value.as_list().unwrap().contains(&Value::I32(0)),
        "max_len" | "max_items" | "lt" | "lte" | "defined_only" => false,
        other => panic!("{other}: teach this file the rule"),
    })
}

fn compared_to_zero(value: &Value) -> Ordering {
    let whole = value.as_i32().map(i64::from).or_else(|| value.as_i64());
    whole.map_or_else(
        || value.as_f64().unwrap().total_cmp(&0.0),
        |whole| whole.cmp(&0),
    )
}

fn message_of(value: &Value) -> &DynamicMessage {
    value.as_message().unwrap()
}

fn flag(rules: &DynamicMessage, name: &str) -> bool {
    let value = rules.get_field_by_name(name);
    value.and_then(|value| value.as_bool()).unwrap_or_default()
}

fn of_oneof(field: &FieldDescriptor) -> bool {
    field
        .containing_oneof()
        .is_some_and(|oneof| !oneof.is_synthetic())
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.full_name().starts_with("openlines.")
}
