//! Reads the paths that a source file names: out of its tokens, so that comments and texts do not
//! count, and what stands inside a macro call does.

use std::iter::Peekable;
use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree, token_stream};

/// A path as a file names it, resolved: it begins with `crate` or with the name of a crate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// The module that lends it its own name too, if it stands in a `pub use`, and that name.
    pub(super) reexport: Option<Vec<String>>,
}

/// All paths of two segments or more in the source of `module`, for example `crate`, `tenant`,
/// `directory`.
pub(super) fn named(source: &str, module: &[&str]) -> Vec<Named> {
    let tokens = TokenStream::from_str(source).expect("the source is Rust");
    let mut reader = Reader {
        module: module.iter().map(|&part| part.to_owned()).collect(),
        found: Vec::new(),
        is_public: false,
    };
    reader.block(tokens);
    reader.found
}

type Tokens = Peekable<token_stream::IntoIter>;

struct Reader {
    module: Vec<String>,
    found: Vec<Named>,
    /// Whether what is read stands in a `pub use`.
    is_public: bool,
}

impl Reader {
    fn block(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        let mut inline_module = None;
        let mut was_public = false;
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Ident(word) if word == "pub" => {
                    let is_scope = |next: &TokenTree| matches!(next, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis);
                    tokens.next_if(is_scope);
                    was_public = true;
                }
                TokenTree::Ident(word) if word == "use" => self.is_public = was_public,
                TokenTree::Ident(word) if word == "mod" => {
                    inline_module = tokens
                        .next_if(|next| matches!(next, TokenTree::Ident(_)))
                        .map(|name| name.to_string());
                }
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    self.path(vec![word.to_string()], &mut tokens, line);
                    was_public = false;
                }
                TokenTree::Group(group) => match inline_module.take() {
                    // Tests may look at anything.
                    Some(name) if name == "tests" => {}
                    Some(name) => {
                        self.module.push(name);
                        self.block(group.stream());
                        self.module.pop();
                    }
                    None => self.block(group.stream()),
                },
                TokenTree::Punct(sign) => {
                    if sign.as_char() == ';' {
                        inline_module = None;
                        self.is_public = false;
                    }
                }
                TokenTree::Literal(_) => {}
            }
        }
    }

    /// Follows a path, and each branch of the tree that a `use` makes of it.
    fn path(&mut self, mut segments: Vec<String>, tokens: &mut Tokens, line: usize) {
        while double_colon(tokens) {
            match tokens.peek() {
                Some(TokenTree::Ident(word)) => {
                    segments.push(word.to_string());
                    tokens.next();
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    let branches = group.stream();
                    tokens.next();
                    self.branches(&segments, branches);
                    return;
                }
                // A star or the arguments of a generic type: the path ends before them.
                _ => break,
            }
        }
        if segments.len() > 1 {
            let alias = alias(tokens);
            self.note(segments, alias, line);
        }
    }

    fn branches(&mut self, trunk: &[String], branches: TokenStream) {
        let mut tokens = branches.into_iter().peekable();
        while let Some(token) = tokens.next() {
            if let TokenTree::Ident(word) = token {
                let line = word.span().start().line;
                if word == "self" {
                    let alias = alias(&mut tokens);
                    self.note(trunk.to_vec(), alias, line);
                } else {
                    let segments = [trunk, &[word.to_string()]].concat();
                    self.path(segments, &mut tokens, line);
                }
            }
        }
    }

    fn note(&mut self, segments: Vec<String>, alias: Option<String>, line: usize) {
        let mut rest = segments.as_slice();
        let mut base = match rest.first().map(String::as_str) {
            Some("self" | "super") => self.module.clone(),
            _ => Vec::new(),
        };
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "self" => {}
                "super" => {
                    base.pop();
                }
                _ => break,
            }
            rest = others;
        }
        let segments = [base.as_slice(), rest].concat();
        let name = alias.or_else(|| segments.last().cloned());
        let reexport = self
            .is_public
            .then(|| [self.module.as_slice(), &Vec::from_iter(name)].concat());
        self.found.push(Named {
            segments,
            line,
            reexport,
        });
    }
}

fn double_colon(tokens: &mut Tokens) -> bool {
    let is_colon =
        |token: &TokenTree| matches!(token, TokenTree::Punct(sign) if sign.as_char() == ':');
    let mut ahead = tokens.clone();
    if ahead.next().is_some_and(|token| is_colon(&token))
        && ahead.next().is_some_and(|token| is_colon(&token))
    {
        *tokens = ahead;
        return true;
    }
    false
}

/// The name after an `as`.
fn alias(tokens: &mut Tokens) -> Option<String> {
    tokens.next_if(|next| matches!(next, TokenTree::Ident(word) if word == "as"))?;
    tokens.next().map(|name| name.to_string())
}
