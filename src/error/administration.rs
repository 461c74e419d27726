//! What can go wrong when tenants are managed, and what the caller is told of it.

use thiserror::Error;

use super::failure::Failure;
use crate::api::openlines::v1::ErrorReason as Reason;
use bitrix24::Outcome;

/// Why a call of the tenant service fails, besides what any call can fail for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Administration {
    /// The caller may not manage tenants.
    #[error("the caller may not manage tenants")]
    NotPermitted,
    /// There is no such tenant.
    #[error("there is no such tenant")]
    NotFound,
    /// There is a tenant with this id.
    #[error("there is a tenant with this id")]
    AlreadyExists,
    /// The tenant is another version than the etag says.
    #[error("the tenant was changed since the etag was given out")]
    Changed,
    /// The store did not answer.
    #[error("the service's database did not answer")]
    StoreUnavailable {
        /// What is known of the change, if the call was to make one.
        outcome: Outcome,
    },
    /// The tenant's secrets are sealed with a key that the service does not have.
    #[error("the tenant's secrets are sealed with a key that the service does not have")]
    Sealed,
    /// The time was over, or the service stopped, while a change was being made.
    #[error("the change may or may not have been made")]
    ChangeUnknown {
        /// Whether it was the time that was over.
        timed_out: bool,
    },
}

pub(super) fn failure(error: Administration) -> Failure {
    match error {
        Administration::NotPermitted => Failure::of_facade(
            Reason::AdministrationNotPermitted,
            "the caller may not manage tenants",
        ),
        Administration::NotFound => {
            Failure::of_facade(Reason::TenantNotFound, "there is no such tenant")
        }
        Administration::AlreadyExists => Failure::of_facade(
            Reason::TenantAlreadyExists,
            "there is a tenant with this id already",
        ),
        Administration::Changed => Failure::of_facade(
            Reason::TenantChanged,
            "the tenant was changed since the etag was given out; nothing was changed now",
        ),
        Administration::StoreUnavailable { outcome } => Failure {
            outcome,
            ..Failure::of_facade(
                Reason::StoreUnavailable,
                match outcome {
                    Outcome::NotExecuted => "the service's database did not answer",
                    Outcome::Executed | Outcome::Unknown => {
                        "the service's database did not answer; the change may have been made all the same"
                    }
                },
            )
        },
        Administration::Sealed => Failure::of_facade(
            Reason::TenantSealed,
            "the tenant's secrets are sealed with a key that the service does not have",
        ),
        Administration::ChangeUnknown { timed_out } => Failure {
            outcome: Outcome::Unknown,
            timed_out,
            ..Failure::of_facade(
                Reason::OutcomeUnknown,
                "the call ended before the database answered: the change may or may not have been made",
            )
        },
    }
}
