//! The parts of the service that the integration tests and the benchmarks use directly. They are
//! not an API.

pub mod app {
    pub use crate::app::{AppError, Config, run};
}

pub mod auth {
    pub use crate::auth::{Auth, Caller, Callers, NewKey, PeerCertificate, Presented, Rejected};
}

#[cfg(feature = "simulation")]
pub mod call;

pub mod dispatch {
    pub use crate::dispatch::{Dispatcher, Means, Options};

    pub mod ledger {
        pub use crate::dispatch::ledger::{
            Claim, Entered, Fingerprint, Key, Known, Ledger, LedgerError, Recorded, Started,
            Unavailable,
        };
    }

    pub mod replica {
        pub use crate::dispatch::replica::{HeartbeatConfig, Replica};
    }

    pub mod sharing {
        pub use crate::dispatch::sharing::{Sharing, SharingState};
    }
}

pub mod error {
    pub use crate::error::code_name;
}

pub mod install {
    pub use crate::install::{
        EventResult, InstallationEndpoint, Limits, Retries, read_event, serve,
    };
}

pub mod metrics {
    pub use crate::metrics::{Metrics, all_metrics};
}

pub mod openlines {
    pub use crate::openlines::{NameRule, OpenLines, Rules, respond};
}

pub mod settings {
    pub use crate::settings::Environment;
}

pub mod stop {
    pub use crate::stop::Stop;
}

pub mod tasks {
    pub use crate::tasks::{TaskFailed, Tasks};
}

pub mod tenant {
    pub use crate::tenant::{
        Application, ApplicationName, Applications, Directory, Judgement, PortalAccess, follow,
        reconcile,
    };
}
