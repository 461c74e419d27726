//! The gRPC services as the server takes them.

use tonic::service::Routes;

use crate::admin::Tenants;
use crate::api;
use crate::api::openlines::tenants::v1::tenant_service_server::TenantServiceServer;
use crate::api::openlines::v1::open_lines_service_server::SERVICE_NAME as OPEN_LINES;
use crate::auth::Callers;
use crate::openlines::OpenLines;
use crate::server::Services;

/// All services, for these callers.
pub(super) fn services(
    open_lines: OpenLines,
    tenants: Tenants,
    callers: Callers,
    maximum_request_bytes: usize,
) -> Services<OpenLines> {
    let tenants =
        TenantServiceServer::new(tenants).max_decoding_message_size(maximum_request_bytes);
    Services {
        operations: open_lines,
        routes: Routes::new(tenants),
        callers,
        methods: api::METHODS,
        in_order: OPEN_LINES,
        descriptors: api::DESCRIPTORS,
    }
}
