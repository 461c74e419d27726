//! The path of a field inside a request, as `BadRequest` names it: `messages[2].user.first_name`.

use std::fmt;

/// A path, built on the stack while a request is walked. Only a violation makes it a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    field: &'static str,
    index: Option<usize>,
}

impl<'a> Path<'a> {
    /// A field of the request itself.
    pub(crate) fn root(field: &'static str) -> Self {
        Self {
            parent: None,
            field,
            index: None,
        }
    }

    /// A field of the message at this path.
    pub(crate) fn field(&'a self, field: &'static str) -> Self {
        Self {
            parent: Some(self),
            field,
            index: None,
        }
    }

    /// An item of the list at this path.
    pub(crate) fn item(self, index: usize) -> Self {
        Self {
            index: Some(index),
            ..self
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.field)?;
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_like_the_request() {
        let messages = Path::root("messages").item(2);
        let user = messages.field("user");
        assert_eq!(
            user.field("first_name").to_string(),
            "messages[2].user.first_name"
        );
    }
}
