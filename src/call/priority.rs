//! Which of two waiting calls goes first.

/// How urgent a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Somebody waits for it. Goes before bulk.
    #[default]
    Interactive,
    /// Nobody waits for it. Gets a tenth of the room while interactive calls wait, and all of it otherwise.
    Bulk,
}

impl Priority {
    /// Its word in metrics and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}
