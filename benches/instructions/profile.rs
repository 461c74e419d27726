//! What callgrind has written: the functions, with what they cost themselves and by whom they are
//! called.

use std::collections::HashMap;

#[derive(Default)]
pub(crate) struct Profile {
    names: HashMap<u32, String>,
    own: HashMap<u32, u64>,
    /// By caller and callee, what the callee cost with all that it called.
    calls: HashMap<(u32, u32), u64>,
}

impl Profile {
    pub(crate) fn read(dump: &str) -> Self {
        let mut profile = Self::default();
        let (mut function, mut callee) = (0, None);
        for line in dump.lines() {
            if let Some(named) = line.strip_prefix("fn=") {
                function = profile.function(named);
            } else if let Some(named) = line.strip_prefix("cfn=") {
                callee = Some(profile.function(named));
            } else if line
                .starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first))
            {
                let Some((_, cost)) = line.split_once(' ') else {
                    continue;
                };
                let cost: u64 = cost.trim().parse().unwrap();
                match callee.take() {
                    Some(callee) => *profile.calls.entry((function, callee)).or_default() += cost,
                    None => *profile.own.entry(function).or_default() += cost,
                }
            }
        }
        profile
    }

    /// A function is named once, as `(NUMBER) NAME`, and then by its number.
    fn function(&mut self, named: &str) -> u32 {
        let (number, name) = named.split_once(')').unwrap();
        let number = number.trim_start_matches('(').parse().unwrap();
        let name = name.trim();
        if !name.is_empty() {
            self.names.insert(number, name.to_owned());
        }
        number
    }

    fn name(&self, function: u32) -> &str {
        self.names.get(&function).map_or("", String::as_str)
    }

    /// What it costs to call functions whose names have one of these parts from others, with all
    /// that they call.
    pub(crate) fn entering(&self, parts: &[&str]) -> u64 {
        let is_part = |function| {
            let name = self.name(function);
            parts.iter().any(|part| name.contains(part))
        };
        let calls = self.calls.iter();
        calls
            .filter(|((caller, callee), _)| is_part(*callee) && !is_part(*caller))
            .map(|(_, cost)| cost)
            .sum()
    }

    /// What all functions cost themselves, by a group for each.
    pub(crate) fn own_by(&self, group: impl Fn(&str) -> String) -> Vec<(String, u64)> {
        let mut groups: HashMap<String, u64> = HashMap::new();
        for (function, cost) in &self.own {
            *groups.entry(group(self.name(*function))).or_default() += cost;
        }
        let mut groups: Vec<(String, u64)> = groups.into_iter().collect();
        groups.sort_unstable_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        groups
    }
}
