//! Every documented code of Bitrix24 has a golden file, and every golden file of a code is mapped.

use std::collections::BTreeSet;
use std::io::Write;

use bitrix24::ErrorCode;
use bitrix24_openlines::error::code::{Scope, in_scope};

const SCOPES: [(&str, Scope); 4] = [
    ("imconnector.send.messages", Scope::Connector),
    ("imopenlines.crm.message.add", Scope::Crm),
    ("imopenlines.network.message.add", Scope::Network),
    ("system", Scope::System),
];

#[test]
fn every_documented_code_is_mapped_and_has_a_golden_file() {
    let mut mapped: BTreeSet<String> = BTreeSet::new();
    for (folder, scope) in SCOPES {
        let codes = ErrorCode::ALL.iter().copied();
        let documented = codes.filter(|code| in_scope(scope, *code).is_some());
        mapped.extend(documented.map(|code| format!("{folder}/{}", file_name(code.as_str()))));
    }

    let folder = super::folder().join("codes");
    let golden: BTreeSet<String> = super::files()
        .iter()
        .filter_map(|path| path.strip_prefix(&folder).ok())
        .map(|path| path.with_extension("").to_str().unwrap().to_owned())
        .collect();

    // Written past the test runner's capture: CI compares the figure with the reference.
    let line = format!(
        "documented Bitrix24 codes: {} mapped, {} golden-tested\n",
        mapped.len(),
        golden.intersection(&mapped).count()
    );
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert_eq!(mapped, golden);
}

fn file_name(code: &str) -> &str {
    if code.is_empty() { "EMPTY_CODE" } else { code }
}
