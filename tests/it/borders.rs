//! The borders that Cargo does not hold, read out of the paths that the sources name. Which crate
//! may use which is Cargo's to hold; it is compared here with what is drawn in ARCHITECTURE.md.

mod graph;
mod page;
mod paths;
mod planted;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

use self::graph::Graph;
use self::page::{drawn_crates, named_files};
use self::sources::{Source, between_children, rust_files};

/// The modules of the root package, from the top down: arrows point down this list only.
const LAYERS: &[&str] = &[
    "cli",
    "testing",
    "app",
    "admin",
    "install",
    "openlines",
    "server",
    "error",
    "listener",
    "dispatch",
    "check",
    "call",
    "tenant",
    "auth",
    "audit",
    "readiness",
    "metrics",
    "telemetry",
    "workers",
    "tasks",
    "stop",
    "settings",
    "version",
    "api",
];

/// What may be named in some places of the root package only.
const HOMES: &[(&str, &[&str])] = &[
    // One place maps failures to statuses. Those of a collector are not ours.
    ("tonic::Code", &["error", "telemetry::collector"]),
    ("std::env", &["settings::environment"]),
    ("sandbox", &["cli"]),
    // A task that nobody waits for. What is to last is started by `Tasks::spawn_lasting`.
    (
        "tokio::spawn",
        &[
            "admin::changes",
            "dispatch::driver",
            "server::call::streaming",
            "dispatch::tests",
            "telemetry::collector::tests",
        ],
    ),
];

#[test]
fn the_crates_use_each_other_as_drawn() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<String> = packages.iter().map(name).collect();
    let used: BTreeMap<String, BTreeSet<String>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            // What the tests of a crate use is not in what it ships.
            let used = dependencies.filter(|dependency| dependency["kind"] != "dev");
            let ours = used.map(name).filter(|name| names.contains(name));
            (name(package), ours.collect())
        })
        .collect();
    assert_eq!(used, drawn_crates(&architecture()));
}

#[test]
fn every_file_that_the_pages_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = [
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
    ];
    let decisions = fs::read_dir(root.join("docs/adr")).unwrap();
    let decisions = decisions.map(|entry| entry.unwrap().path());
    let mut gone = Vec::new();
    for page in pages
        .map(|page| root.join(page))
        .into_iter()
        .chain(decisions)
    {
        let text = fs::read_to_string(&page).unwrap();
        let missing = named_files(&text)
            .into_iter()
            .filter(|name| !root.join(name).exists());
        gone.extend(missing.map(|name| format!("{}: {name}", page.display())));
    }
    assert!(gone.is_empty(), "{gone:#?}");
}

#[test]
fn arrows_between_modules_point_down_the_layers() {
    let modules = between_children(&sources::read("src"), &["crate".to_owned()]);
    let upward = upward(&modules, LAYERS);
    assert!(upward.is_empty(), "{}", upward.join("\n"));
}

#[test]
fn every_layer_is_a_module() {
    let sources = sources::read("src");
    for layer in LAYERS {
        let is_there = sources
            .iter()
            .any(|source| source.module == ["crate", layer]);
        assert!(is_there, "{layer} is gone: take it out of the layers");
    }
}

#[test]
fn modules_side_by_side_form_no_circle() {
    let crates = drawn_crates(&architecture()).into_keys();
    let folders = crates.map(|name| match name.as_str() {
        env!("CARGO_PKG_NAME") => "src".to_owned(),
        name => format!("crates/{name}/src"),
    });
    let mut circles = Vec::new();
    for folder in folders {
        let sources = sources::read(&folder);
        for source in &sources {
            for arrow in between_children(&sources, &source.module).circles() {
                circles.push(format!("below {}: {arrow}", source.module.join("::")));
            }
        }
        let roots = between_children(&sources, &["crate".to_owned()]).circles();
        circles.extend(roots.into_iter().map(|arrow| format!("{folder}: {arrow}")));
    }
    circles.sort();
    circles.dedup();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn what_has_a_home_is_named_there_only() {
    let strangers: Vec<String> = sources::read("src")
        .iter()
        .flat_map(away_from_home)
        .collect();
    assert!(strangers.is_empty(), "{}", strangers.join("\n"));
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "crates", "tests", "benches"] {
        for file in rust_files(&root.join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(
                lines <= 400,
                "{} has {lines} lines: it is two things",
                file.display()
            );
        }
    }
}

#[test]
fn no_comment_is_wider_than_one_hundred_columns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders =
        ["src", "crates", "tests", "benches"].map(|folder| rust_files(&root.join(folder)));
    let mut wide = Vec::new();
    for file in folders.iter().flatten() {
        for (number, line) in fs::read_to_string(file).unwrap().lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > 100 {
                wide.push(format!("{}:{}", file.display(), number + 1));
            }
        }
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}

/// The arrows that do not point down the layers, or touch a module that has none.
fn upward(modules: &Graph, layers: &[&str]) -> Vec<String> {
    let level = |module: &str| layers.iter().position(|&layer| layer == module);
    let is_down = |from: &str, to: &str| matches!((level(from), level(to)), (Some(from), Some(to)) if from < to);
    let upward = modules.arrows().filter(|(from, to, _)| !is_down(from, to));
    upward
        .map(|(from, to, places)| format!("{from} -> {to}: {}", places.join(", ")))
        .collect()
}

/// The paths of a file that have their home elsewhere.
fn away_from_home(source: &Source) -> Vec<String> {
    let module = source.module.join("::");
    let is_in = |home: &&str| within(module.trim_start_matches("crate::"), home);
    let strangers = source.named.iter().filter(|named| {
        let path = named.segments.join("::");
        HOMES
            .iter()
            .any(|(what, homes)| within(&path, what) && !homes.iter().any(is_in))
    });
    strangers
        .map(|named| {
            let path = named.segments.join("::");
            format!("{}:{}: names {path}", source.file, named.line)
        })
        .collect()
}

/// Whether a path is the other one or lies below it.
fn within(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn name(package: &Value) -> String {
    package["name"].as_str().unwrap().to_owned()
}

fn architecture() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    fs::read_to_string(page).unwrap()
}
