//! The pages that people read name settings, metrics, reasons, log messages and places that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proc_macro2::{TokenStream, TokenTree};

/// The pages that are written by hand.
const PAGES: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/README.md",
    "docs/callers.md",
    "docs/clients/README.md",
    "docs/clients/go.md",
    "docs/clients/python.md",
    "docs/clients/typescript.md",
    "docs/clients/java.md",
    "docs/clients/csharp.md",
    "docs/clients/rust.md",
    "docs/clients/packages.md",
    "docs/configuration.md",
    "docs/dashboards.md",
    "docs/getting-started.md",
    "docs/grpcurl.md",
    "docs/installation.md",
    "docs/keys.md",
    "docs/performance.md",
    "docs/postgresql.md",
    "docs/runbook.md",
    "docs/release.md",
    "docs/sandbox.md",
    "docs/sending.md",
    "docs/store.md",
    "docs/tenants.md",
    "examples/README.md",
    "helm/bitrix24-openlines/README.md",
];
const RUNBOOK: &str = "docs/runbook.md";
/// A method of Bitrix24 that looks like a setting.
const METHOD: &str = "server.time";
const CHART: &str = "helm/bitrix24-openlines/README.md";
/// The target of the line that each call has in the log.
const CALL_LINE: &str = "openlines::call";

#[test]
fn the_index_of_the_documents_has_every_decision() {
    let index = text("docs/README.md");
    let decisions = files("docs/adr", "md");
    assert!(decisions.len() > 60);
    for decision in decisions {
        let name = decision.strip_prefix(root().join("docs")).unwrap();
        let name = name.display();
        assert!(index.contains(&format!("({name})")), "{name}");
    }
}

#[test]
fn every_setting_that_a_page_or_a_proto_names_exists() {
    let settings = first_cells(&text("docs/settings.md"), |_| true);
    // The chart's page has a table of its own values.
    let values = first_cells(&text(CHART), |_| true);
    let is_known = |name: &str| {
        [&settings, &values].into_iter().flatten().any(|known| {
            let rest = known.strip_prefix(name.trim_end_matches('*').trim_end_matches('.'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let sections: BTreeSet<&str> = settings
        .iter()
        .filter_map(|name| Some(name.split_once('.')?.0))
        .collect();
    let is_setting = |name: &&str| {
        let section = name.split_once('.').map(|(section, _)| section);
        section.is_some_and(|section| sections.contains(section))
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '_' | '.' | '*'))
            && ![".md", ".yaml", ".rs", ".proto"]
                .iter()
                .any(|end| name.ends_with(end))
    };
    let mut named = 0;
    for page in PAGES
        .iter()
        .map(PathBuf::from)
        .chain(files("proto", "proto"))
    {
        for code in code_spans(&text(&page)) {
            let name = code.strip_prefix("settings.").unwrap_or(&code);
            if is_setting(&name) && name != METHOD {
                named += 1;
                assert!(is_known(name), "{}: `{name}`", page.display());
            }
        }
    }
    assert!(named > 50, "{named}");
}

#[test]
fn every_metric_that_a_page_names_exists() {
    let metrics = first_cells(&text("docs/metrics.md"), |_| true);
    let is_metric = |name: &&String| {
        ["openlines_", "rpc_", "http_"]
            .iter()
            .any(|start| name.starts_with(start))
            && name.chars().all(|c| matches!(c, 'a'..='z' | '_'))
    };
    let mut named = 0;
    for page in PAGES {
        for name in code_spans(&text(page)).iter().filter(is_metric) {
            named += 1;
            assert!(metrics.contains(name), "{page}: `{name}`");
        }
    }
    assert!(named > 3, "{named}");
}

#[test]
fn every_reason_that_the_runbook_explains_exists() {
    let errors = text("docs/errors.md");
    let explained = first_cells(&text(RUNBOOK), |name| {
        name.chars()
            .all(|c| matches!(c, 'A'..='Z' | '0'..='9' | '_'))
    });
    for name in &explained {
        let (reason, code) = (format!("`ERROR_REASON_{name}`"), format!("`{name}`"));
        assert!(errors.contains(&reason) || errors.contains(&code), "{name}");
    }
    assert!(explained.len() > 30, "{}", explained.len());
}

#[test]
fn every_log_message_that_the_runbook_quotes_is_written() {
    let sources: String = files("src", "rs").iter().map(text).collect();
    // A string that runs over lines is one.
    let mut pieces = sources.split("\\\n");
    let first = pieces.next().unwrap().to_owned();
    let sources = pieces.fold(first, |joined, piece| joined + piece.trim_start());
    let is_message = |quoted: &&String| {
        quoted.starts_with(|c: char| c.is_ascii_lowercase())
            && quoted.split(' ').count() > 2
            && !["openlines ", "curl ", "kubectl "]
                .iter()
                .any(|start| quoted.starts_with(start))
    };
    let quoted: Vec<String> = code_spans(&text(RUNBOOK));
    let messages: Vec<&String> = quoted.iter().filter(is_message).collect();
    for message in &messages {
        assert!(sources.contains(message.as_str()), "{message}");
    }
    assert!(messages.len() > 8, "{}", messages.len());
}

#[test]
fn the_runbook_has_every_field_of_a_calls_log_line_and_no_other() {
    let runbook = text(RUNBOOK);
    let (_, table) = runbook.split_once("| Field | Meaning |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let explained: BTreeSet<String> = first_cells(table, |_| true).into_iter().collect();
    let source = TokenStream::from_str(&text("src/server/ending.rs")).unwrap();
    let fields = fields_of(CALL_LINE, source).expect("the line is written there");
    assert!(fields.len() > 12, "{fields:?}");
    assert_eq!(explained, fields);
}

#[test]
fn every_link_between_pages_leads_to_a_place() {
    for page in PAGES {
        let content = text(page);
        let folder = Path::new(page).parent().unwrap();
        let targets = content
            .split("](")
            .skip(1)
            .map(|rest| rest.split(')').next().unwrap());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let linked = if file.is_empty() {
                Path::new(page).to_owned()
            } else {
                folder.join(file)
            };
            assert!(root().join(&linked).exists(), "{page}: {target}");
            if !anchor.is_empty() {
                let anchors: Vec<String> = text(&linked).lines().filter_map(anchor_of).collect();
                assert!(
                    anchors.iter().any(|known| known == anchor),
                    "{page}: {target}"
                );
            }
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let folders = ["src", "crates", "tests"];
    let sources: String = folders
        .iter()
        .flat_map(|folder| files(folder, "rs"))
        .map(text)
        .collect();
    let is_test = |name: &&String| {
        name.contains("::")
            && name
                .chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | ':'))
    };
    let page = code_spans(&text("SECURITY.md"));
    let named: Vec<&String> = page.iter().filter(is_test).collect();
    for test in &named {
        let name = test.rsplit("::").next().unwrap();
        assert!(sources.contains(&format!("fn {name}(")), "{test}");
    }
    assert!(named.len() > 20, "{}", named.len());
}

/// The fields that a macro of the log with this target is given somewhere in a source.
fn fields_of(target: &str, source: TokenStream) -> Option<BTreeSet<String>> {
    let tokens: Vec<TokenTree> = source.into_iter().collect();
    let is_target = |token: &TokenTree| token.to_string() == format!("\"{target}\"");
    if tokens.iter().any(is_target) {
        let given = tokens.split(|token| token.to_string() == ",");
        // `name = value` or `name`; besides `target: "…"` and the message.
        let fields = given.filter_map(|given| match given {
            [TokenTree::Ident(name), rest @ ..]
                if rest.first().is_none_or(|next| next.to_string() == "=") =>
            {
                Some(name.to_string())
            }
            _ => None,
        });
        return Some(fields.collect());
    }
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Group(group) => fields_of(target, group.stream()),
        TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}

/// The anchor of a heading, as GitHub makes it.
fn anchor_of(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading.to_lowercase().replace(' ', "-");
    Some(
        kept.chars()
            .filter(|c| c.is_alphanumeric() || "-_".contains(*c))
            .collect(),
    )
}

/// The code in the first cells of a page's tables.
fn first_cells(page: &str, wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let cells = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    cells
        .flat_map(code_spans)
        .filter(|name| wanted(name))
        .collect()
}

/// What stands in back ticks, outside of blocks of code; what runs over the end of a line in one
/// piece.
fn code_spans(page: &str) -> Vec<String> {
    let blocks = page.split("```").step_by(2);
    blocks
        .flat_map(|block| block.split('`').skip(1).step_by(2))
        .map(|span| {
            span.split_whitespace()
                .filter(|word| *word != "//")
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// The files below a folder with an extension.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                files(path.to_str().unwrap(), extension)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect()
}

fn text(page: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(page)).unwrap()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
