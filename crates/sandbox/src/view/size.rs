//! The size of what is sent to a viewer.

use std::io::{self, Write};

use serde::Serialize;

/// How many there are, as records count them.
pub(super) fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// How many bytes of JSON are left.
#[derive(Debug)]
pub(super) struct Room(pub(super) usize);

impl Room {
    /// Takes the value's size, if there is room for it.
    pub(super) fn take(&mut self, value: &impl Serialize) -> bool {
        let mut size = Size(0);
        // Counting cannot fail.
        let _counted = serde_json::to_writer(&mut size, value);
        let left = self.0.checked_sub(size.0);
        self.0 = left.unwrap_or(0);
        left.is_some()
    }
}

struct Size(usize);

impl Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
