//! The JSON Schema of each file that operators write.

use serde_json::Value;

use super::Config;
use crate::settings::schema::{of_list, of_settings};
use crate::{auth, tenant};

/// A file that operators write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OperatorsFile {
    /// The settings file.
    Settings,
    /// The callers file.
    Callers,
    /// The tenants file.
    Tenants,
}

impl OperatorsFile {
    /// Its JSON Schema, for editors.
    pub(crate) fn schema(self) -> Value {
        match self {
            Self::Settings => of_settings(&Config::settings()),
            Self::Callers => of_list(
                "Callers of openlines, see docs/callers.md",
                "callers",
                auth::callers_schema(),
            ),
            Self::Tenants => tenant::file_schema(),
        }
    }
}
