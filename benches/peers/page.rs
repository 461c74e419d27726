//! Where results go: printed, or written into docs/performance.md and docs/pictures/.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::install::printed;
use super::picture::Picture;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The results.
pub(crate) struct Page {
    is_written: bool,
}

impl Page {
    pub(crate) fn printed() -> Self {
        Self { is_written: false }
    }

    pub(crate) fn written() -> Self {
        Self { is_written: true }
    }

    /// When, with what and on what was measured.
    pub(crate) fn occasion(&self) -> String {
        let today = jiff::Zoned::now().date();
        let commit = printed(
            Command::new("git")
                .args(["rev-parse", "--short", "HEAD"])
                .current_dir(ROOT),
        );
        let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let model = cores
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .map_or("?", |name| name.trim_start_matches(['\t', ' ', ':']));
        format!("{today}, commit {commit}, {model}")
    }

    /// Prints a section, and puts it between its marks in the page.
    pub(crate) fn section(&mut self, name: &str, text: &str) {
        println!("{text}");
        if !self.is_written {
            return;
        }
        let page = Path::new(ROOT).join("docs/performance.md");
        let before = std::fs::read_to_string(&page).unwrap();
        let (begin, end) = (
            format!("<!-- peers: {name} -->\n"),
            format!("<!-- peers: end of {name} -->"),
        );
        let (head, rest) = before.split_once(&begin).unwrap();
        let (_, tail) = rest.split_once(&end).unwrap();
        let text = text.trim();
        std::fs::write(page, format!("{head}{begin}\n{text}\n\n{end}{tail}")).unwrap();
    }

    /// Writes a picture, and gives what shows it in the page.
    pub(crate) fn picture(&mut self, name: &str, picture: &Picture) -> String {
        let folder: PathBuf = if self.is_written {
            Path::new(ROOT).join("docs/pictures")
        } else {
            Path::new(ROOT).join(".cache/peers")
        };
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.svg"));
        std::fs::write(&file, picture.svg()).unwrap();
        println!("Wrote {}.", file.display());
        format!("\n![{}](pictures/{name}.svg)\n", picture.title)
    }
}
