//! `tenants.*`: for whom calls are made.

use super::environment::Environment;
use super::reader::Reader;
use super::setting::{Form, Setting};
use crate::tenant::{Applications, TenantsFile, TenantsSource};
use bitrix24::Policy;
use store::StoredTenant;

/// For whom calls are made.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// The tenants file, if there is one.
    pub file: Option<ListedTenants>,
    /// How many tenants are kept in memory. Default 100,000; 100–1,000,000.
    pub maximum_cached: u64,
}

/// The tenants file as it was read at start.
#[derive(Clone, Debug)]
pub struct ListedTenants {
    /// What it takes to read it again.
    pub source: TenantsSource,
    /// The tenants in it.
    pub tenants: Vec<StoredTenant>,
}

pub(super) const SETTINGS: &[&Setting] = &[&FILE, &MAXIMUM_CACHED];

static FILE: Setting = Setting {
    path: "tenants.file",
    form: Form::File,
    default: None,
    meaning: "The tenants file, described below. It is taken over into the store at start and whenever it changes. Without it tenants \
              come from the tenant service and from installations.",
};
static MAXIMUM_CACHED: Setting = Setting {
    path: "tenants.maximum_cached",
    form: Form::Whole {
        minimum: 100,
        maximum: 1_000_000,
        unit: "tenants",
    },
    default: Some("100000"),
    meaning: "How many tenants are kept in memory, of those that calls are made for. One takes about a kilobyte.",
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
        applications: &Applications,
        environment: &Environment,
    ) -> Option<Self> {
        let maximum_cached = reader.whole(&MAXIMUM_CACHED);
        let file = match reader.file(&FILE)? {
            None => None,
            Some(path) => {
                let read = TenantsFile::read(&path, policy, applications, environment);
                reader.foreign_variables.extend(read.variables);
                reader.faults.extend(read.faults);
                let source = TenantsSource {
                    path,
                    policy: policy?.clone(),
                    applications: applications.clone(),
                    environment: environment.clone(),
                };
                let tenants = read.tenants;
                Some(ListedTenants { source, tenants })
            }
        };
        Some(Self {
            file,
            maximum_cached: maximum_cached?,
        })
    }
}
