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

    /// Adds those of another check of the same request.
    pub fn extend(&mut self, more: Self) {
        self.found += more.found;
        let room = Self::KEPT.saturating_sub(self.kept.len());
        self.kept.extend(more.kept.into_iter().take(room));
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
