//! The engine of settings: reads a YAML file and the environment, which overrides the file.
//!
//! It knows no setting. Each part of the service declares its own with [`table!`], beside its code;
//! what reads them registers them, for unknown keys and for docs/settings.md. All errors are
//! collected, and no error quotes a value, because any value may be a secret in the wrong place.

mod document;
mod environment;
mod error;
mod exposure;
pub(crate) mod form;
mod key;
mod node;
#[cfg(test)]
mod page;
mod reader;
pub(crate) mod schema;
mod setting;
mod stamp;
mod table;
mod unknown;

pub(crate) use document::Document;
pub use environment::Environment;
pub(crate) use environment::NotUnicode;
pub(crate) use error::{SettingError, SettingErrors};
pub(crate) use exposure::Exposure;
pub(crate) use node::{Fields, Node};
#[cfg(test)]
pub(crate) use page::tables;
pub(crate) use reader::Reader;
pub(crate) use setting::{Effective, Origin, Setting};
pub(crate) use stamp::Stamp;
pub(crate) use table::table;
#[cfg(test)]
pub(crate) use unknown::is_service_link;

/// Start of the name of each environment variable that is a setting.
const VARIABLE_PREFIX: &str = "OPENLINES_";
