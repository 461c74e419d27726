//! The failures of managing tenants, as reported to the caller.

use thiserror::Error;

use super::failure::Failure;
use crate::api::openlines::v1::ErrorReason as Reason;
use bitrix24::Outcome;

/// Why a call of the tenant service fails, apart from the reasons of every call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Administration {
    #[error("the caller may not manage tenants")]
    NotPermitted,
    #[error("the tenant does not exist")]
    NotFound,
    #[error("a tenant with this id exists already")]
    AlreadyExists,
    /// The etag is outdated.
    #[error("the tenant was changed since the etag was returned")]
    Changed,
    #[error("the service's database did not respond")]
    StoreUnavailable {
        /// What is known of the change, if the call makes one.
        outcome: Outcome,
    },
    #[error("the tenant's secrets are sealed with a key that the service does not have")]
    Sealed,
    /// The call ended while a change was being made.
    #[error("the change may or may not have been made")]
    ChangeUnknown {
        /// Whether its deadline passed; otherwise the service stopped.
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
            Failure::of_facade(Reason::TenantNotFound, "the tenant does not exist")
        }
        Administration::AlreadyExists => Failure::of_facade(
            Reason::TenantAlreadyExists,
            "a tenant with this id exists already",
        ),
        Administration::Changed => Failure::of_facade(
            Reason::TenantChanged,
            "the tenant was changed since the etag was returned; this change was not made",
        ),
        Administration::StoreUnavailable { outcome } => Failure {
            outcome,
            ..Failure::of_facade(
                Reason::StoreUnavailable,
                match outcome {
                    Outcome::NotExecuted => "the service's database did not respond",
                    Outcome::Executed | Outcome::Unknown => {
                        "the service's database did not respond; the change may have been made"
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
                "the call ended before the database responded: the change may have been made",
            )
        },
    }
}
