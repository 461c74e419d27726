//! The commands of a batch in the order in which they were sent: `cmd` as an object or as an array.

use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::encoding::Encoding;
use super::http_request::HttpRequest;
use super::{brackets, multipart};
use crate::php;

/// Key and text of each command. A command that is not text becomes empty, an unknown method.
pub(crate) fn read(http: &HttpRequest, encoding: &Encoding) -> Vec<(String, String)> {
    let body = http.body.as_ref();
    let in_body = match encoding {
        Encoding::Json => {
            let document: Option<Document> = serde_json::from_slice(body).ok();
            document
                .and_then(|document| document.cmd)
                .map(Commands::entries)
        }
        Encoding::Form => brackets::entries(brackets::pairs(body), "cmd"),
        Encoding::Multipart(boundary) => {
            brackets::entries(multipart::fields(body, boundary), "cmd")
        }
        Encoding::None => None,
    };
    let query = http.uri.query().unwrap_or_default();
    let commands = in_body
        .or_else(|| brackets::entries(brackets::pairs(query.as_bytes()), "cmd"))
        .unwrap_or_default();
    commands
        .into_iter()
        .map(|(key, value)| (key, php::text(Some(&value)).unwrap_or_default()))
        .collect()
}

/// A JSON body of which only `cmd` matters.
#[derive(Deserialize)]
struct Document {
    #[serde(alias = "CMD")]
    cmd: Option<Commands>,
}

/// As in PHP, a repeated key keeps its position and takes the later value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Commands {
    Keyed(IndexMap<String, Value>),
    List(Vec<Value>),
    Scalar(IgnoredAny),
}

impl Commands {
    fn entries(self) -> Vec<(String, Value)> {
        match self {
            Self::Keyed(entries) => entries.into_iter().collect(),
            Self::List(list) => {
                let entries = list.into_iter().enumerate();
                entries.map(|(at, value)| (at.to_string(), value)).collect()
            }
            Self::Scalar(IgnoredAny) => Vec::new(),
        }
    }
}
