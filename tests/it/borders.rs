//! The borders between the modules, as ARCHITECTURE.md states them, read out of `src/`.

use std::fs;
use std::path::{Path, PathBuf};

/// A word that may stand in some files only.
struct Border {
    /// What must not be named.
    word: &'static str,
    /// The files or folders below `src/` to which the border applies. Empty: all.
    within: &'static [&'static str],
    /// The files or folders in which the word is at home.
    except: &'static [&'static str],
}

const BORDERS: &[Border] = &[
    Border {
        word: "reqwest",
        within: &[],
        except: &["telemetry.rs"],
    },
    Border {
        word: "Code::",
        within: &[
            "admin.rs",
            "admin/",
            "openlines.rs",
            "openlines/",
            "auth.rs",
            "auth/",
            "tenant.rs",
            "tenant/",
            "dispatch.rs",
            "server.rs",
            "server/",
        ],
        // It speaks HTTP, whose statuses are codes too.
        except: &["server/admin.rs"],
    },
    Border {
        word: "tonic::Code",
        within: &[],
        except: &["error.rs", "error/"],
    },
    Border {
        word: "std::env",
        within: &[],
        // How long a simulation runs is said by who runs the tests.
        except: &[
            "config/environment.rs",
            "config/reference.rs",
            "dispatch/portal/tests/simulation.rs",
        ],
    },
    Border {
        word: "bitrix24",
        within: &["sandbox.rs", "sandbox/"],
        except: &[],
    },
    Border {
        word: "sandbox",
        within: &[],
        except: &["cli/demo.rs", "cli/demo/", "cli/sandbox.rs"],
    },
    Border {
        word: "crate::admin",
        within: &[
            "auth.rs",
            "auth/",
            "tenant.rs",
            "tenant/",
            "openlines.rs",
            "openlines/",
            "dispatch.rs",
        ],
        except: &[],
    },
    Border {
        word: "tonic",
        within: &["install.rs", "install/"],
        except: &[],
    },
    Border {
        word: "crate::openlines",
        within: &[
            "admin.rs",
            "admin/",
            "auth.rs",
            "auth/",
            "tenant.rs",
            "tenant/",
        ],
        except: &[],
    },
    Border {
        word: "crate::dispatch",
        within: &["auth.rs", "auth/", "tenant.rs", "tenant/"],
        except: &[],
    },
];

#[test]
fn no_module_names_what_lies_beyond_its_border() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = rust_files(&source);
    assert!(files.len() > 80, "only {} files were found", files.len());
    let mut crossings = Vec::new();
    for file in &files {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap();
        let text = fs::read_to_string(file).unwrap();
        for border in BORDERS.iter().filter(|border| border.applies_to(name)) {
            for (number, line) in text.lines().enumerate() {
                if code_of(line).contains(border.word) {
                    crossings.push(format!("src/{name}:{}: names {}", number + 1, border.word));
                }
            }
        }
    }
    assert!(crossings.is_empty(), "{}", crossings.join("\n"));
}

#[test]
fn every_border_stands_where_there_is_something() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for place in BORDERS
        .iter()
        .flat_map(|border| border.within.iter().chain(border.except))
    {
        assert!(
            source.join(place).exists(),
            "src/{place} is gone: correct its border"
        );
    }
}

#[test]
fn no_file_is_longer_than_six_hundred_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in ["src", "tests"] {
        for file in rust_files(&root.join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(
                lines <= 600,
                "{} has {lines} lines: it is two things",
                file.display()
            );
        }
    }
}

impl Border {
    fn applies_to(&self, name: &str) -> bool {
        let stands_in = |places: &[&str]| places.iter().any(|place| name.starts_with(place));
        (self.within.is_empty() || stands_in(self.within)) && !stands_in(self.except)
    }
}

/// A line without its comment: prose may name anything.
fn code_of(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
