//! What the programs call: the stub, and the files of services that call it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::process::Process;
use super::scenes::Program;
use super::service::Files;
use super::{certificate, tenants};

/// Portal and collector of the programs.
pub(crate) struct Upstream {
    pub(crate) portal: SocketAddr,
    collector: SocketAddr,
    /// The same portal over TLS and HTTP/2, with this certificate.
    secure: SocketAddr,
    certificate: PathBuf,
    _folder: TempDir,
    _process: Process,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificate = certificate::make(folder.path());
        let process = Process::start_self(&["stub", folder.path().to_str().unwrap()]);
        let [portal, collector, secure] = process.addresses()[..] else {
            panic!("the stub has three addresses");
        };
        Self {
            portal,
            collector,
            secure,
            certificate,
            _folder: folder,
            _process: process,
        }
    }

    /// The files of a service, in this store or in one of its own.
    pub(crate) async fn files(&self, program: Program, store_url: Option<&str>) -> Arc<Files> {
        // Calls are traced if their callers say so.
        let traces = format!(
            "telemetry: {{otlp_endpoint: 'http://{}', sample_percent: 0}}\n",
            self.collector
        );
        let mut portal = format!("http://{}", self.portal);
        let (mut fields, mut trust) = ("", String::new());
        let settings = match program {
            Program::Bare | Program::TypedBare => panic!("a bare hop has no files"),
            Program::Service => traces,
            Program::Silent => "log: {filter: 'off'}\n".to_owned(),
            Program::Batching => {
                fields = ", plan: {burst: 10, per_second: 1000}";
                format!("{traces}dispatch: {{parallel_requests_per_portal: 1}}\n")
            }
            Program::Secure => {
                portal = format!("https://{}", self.secure);
                trust = format!("ca_file: '{}'", self.certificate.display());
                traces
            }
        };
        let files = tenants::files(store_url, &portal, fields, &trust, &settings);
        tenants::add_application(files.folder(), store_url, portal).await;
        files
    }
}
