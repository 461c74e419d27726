//! A YAML file as a tree.

use std::path::Path;

use serde_json::Value;

use super::error::SettingError;
use super::exposure::Exposure;
use super::key::is_quotable;
use super::node::Node;

/// Most nodes (keys, values and collections) of a file. That is about 140,000 tenants, and a file
/// that was made to be slow still takes only seconds.
const MAXIMUM_NODES: usize = 2_000_000;
/// Most parser events of a file; a collection has two, a scalar one.
const MAXIMUM_EVENTS: usize = 5_000_000;

/// A YAML file, or the absence of one.
#[derive(Debug)]
pub(crate) struct Document {
    /// How errors name the file.
    name: String,
    root: Value,
    /// What others may do with the file.
    exposure: Option<Exposure>,
}

impl Document {
    /// Reads a file. Errors name it as "`role` PATH".
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not YAML, or repeats a key. The YAML parser's own texts are
    /// dropped, because they quote the file.
    pub(crate) fn read(path: &Path, role: &str) -> Result<Self, SettingError> {
        let name = format!("{role} {}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| {
            let problem = format!("cannot be read ({})", error.kind());
            SettingError::new(
                &name,
                problem,
                "check the path, the permissions and that it is UTF-8 text",
            )
        })?;
        Ok(Self {
            exposure: Exposure::of(path),
            ..Self::of_text(name, &text)?
        })
    }

    /// Reads the text of a file that errors call `name`.
    pub(crate) fn of_text(name: String, text: &str) -> Result<Self, SettingError> {
        let root = parse(text).map_err(|error| describe(&name, &error))?;
        Ok(Self {
            name,
            root,
            exposure: None,
        })
    }

    /// A tree without a file.
    pub(crate) fn without_file(root: Value) -> Self {
        Self {
            name: "no settings file".to_owned(),
            root,
            exposure: None,
        }
    }

    /// The error that others may read the file although it holds a secret, or may change it. A
    /// secret stands below the key `inline`, or the caller knows of one.
    pub(crate) fn exposed(&self, has_secret: bool) -> Option<SettingError> {
        match self.exposure? {
            Exposure::Readable if !has_secret && !has_inline(&self.root) => None,
            exposure @ (Exposure::Readable | Exposure::Writable) => {
                Some(exposure.error(&self.name))
            }
        }
    }

    /// How errors name the file.
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

/// Whether a secret stands in the tree itself.
fn has_inline(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(has_inline),
        Value::Object(fields) => fields.contains_key("inline") || fields.values().any(has_inline),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
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
    // The parser finds no document in an empty file, which is a valid settings file.
    Ok(serde_saphyr::from_str_with_options::<Option<Value>>(text, options)?.unwrap_or_default())
}

fn describe(name: &str, error: &serde_saphyr::Error) -> SettingError {
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
            Some(key) => format!("repeats the key `{key}`"),
            None => "repeats a key".to_owned(),
        };
        return SettingError::new(place, problem, "keep one of them");
    }
    if let serde_saphyr::Error::Budget { .. } = error {
        return SettingError::new(
            place,
            "is larger than a configuration file can be",
            "shorten it",
        );
    }
    SettingError::new(
        place,
        "is not valid YAML",
        "check indentation, quotes and colons there",
    )
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::Document;

    fn read(text: &str) -> Result<Document, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Document::read(file.path(), "settings file").map_err(|error| error.to_string())
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
    fn a_repeated_key_is_an_error() {
        let error = read("server:\n  listen: 1\n  listen: 2\n").unwrap_err();
        assert!(error.contains("line 3"), "{error}");
        assert!(error.contains("repeats the key `listen`"), "{error}");
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
    fn no_error_quotes_the_file() {
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
            if let Err(error) = read(text) {
                assert!(!error.contains("s3cr3tcanary"), "{text:?}: {error}");
            }
        }
        assert!(read("secret: \"s3cr3tcanary\n").is_err());
    }

    #[test]
    fn a_file_that_does_not_exist_is_an_error_that_names_it() {
        let error = Document::read("/does/not/exist.yaml".as_ref(), "settings file").unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("settings file /does/not/exist.yaml: cannot be read"),
            "{error}"
        );
    }
}
