//! The memory of a queue without calls.

use foldhash::HashMap;

use super::Queue;

impl<J> Queue<J> {
    /// Gives back the memory of calls that have gone. Without effect while one waits.
    pub(crate) fn rest(&mut self) {
        if !self.is_empty() {
            return;
        }
        self.waiting = HashMap::default();
        self.by_tenant = HashMap::default();
        self.passed_over = Vec::new();
        self.lines.rest();
    }

    /// For how many calls it has memory.
    #[cfg(test)]
    pub(crate) fn capacity(&self) -> usize {
        self.waiting.capacity() + self.by_tenant.capacity() + self.lines.capacity()
    }
}
