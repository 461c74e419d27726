//! The file that was opened, and whether it is still there.
//!
//! SQLite goes on with a file that was removed or replaced, and whatever it writes is gone with the
//! process.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{StoreError, Unavailable};

#[derive(Debug)]
pub(crate) struct OpenedFile {
    path: PathBuf,
    /// The file with the latest changes. It is there as long as a connection is open.
    log: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    has_log: AtomicBool,
    /// Whether a flush to the disk has failed.
    is_unflushed: AtomicBool,
}

impl OpenedFile {
    /// The file of this name, as it is now.
    pub(crate) fn of(path: &Path) -> io::Result<Self> {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        Ok(Self {
            path: path.to_owned(),
            log: PathBuf::from(log),
            identity: identity(path)?,
            has_log: AtomicBool::new(false),
            is_unflushed: AtomicBool::new(false),
        })
    }

    /// Notes whether a write has failed because the disk did not take it. To be called by who has
    /// the turn to write.
    ///
    /// Linux tells of that once, and takes what it could not write for written. The next flush
    /// succeeds, and a power cut then loses what it wrote, too: SQLite reads its log up to the
    /// first gap.
    pub(crate) fn heard<T>(&self, done: &Result<T, StoreError>) {
        if done.as_ref().is_err_and(StoreError::is_unflushed) {
            self.is_unflushed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether what this process writes now may be lost in a power cut, although it was flushed.
    pub(crate) fn is_unflushed(&self) -> bool {
        self.is_unflushed.load(Ordering::Relaxed)
    }

    /// Checks that the name still leads to the file, and that its log is there.
    ///
    /// Not to be opened for that: closing it would release the locks that SQLite has on it.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let is_same = identity(&self.path).is_ok_and(|found| found == self.identity);
        let has_log = self.log.exists();
        let had_log = self.has_log.fetch_or(has_log, Ordering::Relaxed);
        if is_same && has_log >= had_log {
            Ok(())
        } else {
            Err(StoreError::Unavailable(Unavailable::Lost))
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = std::fs::metadata(path)?;
    Ok((found.dev(), found.ino()))
}
