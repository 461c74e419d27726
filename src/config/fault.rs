//! What is wrong with a configuration.

use std::fmt;

/// One thing that is wrong: where, what, and what to do about it. Never contains a value, only its
/// kind, because any value may be a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    place: String,
    problem: String,
    remedy: String,
}

impl Fault {
    /// A fault at `place` (setting, variable, or path in a file), worded so that "place: problem;
    /// remedy" reads as a sentence.
    pub fn new(
        place: impl Into<String>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            place: place.into(),
            problem: problem.into(),
            remedy: remedy.into(),
        }
    }

    /// The setting, variable, or path in a file.
    pub fn place(&self) -> &str {
        &self.place
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a configuration, in the order it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Adds those of another part.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The faults one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter()
    }

    /// Number of faults.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.len() == 1 { "fault" } else { "faults" };
        write!(f, "the configuration has {} {noun}:", self.len())?;
        for (number, fault) in (1_usize..).zip(&self.0) {
            write!(f, "\n  {number}. {fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn faults_are_numbered_one_per_line() {
        let mut faults = Faults::from(Fault::new("a.b", "is missing", "give it"));
        faults.push(Fault::new("c", "is unknown", ""));
        assert_eq!(
            faults.to_string(),
            "the configuration has 2 faults:\n  1. a.b: is missing; give it\n  2. c: is unknown"
        );
    }
}
