//! The source files of a crate, as modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::graph::Graph;
use super::paths::{Named, named};

/// A source file, the module that it is, and the paths that it names.
pub(super) struct Source {
    /// The file, from the root of the repository.
    pub(super) file: String,
    /// From `crate` on, for example `crate`, `tenant`, `directory`.
    pub(super) module: Vec<String>,
    pub(super) named: Vec<Named>,
}

/// Reads every source file below a folder of the repository, for example `src`.
pub(super) fn read(folder: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = rust_files(&root.join(folder));
    let sources = files
        .into_iter()
        .map(|path| {
            let inside = path.strip_prefix(root.join(folder)).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            let file = path.strip_prefix(root).unwrap().display().to_string();
            source(file, inside.to_str().unwrap(), &text)
        })
        .collect();
    resolved(sources)
}

/// Replaces what a module lends its name to by where it comes from.
pub(super) fn resolved(mut sources: Vec<Source>) -> Vec<Source> {
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|one| one.module.clone()).collect();
    let mut origins = BTreeMap::new();
    for source in &mut sources {
        for named in &mut source.named {
            // `pub use child::Name` begins with a child of the module that says it.
            let below = [source.module.as_slice(), &named.segments[..1]].concat();
            if modules.contains(&below) {
                named.segments = [source.module.as_slice(), &named.segments].concat();
            }
            if let Some(name) = named.reexport.clone() {
                origins.insert(name, named.segments.clone());
            }
        }
    }
    for named in sources.iter_mut().flat_map(|source| &mut source.named) {
        // A name that is lent more often than this is lent in a circle.
        for _ in 0..8 {
            let lent = (1..=named.segments.len()).find_map(|length| {
                let origin = origins.get(&named.segments[..length])?;
                Some((length, origin.clone()))
            });
            let Some((length, origin)) = lent else { break };
            named.segments = [origin.as_slice(), &named.segments[length..]].concat();
        }
    }
    sources
}

/// Reads one file; `inside` is its path below the folder of the crate's sources.
pub(super) fn source(file: String, inside: &str, text: &str) -> Source {
    let stem = inside.trim_end_matches(".rs");
    let below = stem
        .split('/')
        .filter(|part| !matches!(*part, "lib" | "main"));
    let module: Vec<&str> = ["crate"].into_iter().chain(below).collect();
    Source {
        file,
        named: named(text, &module),
        module: module.into_iter().map(str::to_owned).collect(),
    }
}

/// The arrows between the children of one module, each child standing for all that is below it.
/// Tests may look at anything.
pub(super) fn between_children(sources: &[Source], parent: &[String]) -> Graph {
    let depth = parent.len();
    let children: Vec<&String> = sources
        .iter()
        .filter(|source| source.module.len() == depth + 1 && source.module.starts_with(parent))
        .map(|source| &source.module[depth])
        .collect();
    let mut graph = Graph::default();
    for source in sources.iter().filter(|source| !source.is_test()) {
        let Some(from) = source.module.get(depth) else {
            continue;
        };
        if !source.module.starts_with(parent) {
            continue;
        }
        for named in &source.named {
            if named.reexport.is_some() && source.module == parent {
                continue;
            }
            if let Some(to) = named.segments.get(depth)
                && named.segments.starts_with(parent)
                && children.contains(&to)
            {
                graph.add(from, to, format!("{}:{}", source.file, named.line));
            }
        }
    }
    graph
}

impl Source {
    pub(super) fn is_test(&self) -> bool {
        self.module.iter().any(|part| part == "tests")
    }
}

/// Every Rust file below a folder.
pub(super) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
