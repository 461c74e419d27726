//! `tenants.*`: for whom calls are made.

use std::path::PathBuf;

use super::environment::Environment;
use super::reader::Reader;
use super::setting::{Form, Setting};
use crate::bitrix24::Policy;
use crate::tenant::{Directory, TenantsFile};

/// For whom calls are made.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// The file that the tenants were read from.
    pub file: PathBuf,
    /// The tenants in it.
    pub directory: Directory,
}

pub(super) const SETTINGS: &[&Setting] = &[&FILE];

static FILE: Setting = Setting {
    path: "tenants.file",
    form: Form::File,
    default: None,
    meaning: "The tenants file, described below. Required.",
};

impl Tenants {
    /// Reads the tenants file, too, so that its faults are reported together with those of the
    /// settings.
    ///
    /// Without a policy the portals of the tenants are not judged: that would report faults that
    /// are none.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        policy: Option<&Policy>,
        environment: &Environment,
    ) -> Option<Self> {
        let Some(file) = reader.file(&FILE)? else {
            reader.refuse(&FILE, "is missing", "give the path of the tenants file");
            return None;
        };
        let read = TenantsFile::read(&file, policy, environment);
        reader.foreign_variables.extend(read.variables);
        reader.faults.extend(read.faults);
        Some(Self {
            file,
            directory: read.directory,
        })
    }
}
