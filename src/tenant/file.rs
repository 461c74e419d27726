//! The tenants file.

mod entry;
mod fingerprint;
mod plan;

pub(super) use self::fingerprint::same_tokens;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::applications::Applications;
use crate::settings::{Document, Environment, SettingErrors};
use bitrix24::Policy;
use bitrix24::TenantId;
use store::StoredTenant;

/// Where tenants are read from, and by what they are judged: what it takes to read them again.
#[derive(Clone, Debug)]
pub struct TenantsSource {
    pub(crate) path: PathBuf,
    pub(crate) policy: Policy,
    pub(crate) applications: Applications,
    pub(crate) environment: Environment,
}

/// What reading a tenants file gave.
#[derive(Debug, Default)]
pub(crate) struct TenantsFile {
    /// The tenants without errors; all of them, if there are no errors.
    pub(crate) tenants: Vec<StoredTenant>,
    /// Names of the environment variables that the file takes secrets from.
    pub(crate) variables: BTreeSet<String>,
    /// Everything that is wrong with the file.
    pub(crate) errors: SettingErrors,
}

/// What the entries of a file are read with.
struct Reading<'a> {
    policy: Option<&'a Policy>,
    applications: &'a Applications,
    environment: &'a Environment,
    ids: BTreeSet<TenantId>,
    file: TenantsFile,
}

impl TenantsSource {
    /// Where the tenants are read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file again.
    ///
    /// # Errors
    ///
    /// All errors of the file.
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
    /// Reads a file with the tenants' secrets, wherever they come from. Without a policy no address is judged.
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
            Ok(document) => reading.tenants(&document),
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
