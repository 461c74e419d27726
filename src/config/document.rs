//! A YAML file as a tree.

use std::path::Path;

use serde_json::Value;

use super::fault::Fault;
use super::node::Node;

/// Most nodes (keys, values and collections) of a file: about 140,000 tenants, and still only
/// seconds of work for a file that was made to be slow.
const MAXIMUM_NODES: usize = 2_000_000;
/// Most parser events of a file; a collection has two, a scalar one.
const MAXIMUM_EVENTS: usize = 5_000_000;
/// Longest key that is quoted in a fault, in bytes.
const MAXIMUM_QUOTED_BYTES: usize = 64;

/// A YAML file that was read, or the absence of one.
#[derive(Debug)]
pub(crate) struct Document {
    /// How faults name the file.
    name: String,
    root: Value,
}

impl Document {
    /// Reads a file. `role` says in faults what kind of file it is.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no YAML, or gives a key twice. The texts of the YAML parser
    /// are not passed on, because they quote the file.
    pub(crate) fn read(path: &Path, role: &str) -> Result<Self, Fault> {
        let name = format!("{role} {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| {
            let problem = format!("cannot be read ({})", error.kind());
            Fault::new(
                &name,
                problem,
                "check the path, the permissions and that it is UTF-8 text",
            )
        })?;
        let root = parse(&text).map_err(|error| describe(&name, &error))?;
        Ok(Self { name, root })
    }

    /// A tree that comes from no file.
    pub(crate) fn without_file(root: Value) -> Self {
        Self {
            name: "no settings file".to_owned(),
            root,
        }
    }

    /// How faults name the file.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The tree; `null` for an empty file.
    pub(crate) fn value(&self) -> &Value {
        &self.root
    }

    /// The tree as the root of paths.
    pub(crate) fn root(&self) -> Node<'_> {
        Node::root(&self.root, &self.name)
    }
}

fn parse(text: &str) -> Result<Value, serde_saphyr::Error> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAXIMUM_NODES,
            max_events: MAXIMUM_EVENTS,
        },
        with_snippet: false,
        strict_booleans: true,
    };
    // An empty file is no document for the parser, but a fine settings file.
    Ok(serde_saphyr::from_str_with_options::<Option<Value>>(text, options)?.unwrap_or_default())
}

fn describe(name: &str, error: &serde_saphyr::Error) -> Fault {
    let place = match error.location() {
        Some(location) => {
            format!(
                "{name}, line {}, column {}",
                location.line(),
                location.column()
            )
        }
        None => name.to_owned(),
    };
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        let problem = match key.as_deref().filter(|key| is_quotable(key)) {
            Some(key) => format!("gives the key `{key}` twice"),
            None => "gives a key twice".to_owned(),
        };
        return Fault::new(place, problem, "keep one of them");
    }
    if let serde_saphyr::Error::Budget { .. } = error {
        return Fault::new(
            place,
            "is larger than a configuration file can be",
            "shorten it",
        );
    }
    Fault::new(
        place,
        "is no valid YAML",
        "check indentation, quotes and colons there",
    )
}

/// Whether a key can stand in a fault: it looks like the name of a setting and not like a pasted secret or a whole line.
/// No setting has a digit or a capital in its name; few secrets have neither.
pub(super) fn is_quotable(key: &str) -> bool {
    key.len() <= MAXIMUM_QUOTED_BYTES
        && !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Document;

    fn read(text: &str) -> Result<Document, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Document::read(file.path(), "settings file").map_err(|fault| fault.to_string())
    }

    #[test]
    fn an_empty_file_is_an_empty_tree() {
        for text in ["", "\n", "# nothing\n", "---\n", "null\n", "{}\n"] {
            let document = read(text).unwrap();
            let empty = document
                .value()
                .as_object()
                .is_none_or(|object| object.is_empty());
            assert!(empty, "{text:?}");
        }
    }

    #[test]
    fn a_key_given_twice_is_a_fault() {
        let fault = read("server:\n  listen: 1\n  listen: 2\n").unwrap_err();
        assert!(fault.contains("line 3"), "{fault}");
        assert!(fault.contains("gives the key `listen` twice"), "{fault}");
    }

    #[test]
    fn words_that_only_old_yaml_took_for_booleans_stay_words() {
        let document = read("a: no\nb: true\nc: on\n").unwrap();
        assert_eq!(
            document.value().to_string(),
            r#"{"a":"no","b":true,"c":"on"}"#
        );
    }

    #[test]
    fn no_fault_quotes_the_file() {
        for text in [
            "secret: s3cr3tcanary: x\n",
            "secret: \"s3cr3tcanary\n",
            "secret: [s3cr3tcanary\n",
            "? [s3cr3tcanary]\n: x\n",
            "s3cr3tcanary key: 1\ns3cr3tcanary key: 2\n",
            "secret: !!int s3cr3tcanary\n",
            "secret: !!bool s3cr3tcanary\n",
            "secret: *s3cr3tcanary\n",
            "secret: !s3cr3tcanary!x y\n",
            "a: 1\n---\ns3cr3tcanary\n",
            "a: {<<: s3cr3tcanary}\n",
            "\ts3cr3tcanary",
        ] {
            if let Err(fault) = read(text) {
                assert!(!fault.contains("s3cr3tcanary"), "{text:?}: {fault}");
            }
        }
        assert!(read("secret: \"s3cr3tcanary\n").is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_a_fault_that_names_it() {
        let fault = Document::read("/does/not/exist.yaml".as_ref(), "settings file").unwrap_err();
        let fault = fault.to_string();
        assert!(
            fault.starts_with("settings file /does/not/exist.yaml: cannot be read"),
            "{fault}"
        );
    }
}
