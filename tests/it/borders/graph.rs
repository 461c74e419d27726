//! Arrows between modules, and the circles that they form.

use std::collections::{BTreeMap, BTreeSet};

/// An arrow from one module to another, with the places that draw it.
#[derive(Default)]
pub(super) struct Graph {
    arrows: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Graph {
    pub(super) fn add(&mut self, from: &str, to: &str, place: String) {
        if from != to {
            let arrows = self.arrows.entry(from.to_owned()).or_default();
            let places = arrows.entry(to.to_owned()).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
    }

    /// Every arrow: from, to, and the places that draw it.
    pub(super) fn arrows(&self) -> impl Iterator<Item = (&str, &str, &[String])> {
        self.arrows.iter().flat_map(|(from, to)| {
            to.iter()
                .map(move |(to, places)| (from.as_str(), to.as_str(), places.as_slice()))
        })
    }

    /// The arrows that lie on a circle, each in a line with the places that draw it.
    pub(super) fn circles(&self) -> Vec<String> {
        self.arrows()
            .filter(|(from, to, _)| self.reaches(to, from))
            .map(|(from, to, places)| format!("{from} -> {to}: {}", places.join(", ")))
            .collect()
    }

    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![from];
        while let Some(module) = open.pop() {
            if module == to {
                return true;
            }
            if seen.insert(module) {
                let next = self.arrows.get(module).into_iter().flat_map(BTreeMap::keys);
                open.extend(next.map(String::as_str));
            }
        }
        false
    }
}
