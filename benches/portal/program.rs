//! The programs that are measured: that of this build, and one that was built before.

use std::path::{Path, PathBuf};

use super::service::OURS;

/// A binary of the service.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) path: PathBuf,
}

/// The program of this build, after the earlier one if its path is given.
pub(crate) fn programs(before: Option<&str>) -> Vec<Program> {
    let program = |name, path: &str| {
        let path = Path::new(path).to_owned();
        assert!(path.is_file(), "{} is not a program", path.display());
        Program { name, path }
    };
    let before = before.map(|path| program("before", path));
    before.into_iter().chain([program("after", OURS)]).collect()
}
