//! The priority of a call.

/// How urgent a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A person waits for the result. Goes before bulk.
    #[default]
    Interactive,
    /// Background traffic. Gets a tenth of the slots while interactive calls are queued, and all
    /// of them otherwise.
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
