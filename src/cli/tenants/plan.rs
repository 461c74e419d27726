//! The plan of a tenant, as it is typed and shown.

use crate::api::openlines::tenants::v1::plan::{Kind, Limit};
use crate::api::openlines::tenants::v1::{Intensity, Plan};

/// Reads `standard`, `enterprise`, `unlimited`, or figures like `100/3`, whose range the service
/// checks.
pub(super) fn parse(text: &str) -> Result<Plan, String> {
    let limit = match text {
        "standard" => Limit::Kind(Kind::Standard.into()),
        "enterprise" => Limit::Kind(Kind::Enterprise.into()),
        "unlimited" => Limit::Kind(Kind::Unlimited.into()),
        figures => Limit::Own(own(figures).ok_or_else(|| {
            "give standard, enterprise, unlimited, or figures like 100/3: requests at once, and requests a second".to_owned()
        })?),
    };
    Ok(Plan { limit: Some(limit) })
}

fn own(figures: &str) -> Option<Intensity> {
    let (burst, per_second) = figures.split_once('/')?;
    Some(Intensity {
        burst: burst.parse().ok()?,
        per_second: per_second.parse().ok()?,
    })
}

/// A plan for people.
pub(super) fn shown(plan: &Plan) -> String {
    match &plan.limit {
        Some(Limit::Own(own)) => {
            format!("{} at once, {} a second", own.burst, own.per_second)
        }
        Some(Limit::Kind(kind)) => match Kind::try_from(*kind) {
            Ok(Kind::Standard) => "standard",
            Ok(Kind::Enterprise) => "enterprise",
            Ok(Kind::Unlimited) => "unlimited",
            Ok(Kind::Unspecified) | Err(_) => "unknown",
        }
        .to_owned(),
        None => "unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, shown};

    #[test]
    fn a_plan_is_typed_as_a_name_or_as_two_figures() {
        for (typed, expected) in [
            ("standard", "standard"),
            ("enterprise", "enterprise"),
            ("unlimited", "unlimited"),
            ("100/3", "100 at once, 3 a second"),
            ("1/0.5", "1 at once, 0.5 a second"),
        ] {
            assert_eq!(shown(&parse(typed).unwrap()), expected);
        }
        for typed in ["", "Standard", "100", "100/", "/3", "1/2/3", "1.5/2", "a/b"] {
            assert!(parse(typed).unwrap_err().contains("100/3"), "{typed}");
        }
    }
}
