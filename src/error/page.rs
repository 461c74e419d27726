//! docs/errors.md is generated from the code and the .proto, so that they cannot diverge.
//!
//! `UPDATE_EXPECT=1 cargo test` rewrites the page.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use bitrix24::ErrorCode;

use super::catalogue::{documented, meaning};
use super::code::{Scope, in_scope};
use super::code_name;
use super::reason::{REASONS, Responsible, Retry};
use crate::api::openlines::v1::bitrix24_error::DocumentedCode;

#[test]
fn the_page_of_errors_says_what_code_and_proto_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let head = include_str!("page/head.md");
    expect_test::expect_file![page].assert_eq(&format!("{head}\n{}\n{}", reasons(), codes()));
}

#[test]
fn every_reason_of_the_proto_has_its_row_in_the_same_order() {
    let rows: Vec<&str> = REASONS.iter().map(|row| row.reason.as_str_name()).collect();
    let named: Vec<String> = documented()
        .into_iter()
        .map(|(name, _)| name)
        .skip(1)
        .collect();
    assert_eq!(rows, named);
}

#[test]
fn the_proto_names_the_status_of_every_reason() {
    for (row, (name, comment)) in REASONS.iter().zip(documented().iter().skip(1)) {
        let status = comment.split_once(": ").map(|(status, _)| status);
        assert_eq!(status, Some(code_name(row.code)), "{name}");
    }
}

#[test]
fn every_code_leads_to_a_reason_in_some_scope() {
    let mut mapped: Vec<ErrorCode> = Vec::new();
    for (_, scope) in SCOPES {
        for code in documented_codes(scope) {
            let reason = in_scope(scope, code).unwrap().reason;
            assert!(REASONS.iter().any(|row| row.reason == reason), "{code:?}");
            mapped.push(code);
        }
    }
    assert!(ErrorCode::ALL.iter().all(|code| mapped.contains(code)));
}

#[test]
fn every_documented_code_has_a_golden_file() {
    let file_name = |code: ErrorCode| match code.as_str() {
        "" => "EMPTY_CODE".to_owned(),
        code => code.to_owned(),
    };
    for (folder, scope) in [
        ("imconnector.send.messages", Scope::Connector),
        ("imopenlines.crm.message.add", Scope::Crm),
        ("imopenlines.network.message.add", Scope::Network),
        ("system", Scope::System),
    ] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden/codes")
            .join(folder);
        let golden: BTreeSet<String> = std::fs::read_dir(golden)
            .unwrap()
            .map(|file| file.unwrap().path().with_extension(""))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        let documented: BTreeSet<String> =
            documented_codes(scope).into_iter().map(file_name).collect();
        assert_eq!(documented, golden, "{folder}");
    }
}

fn reasons() -> String {
    let mut table = "## Reasons\n\n| reason | status | meaning | who acts | safe to retry | what to do |\n|---|---|---|---|---|---|\n".to_owned();
    for (row, (name, comment)) in REASONS.iter().zip(documented().iter().skip(1)) {
        let meaning = meaning(comment);
        writeln!(
            table,
            "| `{name}` | {} | {meaning} | {} | {} | {} |",
            code_name(row.code),
            actor(row.actor),
            retry(row.retry),
            row.remedy
        )
        .unwrap();
    }
    table
}

fn actor(actor: Responsible) -> &'static str {
    match actor {
        Responsible::CallerDeveloper => "developer of the caller",
        Responsible::Operator => "operator of this service",
        Responsible::PortalAdministrator => "administrator of the portal",
        Responsible::Bitrix24Support => "Bitrix24's support",
        Responsible::Time => "no action; it passes with time",
        Responsible::ServiceDeveloper => "developers of this service",
    }
}

fn retry(retry: Retry) -> &'static str {
    match retry {
        Retry::Safe => "yes",
        Retry::AfterWait => "yes, after the time in RetryInfo",
        Retry::AfterFix => "yes, but it fails until the cause is removed",
        Retry::SeeOutcome => "only if `outcome` is `not_executed`",
        Retry::MayDuplicate => {
            "only with the same `request_id`; otherwise the message may be delivered twice"
        }
    }
}

fn codes() -> String {
    let mut page = "## Bitrix24's codes\n\nCodes are compared case-insensitively. A method's own codes take precedence over those of the system. A refusal with a 5xx status has the reason `ERROR_REASON_OUTCOME_UNKNOWN`, except for `QUERY_LIMIT_EXCEEDED`, `OVERLOAD_LIMIT` and `PORTAL_DELETED`.\n".to_owned();
    for (title, scope) in SCOPES {
        writeln!(page, "\n### {title}\n\n| code | reason |\n|---|---|").unwrap();
        for code in documented_codes(scope) {
            let text = match code.as_str() {
                "" => "(empty)".to_owned(),
                text => format!("`{text}`"),
            };
            let reason = in_scope(scope, code).unwrap().reason.as_str_name();
            writeln!(page, "| {text} | `{reason}` |").unwrap();
        }
    }
    page
}

const SCOPES: [(&str, Scope); 4] = [
    ("`imconnector.send.messages`", Scope::Connector),
    ("`imopenlines.crm.message.add`", Scope::Crm),
    ("`imopenlines.network.message.add`", Scope::Network),
    ("Any method, and the authorization server", Scope::System),
];

/// The codes of a scope, in the order of the API's enum.
fn documented_codes(scope: Scope) -> Vec<ErrorCode> {
    let number = |code: &ErrorCode| match in_scope(scope, *code).unwrap().documented {
        DocumentedCode::ConnectorMessagesCode(number)
        | DocumentedCode::CrmMessageCode(number)
        | DocumentedCode::NetworkMessageCode(number)
        | DocumentedCode::SystemCode(number) => number,
    };
    let mut codes = ErrorCode::ALL.to_vec();
    codes.retain(|code| in_scope(scope, *code).is_some());
    codes.sort_by_key(number);
    codes
}
