//! A call as one command of a `batch`.

mod query;
mod reference;

use super::method::Method;
use super::parameters::Parameters;
use query::Query;

/// The most commands that a batch executes; each one after them is refused.
///
/// Source: page "batch".
pub const MAXIMUM_COMMANDS: usize = 50;

/// A call as a command of a batch: `method?query`, the query as PHP's `http_build_query` writes it with RFC 3986.
///
/// Source: pages "batch" and "data encoding".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Letters, digits and `?&=%-_.~` only, so that it stands in JSON as it is.
    text: Box<str>,
}

impl Command {
    /// The longest command, in bytes. Longer ones travel alone.
    ///
    /// Bitrix24 documents no limit. PHP's patterns give up at a million characters (`pcre.backtrack_limit`), and the
    /// references in a command may be looked for with one; 50 commands of this size stay below the smallest usual
    /// limit of a request's body, 8 MB.
    pub const MAXIMUM_BYTES: usize = 128 * 1024;

    /// Its length in bytes, as it travels.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it is never empty: it has a method"
    )]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The command as it travels.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Parameters {
    /// The call of `method` with these parameters as a command. `None`: the call must travel alone, because a batch
    /// could change it:
    ///
    /// - a text that somebody could take for a reference to another command's result,
    /// - a value that a query cannot express: null, an empty list, an empty map,
    /// - a name with other characters than ASCII letters, digits, `_` and `-`,
    /// - more variables, a deeper nesting or a longer text than is safe.
    pub fn to_command(&self, method: Method) -> Option<Command> {
        let query = Query::of(&self.body(), method.name(), Command::MAXIMUM_BYTES)?;
        Some(Command { text: query.into() })
    }
}
