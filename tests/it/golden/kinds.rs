//! Which golden files show which kind of answer.

use std::collections::BTreeSet;

use super::folder;

/// What proxies, old portals and their modules make of answers, and the files that show it.
const KINDS: &[(&str, &[&str])] = &[
    (
        "other text around one answer",
        &[
            "odd-answers/byte_order_mark_before_a_result",
            "odd-answers/comment_after_a_result",
            "odd-answers/notice_before_a_result",
            "odd-answers/notice_before_an_answer_that_is_cut_off",
            "odd-answers/notice_before_an_error",
            "odd-answers/notice_before_two_results",
            "odd-answers/notice_with_braces_before_a_result",
            "odd-answers/page_with_an_answer_in_a_script",
        ],
    ),
    (
        "another encoding than UTF-8",
        &[
            "odd-answers/windows_1251_error",
            "odd-answers/windows_1251_result",
            "odd-answers/windows_1251_text_of_one_message",
        ],
    ),
    (
        "a limit in front of the portal",
        &[
            "odd-answers/empty_429_retry_after",
            "odd-answers/gateway_429",
            "odd-answers/operating_limit_429_retry_after",
            "odd-answers/page_429",
            "odd-answers/page_429_retry_after_a_day",
            "odd-answers/page_429_retry_after_date",
            "odd-answers/page_429_retry_after_nonsense",
            "odd-answers/page_429_retry_after_seconds",
            "odd-answers/query_limit_503_retry_after",
            "odd-answers/undocumented_code_429",
        ],
    ),
    (
        "a refusal in front of the portal",
        &[
            "broken-answers/html_403",
            "odd-answers/empty_403",
            "odd-answers/gateway_403",
            "odd-answers/page_400",
            "odd-answers/page_401",
            "odd-answers/page_405",
            "odd-answers/page_407",
            "odd-answers/page_413",
            "odd-answers/page_414",
            "odd-answers/page_431",
            "odd-answers/page_451",
            "odd-answers/text_403",
        ],
    ),
    (
        "no portal at the address",
        &[
            "broken-answers/html_404",
            "odd-answers/page_403_of_no_portal",
            "odd-answers/page_410",
            "odd-answers/page_421",
            "odd-answers/text_404_that_is_a_number",
        ],
    ),
    (
        "a server that may have passed the request on",
        &[
            "broken-answers/html_502",
            "broken-answers/html_504",
            "odd-answers/empty_404",
            "odd-answers/page_408",
            "odd-answers/page_499",
            "odd-answers/page_503",
            "odd-answers/page_503_retry_after",
        ],
    ),
    (
        "the secret of the request",
        &["odd-answers/token_in_code_and_description"],
    ),
    (
        "names and connectors as people write them",
        &[
            "requests/connector_in_capitals",
            "requests/names_clean",
            "requests/names_strict",
            "requests/names_unchecked",
        ],
    ),
    (
        "a portal that is closed for now",
        &["codes/system/PORTAL_DELETED"],
    ),
];

#[test]
fn every_kind_of_odd_answer_has_golden_files_and_every_file_has_a_kind() {
    let listed: BTreeSet<String> = KINDS
        .iter()
        .flat_map(|(_, files)| files.iter().map(|file| format!("{file}.txt")))
        .collect();
    for file in &listed {
        assert!(folder().join(file).is_file(), "{file} is missing");
    }
    for of_kinds in ["odd-answers", super::names::FOLDER] {
        for entry in std::fs::read_dir(folder().join(of_kinds)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let file = format!("{of_kinds}/{name}");
            assert!(listed.contains(&file), "{file} has no kind");
        }
    }
}
