//! The table of reasons as callers get it (`ListErrorReasons`).

use std::sync::LazyLock;

use prost::Message;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use tonic::Code;

use super::code_name;
use super::reason::{REASONS, ReasonRow, Responsible, Retry};
use super::source::error_source;
use crate::api::DESCRIPTORS;
use crate::api::openlines::v1::{
    ErrorActor, ErrorReason as Reason, ErrorReasonDescription, ErrorSource, RetrySafety,
};

/// The number of the field `enum_type` in a file's descriptor, and of `value` in an enum's.
const ENUM_TYPE: i32 = 5;
const VALUE: i32 = 2;

/// Where the meaning of each reason stands.
const FILE: &str = "openlines/v1/error_reason.proto";

/// Every reason, in the order of the API's enum.
pub(crate) fn catalogue() -> &'static [ErrorReasonDescription] {
    static CATALOGUE: LazyLock<Vec<ErrorReasonDescription>> = LazyLock::new(|| {
        let documented = documented();
        let described = REASONS.iter().map(|row| {
            let name = row.reason.as_str_name();
            let comment = documented.iter().find(|(documented, _)| documented == name);
            describe(row, comment.map_or("", |(_, comment)| comment))
        });
        described.collect()
    });
    &CATALOGUE
}

fn describe(row: &ReasonRow, comment: &str) -> ErrorReasonDescription {
    let name = row.reason.as_str_name();
    let codes = codes(row);
    ErrorReasonDescription {
        reason: row.reason.into(),
        name: name.to_owned(),
        codes: codes.iter().map(|code| i32::from(*code)).collect(),
        code_names: codes
            .iter()
            .map(|code| code_name(*code).to_owned())
            .collect(),
        description: meaning(comment).to_owned(),
        actor: actor(row.actor).into(),
        retry_safety: retry_safety(row.retry).into(),
        remedy: row.remedy.to_owned(),
        help_url: row.help.unwrap_or_default().to_owned(),
        source: source(error_source(code_name(row.code), Some(name))).into(),
    }
}

/// Its status codes, the usual one first: an unknown outcome also has that of a time that ran out.
fn codes(row: &ReasonRow) -> Vec<Code> {
    let mut codes = vec![row.code];
    if row.reason == Reason::OutcomeUnknown {
        codes.push(Code::DeadlineExceeded);
    }
    codes
}

/// A comment without the status code in front.
pub(super) fn meaning(comment: &str) -> &str {
    comment
        .split_once(": ")
        .map_or(comment, |(_, meaning)| meaning)
}

fn actor(actor: Responsible) -> ErrorActor {
    match actor {
        Responsible::CallerDeveloper => ErrorActor::CallerDeveloper,
        Responsible::Operator => ErrorActor::Operator,
        Responsible::PortalAdministrator => ErrorActor::PortalAdministrator,
        Responsible::Bitrix24Support => ErrorActor::Bitrix24Support,
        Responsible::Time => ErrorActor::Nobody,
        Responsible::ServiceDeveloper => ErrorActor::ServiceDeveloper,
    }
}

fn retry_safety(retry: Retry) -> RetrySafety {
    match retry {
        Retry::Safe => RetrySafety::Safe,
        Retry::AfterWait => RetrySafety::AfterWait,
        Retry::AfterFix => RetrySafety::AfterFix,
        Retry::SeeOutcome => RetrySafety::SeeOutcome,
        Retry::MayDuplicate => RetrySafety::MayDuplicate,
    }
}

fn source(word: &str) -> ErrorSource {
    match word {
        "caller" => ErrorSource::Caller,
        "operator" => ErrorSource::Operator,
        "portal" => ErrorSource::Portal,
        _ => ErrorSource::Facade,
    }
}

/// Every value of `ErrorReason` with its comment in the .proto, in one line.
pub(super) fn documented() -> Vec<(String, String)> {
    let Some(file) = file() else {
        return Vec::new();
    };
    let locations = file.source_code_info.unwrap_or_default().location;
    let comment_of = |index: usize| {
        let index = i32::try_from(index).unwrap_or(i32::MAX);
        let path = [ENUM_TYPE, 0, VALUE, index];
        let location = locations.iter().find(|location| location.path == path);
        let comment = location.and_then(|location| location.leading_comments.as_deref());
        let words: Vec<&str> = comment.unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    };
    let values = file.enum_type.first().map(|reasons| reasons.value.iter());
    let values = values.into_iter().flatten().enumerate();
    values
        .map(|(index, value)| (value.name().to_owned(), comment_of(index)))
        .collect()
}

fn file() -> Option<FileDescriptorProto> {
    let files = FileDescriptorSet::decode(DESCRIPTORS).ok()?;
    files.file.into_iter().find(|file| file.name() == FILE)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_catalogue_has_every_reason_of_the_enum_once_and_in_its_order() {
        let named: Vec<&str> = catalogue()
            .iter()
            .map(|described| &*described.name)
            .collect();
        let documented = documented();
        let expected: Vec<&str> = documented.iter().skip(1).map(|(name, _)| &**name).collect();
        assert_eq!(named, expected);
        for described in catalogue() {
            let reason = Reason::from_str_name(&described.name).unwrap();
            assert_eq!(i32::from(reason), described.reason);
        }
    }

    #[test]
    fn every_part_of_a_description_is_given() {
        for described in catalogue() {
            let name = &described.name;
            assert!(!described.description.is_empty(), "{name}");
            assert!(!described.remedy.is_empty(), "{name}");
            assert_ne!(described.actor(), ErrorActor::Unspecified, "{name}");
            assert_ne!(described.retry_safety(), RetrySafety::Unspecified, "{name}");
            assert_ne!(described.source(), ErrorSource::Unspecified, "{name}");
            assert_eq!(described.codes.len(), described.code_names.len(), "{name}");
        }
        let sources: BTreeSet<i32> = catalogue().iter().map(|row| row.source).collect();
        assert_eq!(sources.len(), 4);
    }

    #[test]
    fn an_unknown_outcome_has_two_codes_and_every_other_reason_one() {
        for described in catalogue() {
            let reason = described.reason();
            let expected: &[&str] = if reason == Reason::OutcomeUnknown {
                &["UNKNOWN", "DEADLINE_EXCEEDED"]
            } else {
                &[code_name(super::super::reason::row(reason).code)]
            };
            assert_eq!(described.code_names, expected, "{}", described.name);
        }
    }
}
