//! The tenants file.

mod entry;
mod fingerprint;
pub(crate) mod keys;
mod plan;
mod schema;

pub(super) use self::fingerprint::same_tokens;
pub(crate) use self::schema::schema;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::applications::Applications;
use crate::settings::{Document, Environment, SettingErrors};
use bitrix24::Policy;
use bitrix24::TenantId;
use store::StoredTenant;

/// The tenants file with the settings that its entries are checked against.
#[derive(Clone, Debug)]
pub struct TenantsSource {
    pub(crate) path: PathBuf,
    pub(crate) policy: Policy,
    pub(crate) applications: Applications,
    pub(crate) environment: Environment,
}

/// The result of reading a tenants file.
#[derive(Debug, Default)]
pub(crate) struct TenantsFile {
    /// The valid tenants; all tenants, if there are no errors.
    pub(crate) tenants: Vec<StoredTenant>,
    /// Names of the environment variables with secrets.
    pub(crate) variables: BTreeSet<String>,
    pub(crate) errors: SettingErrors,
}

struct Reading<'a> {
    policy: Option<&'a Policy>,
    applications: &'a Applications,
    environment: &'a Environment,
    ids: BTreeSet<TenantId>,
    file: TenantsFile,
}

impl TenantsSource {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file again.
    pub(super) fn read(&self) -> Result<Vec<StoredTenant>, SettingErrors> {
        let read = TenantsFile::read(
            &self.path,
            Some(&self.policy),
            &self.applications,
            &self.environment,
        );
        if read.errors.is_empty() {
            Ok(read.tenants)
        } else {
            Err(read.errors)
        }
    }
}

impl TenantsFile {
    /// Reads a file and its tenants' secrets. Without a policy, addresses are not checked.
    pub(crate) fn read(
        path: &Path,
        policy: Option<&Policy>,
        applications: &Applications,
        environment: &Environment,
    ) -> Self {
        let mut reading = Reading {
            policy,
            applications,
            environment,
            ids: BTreeSet::new(),
            file: Self::default(),
        };
        match Document::read(path, "tenants file") {
            Ok(document) => {
                if !environment.allows_world_readable() {
                    let exposed = document.exposed(false).into_iter();
                    exposed.for_each(|error| reading.file.errors.push(error));
                }
                reading.tenants(&document);
            }
            Err(error) => reading.file.errors.push(error),
        }
        reading.file
    }
}

impl Reading<'_> {
    fn tenants(&mut self, document: &Document) {
        let errors = &mut self.file.errors;
        let fields = document.root().fields(&["tenants"], errors);
        let list = fields.and_then(|fields| fields.required("tenants", errors));
        let items = list.and_then(|list| list.items(errors)).unwrap_or_default();
        for item in &items {
            let tenant = self.tenant(item);
            self.file.tenants.extend(tenant);
        }
    }
}

#[cfg(test)]
mod tests;
