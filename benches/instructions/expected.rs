//! The file of counts: a line for each scene, with its name and the instructions per call.

use std::collections::BTreeMap;
use std::path::Path;

/// How much more than expected a scene may cost.
const TOLERANCE: f64 = 0.03;

pub(crate) struct Expected(BTreeMap<String, u64>);

impl Expected {
    /// Reads a file. One that is not there expects nothing.
    pub(crate) fn read(file: &Path) -> Self {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('\t'));
        Self(
            lines
                .map(|(count, name)| (name.to_owned(), count.parse().unwrap()))
                .collect(),
        )
    }

    /// The change of a count: 0.01 is one percent more than expected.
    pub(crate) fn change(&self, scene: &str, count: u64) -> Option<f64> {
        let expected = *self.0.get(scene)?;
        Some(count as f64 / expected as f64 - 1.0)
    }

    /// Why a count must not be. `None`: it may.
    pub(crate) fn objection(&self, scene: &str, count: u64) -> Option<String> {
        match self.change(scene, count) {
            None => Some(format!(
                "{scene}: no count is expected; -- --update writes it"
            )),
            Some(change) if change > TOLERANCE => Some(format!(
                "{scene}: {count} instructions per call, {:.1} % more than expected",
                change * 100.0
            )),
            Some(_) => None,
        }
    }

    pub(crate) fn set(&mut self, scene: &str, count: u64) {
        self.0.insert(scene.to_owned(), count);
    }

    pub(crate) fn write(&self, file: &Path) {
        let lines = self.0.iter();
        let text: String = lines
            .map(|(name, count)| format!("{count}\t{name}\n"))
            .collect();
        std::fs::write(file, text).unwrap();
    }
}
