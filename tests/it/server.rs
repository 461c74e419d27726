//! The gRPC server itself: what every call has, what bad clients get, and how it stops.

mod about;
mod deadlines;
mod load;
mod requests;
mod stopping;
mod tasks;

use tonic::Status;

use crate::support::Told;

/// Code, reason and outcome in one line.
pub(crate) fn told(status: &Status) -> String {
    let code = bitrix24_openlines::testing::error::code_name(status.code());
    format!("{code} {} {}", status.reason(), status.outcome())
}
