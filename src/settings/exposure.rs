//! Which files with secrets other users of the machine may read or change.

use std::fs::Metadata;
use std::path::Path;

use super::error::SettingError;

/// The setting that allows it.
pub(crate) const SETTING: &str = "files.dangerous_world_readable";

const READ: u32 = 0o4;
const WRITE: u32 = 0o2;
const ENTER: u32 = 0o1;

/// What users other than the file's owner and group may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposure {
    /// Read it.
    Readable,
    /// Change it, which is worse.
    Writable,
}

impl Exposure {
    /// Of a file. Links are followed; a folder above it that others may not enter protects it.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let others = |path: &Path| Some(mode_of_others(&path.metadata().ok()?));
        let mode = others(&path)?;
        let mut folders = path.ancestors().skip(1);
        if folders.any(|folder| others(folder).is_some_and(|mode| mode & ENTER == 0)) {
            None
        } else if mode & WRITE != 0 {
            Some(Self::Writable)
        } else {
            (mode & READ != 0).then_some(Self::Readable)
        }
    }

    /// What is wrong, to follow "holds secrets" or "names a file that holds a secret".
    pub(crate) fn problem(self) -> &'static str {
        match self {
            Self::Readable => "and every user of this machine may read it",
            Self::Writable => "and every user of this machine may change it",
        }
    }

    /// What helps, to follow "cannot be used".
    pub(crate) fn remedy() -> String {
        format!(
            "run `chmod o= FILE` (for a volume of Kubernetes set `defaultMode: 0440` and an \
             fsGroup), or set {SETTING}"
        )
    }

    /// As an error about the file `place` that holds secrets.
    pub(crate) fn error(self, place: &str) -> SettingError {
        SettingError::new(
            place,
            format!("holds secrets, {}", self.problem()),
            Self::remedy(),
        )
    }
}

#[cfg(unix)]
fn mode_of_others(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & (READ | WRITE | ENTER)
}

/// Other systems have no such modes.
#[cfg(not(unix))]
fn mode_of_others(_: &Metadata) -> u32 {
    0
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::Exposure;

    #[test]
    fn a_file_is_exposed_if_others_may_read_it_and_enter_its_folders() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("folder");
        fs::create_dir(&folder).unwrap();
        let (file, link) = (folder.join("keyring"), folder.join("link"));
        fs::write(&file, "secret").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let set = |path: &std::path::Path, mode| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        for (outer_mode, folder_mode, mode, expected) in [
            (0o755, 0o755, 0o644, Some(Exposure::Readable)),
            (0o711, 0o711, 0o604, Some(Exposure::Readable)),
            (0o755, 0o755, 0o666, Some(Exposure::Writable)),
            (0o755, 0o755, 0o602, Some(Exposure::Writable)),
            (0o755, 0o755, 0o640, None),
            (0o755, 0o755, 0o440, None),
            (0o755, 0o755, 0o600, None),
            (0o755, 0o750, 0o666, None),
            (0o700, 0o755, 0o666, None),
        ] {
            set(outer.path(), outer_mode);
            set(&folder, folder_mode);
            set(&file, mode);
            for path in [&file, &link] {
                let seen = Exposure::of(path);
                assert_eq!(seen, expected, "{outer_mode:o} {folder_mode:o} {mode:o}");
            }
        }
        assert_eq!(Exposure::of(&folder.join("missing")), None);
    }
}
