//! What is wrong with a request.

/// One rule that a request breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, for example `messages[2].user.first_name`.
    pub field: String,
    /// The rule, in UPPER_SNAKE_CASE, for programs.
    pub rule: &'static str,
    /// What is wrong, the limit and the remedy, for people. Never the value itself.
    pub description: String,
}

/// The rules that a request breaks. All are counted, and the first [`Violations::KEPT`] are kept: a status travels in
/// HTTP trailers, which have to stay small.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    kept: Vec<Violation>,
    found: usize,
}

impl Violations {
    /// How many violations a status carries at most.
    pub const KEPT: usize = 20;

    /// Adds a violation.
    pub fn add(
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

    /// Adds those of a later check of the same request. A field that was wrong before counts as empty there, so what is
    /// found of it, or of the message around it, is left out.
    pub fn extend(&mut self, later: Self) {
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

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.found == 0
    }

    /// The violations that were kept, in the order in which they were found.
    pub fn kept(&self) -> &[Violation] {
        &self.kept
    }

    /// How many were found, kept or not.
    pub fn found(&self) -> usize {
        self.found
    }
}
