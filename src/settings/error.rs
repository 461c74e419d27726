//! Errors of a configuration.

use std::fmt;

/// One error: place, problem and remedy. Never contains a value, only its kind, because any value
/// may be a secret in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    place: String,
    problem: String,
    remedy: String,
}

/// All errors of a configuration, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingErrors(Vec<SettingError>);

impl SettingError {
    /// An error at `place` (setting, variable, or path in a file). "place: problem; remedy" reads
    /// as a sentence.
    pub(crate) fn new(
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
    #[cfg(test)]
    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

impl SettingErrors {
    pub(crate) fn push(&mut self, error: SettingError) {
        self.0.push(error);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &SettingError> {
        self.0.iter()
    }
}

impl From<SettingError> for SettingErrors {
    fn from(error: SettingError) -> Self {
        Self(vec![error])
    }
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

impl fmt::Display for SettingErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.len() == 1 { "error" } else { "errors" };
        write!(f, "the configuration has {} {noun}:", self.len())?;
        for (number, error) in (1_usize..).zip(&self.0) {
            write!(f, "\n  {number}. {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingErrors {}

#[cfg(test)]
mod tests {
    use super::{SettingError, SettingErrors};

    #[test]
    fn errors_are_numbered_one_per_line() {
        let mut errors = SettingErrors::from(SettingError::new("a.b", "is missing", "give it"));
        errors.push(SettingError::new("c", "is unknown", ""));
        assert_eq!(
            errors.to_string(),
            "the configuration has 2 errors:\n  1. a.b: is missing; give it\n  2. c: is unknown"
        );
    }
}
