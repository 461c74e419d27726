//! The plan of a tenant, as requests and answers have it.

use super::selection::Field;
use crate::api::openlines::tenants::v1 as api;
use crate::api::openlines::tenants::v1::plan::{Kind, Limit};
use crate::check::Violations;
use bitrix24::{Plan, RateLimit};

/// The plan that a request enters. None after a violation.
pub(super) fn of_request(plan: api::Plan, violations: &mut Violations) -> Option<Plan> {
    let mut wrong = |path: &str, rule: &'static str, description: String| {
        violations.add(
            format!("{}.{path}", Field::Plan.in_request()),
            rule,
            description,
        );
    };
    match plan.limit {
        None => {
            let description = "is required; give kind or own, or leave the plan out";
            wrong("limit", "REQUIRED", description.to_owned());
            None
        }
        Some(Limit::Kind(kind)) => match Kind::try_from(kind) {
            Ok(Kind::Standard) => Some(Plan::Standard),
            Ok(Kind::Enterprise) => Some(Plan::Enterprise),
            Ok(Kind::Unlimited) => Some(Plan::Unlimited),
            Ok(Kind::Unspecified) => {
                let description = "is required; choose a value of its enum, or give own";
                wrong("kind", "REQUIRED", description.to_owned());
                None
            }
            Err(_) => {
                let description = format!("{kind} is no value of its enum");
                wrong("kind", "UNKNOWN_VALUE", description);
                None
            }
        },
        Some(Limit::Own(own)) => {
            let burst = RateLimit::burst(own.burst.into());
            let per_second = RateLimit::per_second(own.per_second);
            if let Err(error) = burst {
                wrong("own.burst", "OUT_OF_RANGE", error.to_string());
            }
            if let Err(error) = per_second {
                wrong("own.per_second", "OUT_OF_RANGE", error.to_string());
            }
            Some(Plan::Own(RateLimit {
                burst: burst.ok()?,
                per_second: per_second.ok()?,
            }))
        }
    }
}

/// The plan as answers show it.
pub(super) fn of_stored(plan: Plan) -> api::Plan {
    let limit = match plan {
        Plan::Standard => Limit::Kind(Kind::Standard.into()),
        Plan::Enterprise => Limit::Kind(Kind::Enterprise.into()),
        Plan::Unlimited => Limit::Kind(Kind::Unlimited.into()),
        Plan::Own(RateLimit { burst, per_second }) => Limit::Own(api::Intensity {
            // A plan that was accepted is far below.
            burst: i32::try_from(burst).unwrap_or(i32::MAX),
            per_second,
        }),
    };
    api::Plan { limit: Some(limit) }
}
