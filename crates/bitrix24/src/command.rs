//! A call as one command of a `batch`.

mod key;
mod query;
mod reference;

use crate::method::Method;
use crate::parameters::Parameters;
pub(crate) use key::Key;
use query::Query;

/// The most commands that a batch executes; the others are refused.
///
/// Source: page "batch".
pub const MAXIMUM_COMMANDS: usize = 50;

/// A call as a command of a batch: `method?query`, with the query as PHP's `http_build_query`
/// writes it by RFC 3986.
///
/// Source: pages "batch" and "data encoding".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Letters, digits and `?&=%-_.~` only: JSON needs no escapes.
    text: Box<str>,
}

impl Command {
    /// The longest command, in bytes. Longer calls are sent alone.
    ///
    /// Bitrix24 documents no limit. It may search a command for references with a PHP pattern,
    /// which fails at a million characters (`pcre.backtrack_limit`). 50 commands of this size stay
    /// below the smallest usual limit of a request's body, 8 MB.
    pub const MAXIMUM_BYTES: usize = 128 * 1024;

    /// Its length in bytes.
    #[expect(
        clippy::len_without_is_empty,
        reason = "it is never empty: it has a method"
    )]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// The command as sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Parameters {
    /// A call of `method` with these parameters as a command. `None` if a batch could change the
    /// call, which then must be sent alone:
    ///
    /// - a text that could be taken for a reference to another command's result,
    /// - a value that a query cannot express: null, an empty list, an empty map,
    /// - a name with characters other than ASCII letters, digits, `_` and `-`,
    /// - more variables, a deeper nesting or a longer text than is safe.
    pub fn to_command(&self, method: Method) -> Option<Command> {
        let query = Query::of(&self.body(), method.name(), Command::MAXIMUM_BYTES)?;
        Some(Command { text: query.into() })
    }
}
