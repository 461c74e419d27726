//! First and last names of external users.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::check::{Check, Path};

/// The longest first or last name, in characters. Source: method page `imconnector.send.messages`.
const CHARACTERS: usize = 25;

/// What to do with names that Bitrix24's documentation does not allow. How Bitrix24 itself treats
/// them is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// Reject the request.
    Strict,
    /// Send what can be sent of them.
    Clean,
    /// Send them as they are.
    Unchecked,
}

/// Characters that a name may not have, in a row.
static OTHERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[^\p{L}\p{M} '’-]+").ok());
static LETTER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\p{L}").ok());
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^\p{M}").ok());

impl NameRule {
    /// Checks a name, if the request is to be rejected because of it.
    pub(super) fn check(self, path: Path<'_>, name: &str, check: &mut Check) {
        if self != Self::Strict {
            return;
        }
        check.text(path, name, CHARACTERS);
        if has(&OTHERS, name) {
            check.wrong(
                path,
                "CHARACTERS",
                "has other characters than letters, spaces, hyphens and apostrophes; remove them, \
                 or let the service do it (validation.names: clean)",
            );
        }
    }

    /// The name as it is sent; empty if nothing is left of it.
    pub(super) fn sent(self, name: &str) -> Cow<'_, str> {
        if self == Self::Clean && (has(&OTHERS, name) || name.chars().nth(CHARACTERS).is_some()) {
            Cow::Owned(clean(name))
        } else {
            Cow::Borrowed(name)
        }
    }

    /// Whether the name is sent otherwise than it was given.
    pub(super) fn changes(self, name: &str) -> bool {
        self.sent(name) != name
    }
}

/// Other characters become one space, what is too long is cut, and a name without a letter is
/// dropped.
fn clean(name: &str) -> String {
    let Some(others) = OTHERS.as_ref() else {
        return String::new();
    };
    let spaced = others.replace_all(name, " ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let whole = words.join(" ");
    let mut cut: Vec<char> = whole.chars().take(CHARACTERS).collect();
    let rest: String = whole.chars().skip(CHARACTERS).collect();
    // A letter without its marks would be another one.
    if has(&MARK, &rest) {
        while let Some(last) = cut.pop() {
            if has(&LETTER, &String::from(last)) {
                break;
            }
        }
    }
    let kept: String = cut.into_iter().collect();
    if has(&LETTER, &kept) {
        kept.trim().to_owned()
    } else {
        String::new()
    }
}

fn has(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|found| found.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_messengers_give_them_are_cleaned() {
        for (given, sent) in [
            ("Anna", "Anna"),
            ("Jean-Luc O'Neil", "Jean-Luc O'Neil"),
            ("Анна-Мария", "Анна-Мария"),
            ("李小龍", "李小龍"),
            ("Anna 🌸", "Anna"),
            ("🌸Anna🌸Maria🌸", "Anna Maria"),
            ("J. R. R. Tolkien", "J R R Tolkien"),
            ("anna_92", "anna"),
            ("@anna.k", "anna k"),
            ("+7 900 123-45-67", ""),
            ("79001234567", ""),
            ("🌸🌸", ""),
            ("...", ""),
            // Allowed as documented.
            ("- '", "- '"),
            ("Anna\u{200b}\u{202e}", "Anna"),
            ("  Anna \t K. ", "Anna K"),
            ("Anna (Sales, 2nd floor)", "Anna Sales nd floor"),
            (
                "Bartholomew Montgomery-Fitzgerald",
                "Bartholomew Montgomery-Fi",
            ),
            ("Maximiliana Konstantinidou x", "Maximiliana Konstantinido"),
        ] {
            assert_eq!(NameRule::Clean.sent(given), sent, "{given:?}");
            assert_eq!(NameRule::Clean.changes(given), given != sent, "{given:?}");
            assert_eq!(NameRule::Unchecked.sent(given), given);
        }
    }

    #[test]
    fn a_cut_leaves_no_letter_without_its_marks() {
        let name = format!("{}e\u{301}", "a".repeat(24));
        assert_eq!(NameRule::Clean.sent(&name), "a".repeat(24));
        let name = format!("{}e\u{301}", "a".repeat(23));
        assert_eq!(NameRule::Clean.sent(&name), name);
    }

    #[test]
    fn a_cleaned_name_is_one_that_the_strict_rule_accepts() {
        for given in ["Anna 🌸", "J. R. R. Tolkien", "+7 900", &"é9".repeat(40)] {
            let mut check = Check::default();
            let cleaned = NameRule::Clean.sent(given);
            NameRule::Strict.check(Path::root("name"), &cleaned, &mut check);
            let violations = check.pass(None).unwrap_err();
            assert!(violations.is_empty(), "{given:?}: {violations:?}");
        }
    }
}
