//! The violations of a request.

/// One rule that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The path of the field, for example `messages[2].user.first_name`.
    pub(crate) field: String,
    /// The rule, in UPPER_SNAKE_CASE, for programs.
    pub(crate) rule: &'static str,
    /// The fault, the limit and the remedy, for people. Never the value itself.
    pub(crate) description: String,
}

/// The violations of a request. All are counted, and the first [`Violations::KEPT`] are kept: a
/// status is sent in HTTP trailers, which have to stay small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Violations {
    kept: Vec<Violation>,
    found: usize,
}

impl Violations {
    /// How many violations a status carries at most.
    pub(crate) const KEPT: usize = 20;

    pub(crate) fn add(
        &mut self,
        field: impl Into<String>,
        rule: &'static str,
        description: impl Into<String>,
    ) {
        self.found += 1;
        if self.kept.len() < Self::KEPT {
            let (field, description) = (field.into(), description.into());
            self.kept.push(Violation {
                field,
                rule,
                description,
            });
        }
    }

    /// Adds those of a later check of the same request, which takes a field with a violation for
    /// empty: its violations of that field, or of the message around it, are left out.
    pub(crate) fn extend(&mut self, later: Self) {
        let earlier = self.kept.len();
        for violation in later.kept {
            let Violation {
                field,
                rule,
                description,
            } = violation;
            let is_told = |told: &Violation| {
                let inside = told.field.strip_prefix(&field);
                inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            if !self.kept.iter().take(earlier).any(is_told) {
                self.add(field, rule, description);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found == 0
    }

    /// In the order in which they were found.
    pub(crate) fn kept(&self) -> &[Violation] {
        &self.kept
    }

    /// How many were found, kept or not.
    pub(crate) fn found(&self) -> usize {
        self.found
    }
}
