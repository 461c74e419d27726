//! What ARCHITECTURE.md says of the structure.

use std::collections::{BTreeMap, BTreeSet};

/// The arrows of the first drawing that has some, from the text of the page: `a --> b` on a line.
pub(super) fn drawn_crates(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let drawing = page.split("```").find(|block| block.starts_with("mermaid"));
    let mut crates: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in drawing.unwrap_or_default().lines() {
        if let Some((from, to)) = line.trim().split_once(" --> ") {
            crates
                .entry(from.to_owned())
                .or_default()
                .insert(to.to_owned());
            crates.entry(to.to_owned()).or_default();
        }
    }
    crates
}

/// The files and folders that the page names from the root of the repository on.
pub(super) fn named_files(page: &str) -> BTreeSet<&str> {
    let roots = [
        "src/", "crates/", "tests/", "benches/", "proto/", "docs/", "clients/", ".ci/", "helm/",
    ];
    let quoted = page.split('`').skip(1).step_by(2);
    let linked = page
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next());
    quoted
        .chain(linked)
        .filter(|name| roots.iter().any(|root| name.starts_with(root)))
        .filter(|name| !name.contains(char::is_whitespace))
        .collect()
}
